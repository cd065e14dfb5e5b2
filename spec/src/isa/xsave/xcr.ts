/** XGETBV and XSETBV. SDM vol. 2C, 5.3; vol. 1, 13.3. */

import { sdm } from '../../state/citation.ts';
import { RCX } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { instruction } from '../instruction.ts';
import { readPair, writePair } from '../register-pair.ts';
import { CR4 } from '../system/control-bits.ts';
import { MODELLED_COMPONENTS, withMxcsr } from './components.ts';

const requireOsxsave = (x: Execution): void => {
  if (!(x.state.cr4 & CR4.OSXSAVE)) x.fault('#UD', 'CR4.OSXSAVE is 0');
};

const XGETBV = instruction({
  mnemonic: 'XGETBV',
  title: 'Get value of extended control register',
  forms: ['NP 0F 01 D0'],
  cpuid: 'XSAVE',
  operation(x) {
    requireOsxsave(x);
    const number = Number(x.general(RCX, 32));
    const inUse = number === 1 && x.cpu.features.has('XGETBV_ECX_1');
    if (number !== 0 && !inUse) x.fault('#GP', `there is no extended control register ${number}`, 0);
    writePair(x, inUse ? x.state.xcr0 & withMxcsr(x) : x.state.xcr0);
  },
  source: sdm('2C', '5.3, XGETBV'),
});

/** Bits of XCR0 that go together; PKRU (bit 9) goes with nothing. SDM vol. 1, 13.3; vol. 2C, XSETBV. */
const AVX512 = 0xe0n, AMX = 0x6_0000n;

const XSETBV = instruction({
  mnemonic: 'XSETBV',
  title: 'Set extended control register',
  forms: ['NP 0F 01 D1'],
  cpuid: 'XSAVE',
  operation(x) {
    requireOsxsave(x);
    x.requirePrivilege('XSETBV');
    const number = Number(x.general(RCX, 32));
    const value = readPair(x);
    if (number !== 0) x.fault('#GP', `there is no extended control register ${number}`, 0);
    if (!(value & 1n)) x.fault('#GP', 'XCR0[0] must be 1', 0);
    if ((value & 6n) === 4n) x.fault('#GP', 'XCR0[2] (AVX) needs XCR0[1] (SSE)', 0);
    if (value & AVX512 && (value & (AVX512 | 6n)) !== (AVX512 | 6n)) {
      x.fault('#GP', 'XCR0[7:5] (AVX-512) are set together, with XCR0[2:1]', 0);
    }
    if (value & AMX && (value & AMX) !== AMX) x.fault('#GP', 'XCR0[18:17] (AMX) are set together', 0);
    if (value & ~x.cpu.xcr0) x.fault('#GP', 'a bit that this processor does not support in XCR0', 0);
    if (value & ~MODELLED_COMPONENTS) x.unmodelled(`XCR0 bits ${(value & ~MODELLED_COMPONENTS).toString(16)}h`);
    x.state.xcr0 = value;
  },
  source: sdm('2C', '5.3, XSETBV'),
});

export const XCR_FAMILY = [XGETBV, XSETBV];
