/** The engine as the machine that a case's ROM finds, and its state as a dump. */

import { Machine } from 'hidden-state';
import { type BochsCase, IVY_BRIDGE } from './case.ts';
import type { Dump } from './dump.ts';
import { type Rom } from './rom.ts';

const EXTENDED = 0x10_0000n, EXTENDED_BYTES = 0xf0_0000;
const ROM_AT = [0xe_0000n, 0xf_0000n, 0xffff_0000n];
const LIMIT = 3_000_000;
const PRESENT = 0x80;

/** Registers after RESET that a program does not start with. SDM vol. 3A, table 9-1. */
const RESET: Readonly<Record<string, bigint>> = {
  RSP: 0n, RIP: 0xfff0n, CS: 0xf000n, 'CS.base': 0xffff_0000n, 'CS.attributes': 0x93n,
  LDTR: 0n, 'LDTR.attributes': 0x82n, 'LDTR.limit': 0xffffn, TR: 0n, 'TR.attributes': 0x8bn, 'TR.limit': 0xffffn,
  CR0: 0x6000_0010n, DR6: 0xffff_0ff0n, DR7: 0x400n, FCW: 0x40n, FTW: 0xffn, RFLAGS: 2n, RAX: 0n,
};

export function romMachine(rom: Rom, { processor = IVY_BRIDGE }: BochsCase): Machine {
  const program = { mode: 16, origin: 0x7c00n, bytes: Uint8Array.of(0xf4) } as const;
  const machine = new Machine(program, { cpu: processor.profile, faults: 'deliver' });
  machine.memory.writeBytes(program.origin, Uint8Array.of(0));
  machine.memory.ram(EXTENDED, EXTENDED_BYTES);
  for (const at of ROM_AT) machine.memory.rom(at, rom.bytes);
  for (const [name, value] of Object.entries(RESET)) machine.state.set(name, value);
  machine.state.set('RDX', processor.profile.signature);
  return machine;
}

/** XCHG BX, BX, as which Bochs' magic breakpoint is written. */
function atBreakpoint(machine: Machine): boolean {
  try {
    const { definition, operands, size } = machine.decodeAt(machine.state.rip);
    return definition.mnemonic === 'XCHG' && size === 16
      && operands.every((operand) => operand.kind === 'register' && operand.index === 3);
  } catch {
    return false;
  }
}

function dump(machine: Machine, { point, fields, memory }: Dump, rom: Rom, definition: BochsCase): Dump {
  const { state } = machine;
  const here = rom.points.get(BigInt.asUintN(64, state.base(1) + state.rip));
  const range = ([name]: [string, string]): [string, string] => {
    const { at, bytes: count } = definition.memory![name]!;
    const from = typeof at === 'number' ? BigInt(at) : rom.symbols[at]!;
    return [name, Buffer.from(machine.memory.readBytes(from, count)).toString('hex')];
  };
  // Where the manual leaves flags undefined, Bochs' are as good as any.
  const open = state.undefinedFlags;
  const flags = ((state.rflags & ~open) | (Number(`0x${fields.RFLAGS}`) & open)) >>> 0;
  const value = (name: string): string => {
    if (name === 'RFLAGS') return flags.toString(16);
    const content = state.get(name);
    return (/attributes/.test(name) && !(Number(content) & PRESENT) ? 0 : content).toString(16);
  };
  return {
    point: state.rip === 0xfff0n ? point : here ?? `at ${state.rip.toString(16)}`,
    fields: Object.fromEntries(Object.keys(fields).map((name) => [name, value(name)])),
    memory: Object.fromEntries(Object.entries(memory).map(range)),
  };
}

/** Runs the ROM and answers a dump for each one of `expected`, as far as it comes. Throws `Unmodelled`. */
export function* runEngine(definition: BochsCase, rom: Rom, expected: readonly Dump[]): Generator<Dump> {
  const machine = romMachine(rom, definition);
  let executed = 0;
  for (const reference of expected) {
    if (reference.point !== 'reset vector') executed += toBreakpoint(machine, LIMIT - executed);
    yield dump(machine, reference, rom, definition);
  }
}

/** Steps until a breakpoint was executed, shutdown, HLT or the limit. */
function toBreakpoint(machine: Machine, limit: number): number {
  for (let executed = 1; executed <= limit && !machine.state.halted; executed++) {
    const breakpoint = atBreakpoint(machine);
    const { rip } = machine.state;
    machine.run({ limit: 1 });
    if (breakpoint && machine.state.rip - rip < 4n && machine.state.rip > rip) return executed;
  }
  return limit;
}
