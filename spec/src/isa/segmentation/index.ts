/** Segment registers, descriptor tables, and the far jump that makes a mode switch complete. SDM vol. 1, 5.1.13 and 5.20. */

import { fromBytes, toBytes, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { CS, LDTR, OFFSET, SS, TR } from '../../state/fields.ts';
import { ATTRIBUTE } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import type { FarOperand, MemoryOperand, RegisterOperand } from '../operand.ts';
import { preventInUserMode } from '../system/umip.ts';
import { isNull, readDescriptor, selectorCode } from './descriptor.ts';
import { codeSegmentFor, loadSegment } from './load.ts';

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
    const selector = Number(u(16, x.peek(i.size)));
    // The width of the stack pointer is that of the SS before the load.
    const width = x.stackAddressSize;
    loadSegment(x, segment, selector);
    x.release(i.size / 8, width);
    if (segment === SS) x.shadowInterrupts();
  },
  source: sdm('2B', '4.3, POP'),
});

const JMP_FAR = instruction({
  mnemonic: 'JMP',
  title: 'Jump, far',
  forms: ['EA cp | ptr16:z | i64'],
  operation(x, i) {
    const { selector, offset } = i.operands[0] as FarOperand;
    const code = codeSegmentFor(x, selector);
    if (Number(offset) > code.limit) x.fault('#GP', 'the target of the far jump is beyond the limit of its segment', 0);
    x.state.setSegment(CS, code);
    x.next = offset;
  },
  source: sdm('2A', '3.2, JMP'),
});

/** Limit and base in memory: 2 + 4 bytes, or 2 + 8 in 64-bit mode. With a 16-bit operand size the base has 24 bits. */
const tableBytes = (x: Execution): number => (x.mode === 64 ? 10 : 6);

const loadingTable = (mnemonic: string, digit: number, base: number, limit: number): InstructionDefinition => instruction({
  mnemonic,
  title: 'Load descriptor table register',
  forms: [`0F 01 /${digit} | m`],
  operation(x, i) {
    x.requirePrivilege(mnemonic);
    const memory = i.operands[0] as MemoryOperand;
    const bytes = x.memory.readBytes(x.linear(memory.segment, x.offset(memory), tableBytes(x), false), tableBytes(x));
    x.state.setQuad(base, u(i.size === 16 ? 24 : 64, fromBytes(bytes, 2)));
    x.state.setWord(limit, Number(fromBytes(bytes, 0, 2)));
  },
  source: sdm('2A', '3.2, LGDT/LIDT'),
});

const storingTable = (mnemonic: string, digit: number, base: number, limit: number): InstructionDefinition => instruction({
  mnemonic,
  title: 'Store descriptor table register',
  forms: [`0F 01 /${digit} | m`],
  operation(x, i) {
    preventInUserMode(x, mnemonic);
    const memory = i.operands[0] as MemoryOperand;
    const linear = x.requireStorable(memory, tableBytes(x));
    x.memory.writeBytes(linear, Uint8Array.of(...toBytes(BigInt(x.state.word(limit)), 2), ...toBytes(x.state.quad(base), tableBytes(x) - 2)));
  },
  source: sdm('2B', mnemonic === 'SGDT' ? '4.3, SGDT' : '4.3, SIDT'),
});

const LLDT = instruction({
  mnemonic: 'LLDT',
  title: 'Load local descriptor table register',
  forms: ['0F 00 /2 | r/m16'],
  operation(x, i) {
    if (x.addressing !== 'protected') x.fault('#UD', 'LLDT exists only in protected mode');
    x.requirePrivilege('LLDT');
    const selector = Number(x.read(i.operands[0]!));
    if (x.longMode) x.unmodelled('LLDT in IA-32e mode (descriptors of 16 bytes)');
    x.state.setSegment(LDTR, isNull(selector) ? { selector, base: 0n, limit: 0, attributes: 0 } : localTable(x, selector));
  },
  source: sdm('2A', '3.2, LLDT'),
});

/** An LDT descriptor (type 2) in the GDT. */
function localTable(x: Execution, selector: number) {
  const code = selectorCode(selector);
  if (selector & 4) x.fault('#GP', 'the LDT is described in the GDT, not in an LDT', code);
  const descriptor = readDescriptor(x, selector);
  if ((descriptor.attributes & 0x1f) !== 2) x.fault('#GP', 'LLDT needs the descriptor of an LDT', code);
  if (!(descriptor.attributes & ATTRIBUTE.present)) x.fault('#NP', 'the LDT is not present', code);
  return descriptor;
}

/** Loads the task register and marks the task state segment busy. In IA-32e mode its descriptor has 16 bytes. */
const LTR = instruction({
  mnemonic: 'LTR',
  title: 'Load task register',
  forms: ['0F 00 /3 | r/m16'],
  operation(x, i) {
    if (x.addressing !== 'protected') x.fault('#UD', 'LTR exists only in protected mode');
    x.requirePrivilege('LTR');
    const selector = Number(x.read(i.operands[0]!));
    const code = selectorCode(selector);
    if (isNull(selector)) x.fault('#GP', 'LTR cannot load a null selector', 0);
    if (selector & 4) x.fault('#GP', 'a task state segment is described in the GDT', code);
    const descriptor = readDescriptor(x, selector);
    const type = descriptor.attributes & 0x1f;
    if (type !== 9 && !(type === 1 && !x.longMode)) x.fault('#GP', 'LTR needs the descriptor of an available task state segment', code);
    if (!(descriptor.attributes & ATTRIBUTE.present)) x.fault('#NP', 'the task state segment is not present', code);
    const high = x.longMode ? x.tables.read(u(64, descriptor.address + 8n), 4) : 0n;
    x.tables.write(u(64, descriptor.address + 5n), 1, BigInt((descriptor.attributes & 0xff) | 2));
    x.state.setSegment(TR, {
      selector, base: descriptor.base | u(64, high << 32n), limit: descriptor.limit, attributes: descriptor.attributes | 2,
    });
  },
  source: sdm('2A', '3.2, LTR'),
});

const STR = instruction({
  mnemonic: 'STR',
  title: 'Store task register',
  forms: ['0F 00 /1 | rmv', '0F 00 /1 | m16'],
  operation(x, i) {
    if (x.addressing !== 'protected') x.fault('#UD', 'STR exists only in protected mode');
    preventInUserMode(x, 'STR');
    x.write(i.operands[0]!, BigInt(x.state.selector(TR)));
  },
  source: sdm('2B', '4.3, STR'),
});

const SLDT = instruction({
  mnemonic: 'SLDT',
  title: 'Store local descriptor table register',
  forms: ['0F 00 /0 | rmv', '0F 00 /0 | m16'],
  operation(x, i) {
    if (x.addressing !== 'protected') x.fault('#UD', 'SLDT exists only in protected mode');
    preventInUserMode(x, 'SLDT');
    x.write(i.operands[0]!, BigInt(x.state.selector(LDTR)));
  },
  source: sdm('2B', '4.3, SLDT'),
});

export const SEGMENTATION: readonly InstructionDefinition[] = [
  MOV_TO_SEGMENT, PUSH_SEGMENT, POP_SEGMENT, JMP_FAR,
  loadingTable('LGDT', 2, OFFSET.gdtrBase, OFFSET.gdtrLimit), loadingTable('LIDT', 3, OFFSET.idtrBase, OFFSET.idtrLimit),
  storingTable('SGDT', 0, OFFSET.gdtrBase, OFFSET.gdtrLimit), storingTable('SIDT', 1, OFFSET.idtrBase, OFFSET.idtrLimit),
  LLDT, SLDT, LTR, STR,
];
