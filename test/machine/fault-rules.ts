/**
 * What a step that ends in a fault may have changed: nothing, but where a rule says what. Written from the manual and
 * from what processors were seen to leave, apart from the engine's own code for it.
 */

import { Fault, type Machine } from 'hidden-state';
import { decode } from '../../spec/src/isa/decode.ts';
import type { Instruction, Mode } from '../../spec/src/isa/instruction.ts';
import type { MemoryOperand, RegisterOperand } from '../../spec/src/isa/operand.ts';
import { CS, FIELDS } from '../../spec/src/state/fields.ts';
import { State, differences } from '../../spec/src/state/state.ts';

const TOP = 0x3800;

const vectorIn = (state: State, { index }: RegisterOperand): bigint => (state.ymmHigh(index) << 128n) | state.xmm(index);

/** Reads where an instruction could; undefined where it would fault. */
function readable({ execution }: Machine, segment: number, offset: bigint, bytes: number): bigint | undefined {
  try {
    return execution.memory.read(execution.linear(segment, offset, bytes, false), bytes);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return undefined;
  }
}

/**
 * Where the registers of a gather that faulted differ from what SDM vol. 2C, 5.3, VGATHERDPS, lets it leave, in
 * sentences. Elements below the one that faults are there, that one is not; above it each selected one either is there,
 * where it can be read at all, or is not. Bits that belong to no element may have become zero.
 */
function gatherProblems(machine: Machine, before: State, i: Instruction): string[] {
  const { state: after } = machine;
  const [destination, memory, mask] = i.operands as [RegisterOperand, MemoryOperand, RegisterOperand];
  const [, kind, element] = /GATHER([DQ])(D|Q|PS|PD)$/.exec(i.definition.mnemonic)!;
  const index = kind === 'D' ? 32 : 64, size = element === 'D' || element === 'PS' ? 32 : 64;
  const width = i.form.vex!.l === 1 ? 256 : 128, count = width / Math.max(index, size);
  const lane = (value: bigint, n: number, bits = size): bigint => BigInt.asUintN(bits, value >> BigInt(n * bits));
  const ones = (1n << BigInt(size)) - 1n;
  const [was, is] = [before, after].map((state) => ({ destination: vectorIn(state, destination), mask: vectorIn(state, mask) })) as [Record<'destination' | 'mask', bigint>, Record<'destination' | 'mask', bigint>];
  const indexes = vectorIn(before, { ...destination, index: memory.index });
  const base = memory.base < 0 ? 0n : before.gpr[memory.base]!;
  const loaded = (n: number): bigint | undefined => {
    const offset = memory.displacement + base + BigInt.asIntN(index, lane(indexes, n, index)) * BigInt(memory.scale);
    return readable(machine, memory.segment, BigInt.asUintN(memory.addressSize, offset), size / 8);
  };
  const problems: string[] = [];
  const demand = (condition: boolean, what: string): void => void (condition || problems.push(what));
  let faulting: number | undefined;
  for (let n = 0; n < width / size; n++) {
    const selected = lane(was.mask, n) >> BigInt(size - 1) === 1n;
    const left = { destination: lane(is.destination, n), mask: lane(is.mask, n) }, kept = left.destination === lane(was.destination, n);
    if (n >= count) {
      demand(kept || left.destination === 0n, `bits above the elements, lane ${n} of the destination`);
      demand([0n, selected ? ones : 0n].includes(left.mask), `bits above the elements, lane ${n} of the mask`);
    } else if (!selected) {
      demand(kept && left.mask === 0n, `element ${n}, which is not selected`);
    } else {
      const value = loaded(n), there = value !== undefined && left.mask === 0n && left.destination === value, missing = left.mask === ones && kept;
      if (faulting === undefined && value === undefined) faulting = n;
      demand(faulting === undefined ? there : n === faulting ? missing : there || missing, `element ${n}, where ${faulting ?? 'none so far'} faults`);
    }
  }
  demand(faulting !== undefined, 'no element faults');
  if (width === 128) {
    demand(is.mask >> 128n === 0n, 'bits 255:128 of the mask');
    demand([0n, was.destination >> 128n].includes(is.destination >> 128n), 'bits 255:128 of the destination');
  }
  return problems;
}

/** The instruction at RIP; undefined where it cannot be fetched or does not decode. */
function instructionAt(machine: Machine, rip: bigint, mode: Mode): Instruction | undefined {
  const linear = machine.execution.mode === 64 ? rip : BigInt.asUintN(32, rip + machine.state.base(CS));
  try {
    return decode((n) => Number(machine.execution.memory.read(linear + BigInt(n), 1)), mode);
  } catch (error) {
    if (error instanceof Fault || error instanceof RangeError) return undefined;
    throw error;
  }
}

const STORES_MMX = /^(MOVD|MOVQ|MOVNTQ)$/;
/** x87 instructions that bring x87 state into use although their operand faults, where XINUSE is tracked. */
const MARK_FIRST = /^(FSTP?|FISTP?|FISTTP|FBSTP|FBLD|FLDCW|FLDENV|FRSTOR|FNSTENV|FNSAVE)$/;

