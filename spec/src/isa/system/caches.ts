/**
 * Caches as a whole, and the order of everything. There are no caches here: what remains are the faults. SDM vol. 3A,
 * 2.8.4.
 */

import { u } from '../../numbers/bits.ts';
import { type Citation, apm, laterSdm, sdm } from '../../state/citation.ts';
import { FS, RAX } from '../../state/fields.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';

const whole = (
  mnemonic: string, title: string, forms: readonly string[], source: Citation,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms,
  operation(x) {
    x.requirePrivilege(mnemonic);
  },
  source,
});

const SERIALIZE = instruction({
  mnemonic: 'SERIALIZE',
  title: 'Serialize instruction execution',
  forms: ['NP 0F 01 E8'],
  cpuid: 'SERIALIZE',
  operation() {},
  source: laterSdm('2B', '4.3, SERIALIZE'),
});

/** Of the line that holds the address in rAX. 66, F3 and F2 mean nothing to it: seen on a Zen 4. */
const CLZERO = instruction({
  mnemonic: 'CLZERO',
  title: 'Zero cache line',
  forms: ['0F 01 FC | | asz'],
  cpuid: 'CLZERO',
  operation(x, i) {
    const segment = x.sourceSegment(i);
    const offset = x.general(RAX, i.addressSize);
    // The line is aligned by linear address, and all of it has to be within the segment.
    const base = x.mode === 64 && segment < FS ? 0n : x.state.base(segment);
    const start = u(x.mode === 64 ? 64 : 32, offset - (u(64, base + offset) & 0x3fn));
    x.memory.writeBytes(x.linear(segment, start, 64, true), new Uint8Array(64));
  },
  source: apm('3', 'CLZERO'),
});

/** Leaves system management mode, in which this processor never is. */
const RSM = instruction({
  mnemonic: 'RSM',
  title: 'Resume from system management mode',
  forms: ['0F AA'],
  operation(x) {
    x.fault('#UD', 'RSM outside system management mode');
  },
  source: sdm('2B', '4.3, RSM'),
});

export const CACHES: readonly InstructionDefinition[] = [
  whole('INVD', 'Invalidate internal caches', ['0F 08'], sdm('2A', '3.2, INVD')),
  whole('WBINVD', 'Write back and invalidate cache', ['0F 09'], sdm('2C', '5.3, WBINVD')),
  // Without its CPUID bit the prefix means nothing, and the processor executes WBINVD; here both come to the same.
  whole('WBNOINVD', 'Write back and do not invalidate cache', ['F3 0F 09'], apm('3', 'WBNOINVD')),
  SERIALIZE, CLZERO, RSM,
];
