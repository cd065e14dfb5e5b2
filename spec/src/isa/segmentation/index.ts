/** Segment registers, descriptor tables, far transfers. SDM vol. 1, 5.1.13 and 5.20. */

import { fromBytes, hex, isCanonical, toBytes, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { LDTR, OFFSET, SS, TR } from '../../state/fields.ts';
import { ATTRIBUTE } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import type { MemoryOperand, RegisterOperand } from '../operand.ts';
import { preventInUserMode } from '../system/umip.ts';
import { type Descriptor, findUpperHalf, isNull, readDescriptor, selectorCode } from './descriptor.ts';
import { FAR_RETURN } from './far-return.ts';
import { FAR_TRANSFER } from './far-transfer.ts';
import { loadSegment } from './load.ts';
import { POINTER_LOADS } from './pointer-loads.ts';
import { QUERIES } from './queries.ts';

const segmentOf = (operand: unknown): number => (operand as RegisterOperand).index;

const MOV_TO_SEGMENT = instruction({
  mnemonic: 'MOV',
  title: 'Move to a segment register',
  forms: ['8E /r | Sreg, rm16', '8E /r | Sreg, m16'],
  operation(x, i) {
    const segment = segmentOf(i.operands[0]);
    loadSegment(x, segment, Number(x.read(i.operands[1]!)));
    if (segment === SS) x.shadowInterrupts();
  },
  source: sdm('2B', '4.3, MOV'),
});

const PUSH_SEGMENT = instruction({
  mnemonic: 'PUSH',
  title: 'Push a segment register',
  forms: ['06 | ES | i64', '0E | CS | i64', '16 | SS | i64', '1E | DS | i64', '0F A0 | FS | d64', '0F A8 | GS | d64'],
  operation(x, i) {
    x.pushSelector(i.size, x.state.selector(segmentOf(i.operands[0])));
  },
  source: sdm('2B', '4.3, PUSH'),
});

const POP_SEGMENT = instruction({
  mnemonic: 'POP',
  title: 'Pop a segment register',
  forms: ['07 | ES | i64', '17 | SS | i64', '1F | DS | i64', '0F A1 | FS | d64', '0F A9 | GS | d64'],
  operation(x, i) {
    const segment = segmentOf(i.operands[0]);
    const selector = x.peekSelector(i.size);
    // The width of the stack pointer is that of the SS before the load.
    const width = x.stackAddressSize;
    loadSegment(x, segment, selector);
    x.release(i.size / 8, width);
    if (segment === SS) x.shadowInterrupts();
  },
  source: sdm('2B', '4.3, POP'),
});

/** Limit and base in memory: 2 + 4 bytes, or 2 + 8 in 64-bit mode. With a 16-bit operand size the base has 24 bits. */
const tableBytes = (x: Execution): number => (x.mode === 64 ? 10 : 6);

/**
 * Whatever the paging mode, the base of a descriptor table has the linear addresses of the processor, as an MSR does.
 */
function requireCanonicalBase(x: Execution, base: bigint, errorCode: number): void {
  if (!isCanonical(base, x.cpu.linearAddressBits)) x.fault('#GP', `the base ${hex(base)} is not canonical`, errorCode);
}

const loadingTable = (
  mnemonic: string, digit: number, base: number, limit: number,
): InstructionDefinition => instruction({
  mnemonic,
  title: 'Load descriptor table register',
  forms: [`0F 01 /${digit} | m`],
  operation(x, i) {
    x.requirePrivilege(mnemonic);
    const memory = i.operands[0] as MemoryOperand;
    const bytes = x.memory.readBytes(x.linear(memory.segment, x.offset(memory), tableBytes(x), false), tableBytes(x));
    const linear = fromBytes(bytes, 2);
    requireCanonicalBase(x, linear, 0);
    x.state.setQuad(base, u(i.size === 16 && x.mode !== 64 ? 24 : 64, linear));
    x.state.setWord(limit, Number(fromBytes(bytes, 0, 2)));
  },
  source: sdm('2A', '3.2, LGDT/LIDT'),
});

const storingTable = (
  mnemonic: string, digit: number, base: number, limit: number,
): InstructionDefinition => instruction({
  mnemonic,
  title: 'Store descriptor table register',
  forms: [`0F 01 /${digit} | m`],
  operation(x, i) {
    preventInUserMode(x, mnemonic);
    const memory = i.operands[0] as MemoryOperand;
    const linear = x.requireStorable(memory, tableBytes(x));
    x.memory.writeBytes(
      linear,
      Uint8Array.of(...toBytes(BigInt(x.state.word(limit)), 2), ...toBytes(x.state.quad(base), tableBytes(x) - 2)),
    );
  },
  source: sdm('2B', mnemonic === 'SGDT' ? '4.3, SGDT' : '4.3, SIDT'),
});

const LLDT = instruction({
  mnemonic: 'LLDT',
  title: 'Load local descriptor table register',
  forms: ['0F 00 /2 | r/m16'],
  operation(x, i) {
    x.requireProtected('LLDT');
    x.requirePrivilege('LLDT');
    const selector = Number(x.read(i.operands[0]!));
    x.state.setSegment(
      LDTR, isNull(selector) ? { selector, base: 0n, limit: 0, attributes: 0 } : systemSegment(x, selector, LDT_TYPES),
    );
  },
  source: sdm('2A', '3.2, LLDT'),
});

/** Descriptor types that LLDT and LTR take. IA-32e mode has no 16-bit task state segment. */
const LDT_TYPES = { name: 'an LDT', legacy: [2], long: [2] };
const TSS_TYPES = { name: 'an available task state segment', legacy: [1, 9], long: [9] };

/**
 * The descriptor of an LDT or of a task state segment, in the GDT. To 64-bit code it has 16 bytes, and a base of 64
 * bits.
 */
function systemSegment(x: Execution, selector: number, types: typeof LDT_TYPES): Descriptor {
  const code = selectorCode(selector);
  if (selector & 4) x.fault('#GP', `${types.name} is described in the GDT, not in an LDT`, code);
  const descriptor = readDescriptor(x, selector);
  const { attributes } = descriptor;
  const upper = x.mode === 64 ? findUpperHalf(x, selector) : 0n;
  if (!(x.longMode ? types.long : types.legacy).includes(attributes & 0x1f)) {
    x.fault('#GP', `this needs the descriptor of ${types.name}`, code);
  }
  if (upper === undefined) {
    x.fault('#GP', 'the upper half of the descriptor is not in its table, or is not of type 0', code);
  }
  if (!(attributes & ATTRIBUTE.present)) x.fault('#NP', `${types.name} is described as not present`, code);
  const base = descriptor.base | u(64, upper << 32n);
  requireCanonicalBase(x, base, code);
  return { ...descriptor, base };
}

/** Loads the task register and marks the task state segment busy. */
const LTR = instruction({
  mnemonic: 'LTR',
  title: 'Load task register',
  forms: ['0F 00 /3 | r/m16'],
  operation(x, i) {
    x.requireProtected('LTR');
    x.requirePrivilege('LTR');
    const selector = Number(x.read(i.operands[0]!));
    if (isNull(selector)) x.fault('#GP', 'LTR cannot load a null selector', 0);
    const segment = systemSegment(x, selector, TSS_TYPES);
    const busy = segment.attributes | 2;
    x.tables.write(u(64, segment.address + 5n), 1, BigInt(busy & 0xff));
    x.state.setSegment(TR, { ...segment, attributes: busy });
  },
  source: sdm('2A', '3.2, LTR'),
});

const storingSelector = (mnemonic: string, digit: number, register: number, title: string): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: [`0F 00 /${digit} | rmv`, `0F 00 /${digit} | m16`],
    operation(x, i) {
      x.requireProtected(mnemonic);
      preventInUserMode(x, mnemonic);
      x.write(i.operands[0]!, BigInt(x.state.selector(register)));
    },
    source: sdm('2B', `4.3, ${mnemonic}`),
  });

const STR = storingSelector('STR', 1, TR, 'Store task register');
const SLDT = storingSelector('SLDT', 0, LDTR, 'Store local descriptor table register');

export const SEGMENTATION: readonly InstructionDefinition[] = [
  MOV_TO_SEGMENT, PUSH_SEGMENT, POP_SEGMENT, ...POINTER_LOADS, ...FAR_TRANSFER, ...FAR_RETURN,
  loadingTable('LGDT', 2, OFFSET.gdtrBase, OFFSET.gdtrLimit),
  loadingTable('LIDT', 3, OFFSET.idtrBase, OFFSET.idtrLimit),
  storingTable('SGDT', 0, OFFSET.gdtrBase, OFFSET.gdtrLimit),
  storingTable('SIDT', 1, OFFSET.idtrBase, OFFSET.idtrLimit),
  LLDT, SLDT, LTR, STR, ...QUERIES,
];