/** A memory operand, and how many bytes from its address on may be written although the instruction faults. */
interface Several { operand: MemoryOperand; bytes: number }

/** Larger than any area. */
const AREA_BYTES = 0x4000;

/**
 * Of several accesses, those before the one that faults may be done: the first 8 of 80 bits; and where offsets wrap at the
 * address size, fields of x87 environments and save areas, and elements of masked moves.
 */
function severalOf({ cpu: { accesses }, execution }: Machine, i: Instruction): Several | undefined {
  const { mnemonic } = i.definition, operand = i.operands.find((each) => each.kind === 'memory');
  if (operand?.kind !== 'memory') return undefined;
  if (/^FB?STP$/.test(mnemonic) && operand.size === 80) return accesses.eightyBits === '8 bytes and then 2' ? { operand, bytes: 8 } : undefined;
  const ofArea = accesses.stateArea === 'ends first' && /^(FNSTENV|FNSAVE|FLDENV|FRSTOR|FX(SAVE|RSTOR)(64)?|XSAVE(OPT|C|S)?(64)?)$/.test(mnemonic);
  const masked = accesses.wrapping === 'wraps' && /^VP?MASKMOV/.test(mnemonic);
  const bytes = ofArea ? AREA_BYTES : masked ? 32 : 0;
  const wraps = operand.addressSize < 64 && Number(execution.offset(operand)) + bytes > 2 ** operand.addressSize;
  return bytes > 0 && wraps ? { operand, bytes } : undefined;
}

/** Linear addresses that the instruction may not have written, of those that changed. */
function strayWrites(machine: Machine, i: Instruction | undefined, stored: readonly bigint[]): bigint[] {
  const several = i && severalOf(machine, i);
  if (!several || stored.length === 0) return [...stored];
  const { execution } = machine, { operand, bytes } = several;
  const offset = execution.offset(operand);
  const allowed = new Set(Array.from({ length: bytes }, (_, n) => execution.linearUnchecked(operand.segment, BigInt.asUintN(operand.addressSize, offset + BigInt(n)))));
  return stored.filter((linear) => !allowed.has(linear));
}

/** Accesses of FXRSTOR before it loads anything, those that follow, and what each loads: `n` is a register of the stack. */
const FXRSTOR_FIRST = [[24, 4], [0, 4], [4, 4]] as const;
const FXRSTOR_THEN: readonly (readonly [at: number, bytes: number, load: (left: State, value: bigint, after: State) => void])[] = [
  [8, 8, (left, _, after) => [left.fip, left.fcs] = [after.fip, after.fcs]],
  [16, 8, (left, _, after) => [left.fdp, left.fds] = [after.fdp, after.fds]],
  ...Array.from({ length: 8 }, (_, n) => [32 + 16 * n, 16, (left: State, value: bigint) => left.setX87((((left.fsw & TOP) >> 11) + n) & 7, BigInt.asUintN(80, value))] as const),
  ...Array.from({ length: 16 }, (_, n) => [160 + 16 * n, 16, (left: State, value: bigint) => left.setXmm(n, value)] as const),
];

/** What FXRSTOR has loaded where a piece of its area faults that others come before. */
function loadFxrstor(machine: Machine, left: State, { operand }: Several): void {
  const { execution, state: after } = machine;
  const read = (at: number, bytes: number): bigint | undefined => {
    const size = at >= 32 && at < 160 ? 8 : bytes;
    const values = Array.from({ length: bytes / size }, (_, n) => readable(machine, operand.segment, BigInt.asUintN(operand.addressSize, execution.offset(operand) + BigInt(at + n * size)), size));
    return values.includes(undefined) ? undefined : values.reduce<bigint>((all, value, n) => all | (value! << BigInt(8 * size * n)), 0n);
  };
  // Its last byte is asked for before anything.
  const [mxcsr, ...control] = [...FXRSTOR_FIRST, [511, 1] as const].map(([at, bytes]) => read(at, bytes));
  if (mxcsr === undefined || (Number(mxcsr) & ~machine.cpu.mxcsrMask) !== 0 || control.includes(undefined)) return;
  left.mxcsr = Number(mxcsr);
  [left.fcw, left.fsw, left.ftw, left.fop] = [after.fcw, after.fsw, after.ftw, after.fop];
  left.xinuse |= 1n;
  left.xmodified |= 1n;
  for (const [at, bytes, load] of FXRSTOR_THEN) {
    const value = read(at, bytes);
    if (value === undefined) return;
    load(left, value, after);
    if (at < 160) continue;
    left.xinuse |= 2n;
    left.xmodified |= 2n;
    if (execution.mode === 64) [left.xinuse8To15, left.xmodified8To15] = [after.xinuse8To15, after.xmodified8To15];
  }
}

