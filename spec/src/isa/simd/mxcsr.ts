/** The control and status register of SSE. SDM vol. 1, 10.2.3. */

import { sdm } from '../../state/citation.ts';
import type { InstructionDefinition } from '../instruction.ts';
import { writeMxcsr } from '../xsave/tracking.ts';
import { vector } from './vector.ts';

const loading = (mnemonic: string, form: string, cpuid: 'SSE' | 'AVX'): InstructionDefinition => vector({
  mnemonic,
  title: 'Load MXCSR register',
  forms: [form],
  cpuid,
  exceptions: 9,
  operation(x, i) {
    const value = Number(x.read(i.operands[0]!));
    if (value & ~x.cpu.mxcsrMask) x.fault('#GP', 'a reserved bit of MXCSR', 0);
    writeMxcsr(x, value);
  },
  source: sdm('2A', '3.2, LDMXCSR'),
});

const storing = (mnemonic: string, form: string, cpuid: 'SSE' | 'AVX'): InstructionDefinition => vector({
  mnemonic,
  title: 'Store MXCSR register',
  forms: [form],
  cpuid,
  exceptions: 9,
  operation(x, i) {
    x.write(i.operands[0]!, BigInt(x.state.mxcsr));
  },
  source: sdm('2B', '4.3, STMXCSR'),
});

export const MXCSR: readonly InstructionDefinition[] = [
  loading('LDMXCSR', 'NP 0F AE /2 | m32', 'SSE'), loading('VLDMXCSR', 'VEX.LZ.0F.WIG AE /2 | m32', 'AVX'),
  storing('STMXCSR', 'NP 0F AE /3 | m32', 'SSE'), storing('VSTMXCSR', 'VEX.LZ.0F.WIG AE /3 | m32', 'AVX'),
];
