/** INVLPG and INVPCID. SDM vol. 3A, 4.10.4.1. */

import { hex, isCanonical, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';
import { CR4 } from './control-bits.ts';

const currentIdentifier = (x: Execution): number =>
  (x.state.cr4 & CR4.PCIDE ? Number(u(12, x.state.quad(OFFSET.cr3))) : 0);

/** Forgets the page that holds an address; the address is not accessed, and no segment check is made. */
const INVLPG = instruction({
  mnemonic: 'INVLPG',
  title: 'Invalidate TLB entries',
  forms: ['0F 01 /7 | m'],
  operation(x, i) {
    x.requirePrivilege('INVLPG');
    const operand = i.operands[0] as MemoryOperand;
    const flat = x.mode === 64 && operand.segment < 4;
    const linear = u(x.mode === 64 ? 64 : 32, x.offset(operand) + (flat ? 0n : x.state.base(operand.segment)));
    x.paging.invalidate({ kind: 'page', linear, pcid: currentIdentifier(x), global: true });
  },
  source: sdm('2A', '3.2, INVLPG'),
});

const INVPCID = instruction({
  mnemonic: 'INVPCID',
  title: 'Invalidate process-context identifier',
  forms: ['66 0F 38 82 /r | r64, m128 | o64', '66 0F 38 82 /r | r32, m128 | i64'],
  cpuid: 'INVPCID',
  operation(x, i) {
    x.requirePrivilege('INVPCID');
    const type = x.read(i.operands[0]!);
    const descriptor = x.load(i.operands[1] as MemoryOperand, 16);
    const pcid = Number(u(12, descriptor));
    const linear = descriptor >> 64n;
    const individual = type === 0n;
    if (type > 3n) x.fault('#GP', `INVPCID type ${hex(type)}; there are 0 to 3`, 0);
    if (u(64, descriptor) >> 12n) x.fault('#GP', 'bits 63:12 of an INVPCID descriptor are reserved', 0);
    if (type < 2n && pcid !== 0 && !(x.state.cr4 & CR4.PCIDE)) {
      x.fault('#GP', 'INVPCID of an identifier needs CR4.PCIDE', 0);
    }
    if (individual && !isCanonical(linear, x.cpu.linearAddressBits)) {
      x.fault('#GP', `${hex(linear)} is not canonical`, 0);
    }
    x.paging.invalidate(
      individual ? { kind: 'page', linear, pcid, global: false }
      : type === 1n ? { kind: 'context', pcid }
      : { kind: type === 2n ? 'all' : 'all but global' },
    );
  },
  source: sdm('2A', '3.2, INVPCID'),
});

export const TRANSLATION_LOOKASIDE_BUFFER: readonly InstructionDefinition[] = [INVLPG, INVPCID];