/** The state as a fault of the operand of `i` leaves it, from that before; undefined where it leaves all of it. */
function leftBy(machine: Machine, before: State, i: Instruction): State | undefined {
  const { cpu } = machine, { mnemonic } = i.definition, left = new State(before.bytes.slice());
  const [first] = i.operands, mmx = i.operands.some((operand) => operand.kind === 'register' && operand.file === 'mm');
  if (mmx && cpu.faultingMmxStore === 'leaves TOP at 0' && (mnemonic === 'MASKMOVQ' || (STORES_MMX.test(mnemonic) && first?.kind === 'memory'))) {
    left.fsw = before.fsw & ~TOP;
    if (mnemonic === 'MASKMOVQ') {
      left.ftw = 0xff;
      left.xinuse |= 1n;
    }
    if (mnemonic === 'MASKMOVQ' || before.fsw & TOP) left.xmodified |= 1n;
    return left;
  }
  if (MARK_FIRST.test(mnemonic) && i.operands.some(({ kind }) => kind === 'memory') && cpu.xinuse === 'tracked') {
    left.xinuse |= 1n;
    left.xmodified |= 1n;
    // Status and tags are loaded as they are read, before the field that faults.
    if (/^(FLDENV|FRSTOR)$/.test(mnemonic) && severalOf(machine, i)) [left.fsw, left.ftw] = [machine.state.fsw, machine.state.ftw];
    return left;
  }
  const several = mnemonic.startsWith('FXRSTOR') ? severalOf(machine, i) : undefined;
  if (several) {
    loadFxrstor(machine, left, several);
    return left;
  }
  return undefined;
}

/**
 * What is wrong with what a step has left that ended in a fault of `cause`; undefined where nothing is. `before` is the
 * state that it began with, `stored` the linear addresses of the bytes that changed. CR2 and DR6 belong to the fault.
 */
export function faultProblem(machine: Machine, before: Uint8Array, cause: Fault, stored: readonly bigint[] = []): string | undefined {
  const { state } = machine, was = new State(before.slice());
  const changedFrom = (expected: State): string[] => {
    for (const name of ['CR2', 'DR6']) expected.set(name, state.get(name) as bigint);
    return differences(expected.bytes, state.bytes, { tracking: true }).map(({ field }) => field.name);
  };
  const changed = changedFrom(was);
  const ofAccess = ['#PF', '#GP', '#SS', '#AC'].includes(cause.mnemonic);
  const i = ofAccess ? instructionAt(machine, was.rip, machine.execution.mode) : undefined;
  const stray = strayWrites(machine, i, stored);
  if (stray.length > 0) return `${cause.message} changed memory at ${stray.map((linear) => linear.toString(16)).join(', ')}`;
  if (changed.length === 0) return undefined;
  if (i && /^VP?GATHER/.test(i.definition.mnemonic)) return gatherProblem(machine, was, i, changed);
  const left = i && leftBy(machine, was, i), other = left ? changedFrom(left) : changed;
  return other.length === 0 ? undefined : `${cause.message} changed ${other.join(', ')}`;
}

const SSE = 2n, AVX = 4n, UPPER = 0x44n;
/** XINUSE and XMODIFIED, of which there may be more than one, for some registers each. */
const TRACKING = FIELDS.filter(({ name }) => /^X(INUSE|MODIFIED)/.test(name));

/** A gather brings `used` into use, takes nothing out of it, and modifies no more than that and upper halves. */
function noteProblems(before: State, after: State, used: bigint): string[] {
  const gained = (name: string): bigint => BigInt(after.get(name)) & ~BigInt(before.get(name));
  const wrong = TRACKING.filter(({ name }) => (BigInt(before.get(name)) & ~BigInt(after.get(name))) !== 0n
    || (gained(name) & ~(name.startsWith('XINUSE') ? used : used | UPPER)) !== 0n);
  const all = TRACKING.filter(({ name }) => name.startsWith('XINUSE')).reduce((bits, { name }) => bits | BigInt(after.get(name)), 0n);
  return [...wrong.map(({ name }) => name), ...((all & used) === used ? [] : ['XINUSE, which lacks a component'])];
}

/** Beyond its two registers a gather that faults brings SSE state, and with 256 bits AVX state, into use. */
function gatherProblem(machine: Machine, was: State, i: Instruction, changed: readonly string[]): string | undefined {
  const { state } = machine, left = new State(was.bytes.slice());
  for (const place of [0, 2]) {
    const at = state.vectorOffset((i.operands[place] as RegisterOperand).index);
    left.bytes.set(state.bytes.subarray(at, at + 64), at);
  }
  const trackingProblems = noteProblems(was, state, i.form.vex!.l === 1 ? SSE | AVX : SSE);
  for (const { name } of TRACKING) left.set(name, state.get(name) as bigint);
  left.xmmWritten = state.xmmWritten;
  left.set('CR2', state.get('CR2') as bigint);
  const other = differences(left.bytes, state.bytes, { tracking: true }).map(({ field }) => field.name);
  const problems = [...gatherProblems(machine, was, i), ...trackingProblems, ...other.map((name) => `it changed ${name}`)];
  return problems.length === 0 ? undefined : `${i.definition.mnemonic} (${changed.join(', ')}): ${problems.join('; ')}`;
}
