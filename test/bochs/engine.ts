/** The engine as the machine that a case's ROM finds, and its state as a dump. */

import { Machine } from 'hidden-state';
import { CoprocessorError } from '../../spec/src/machine/devices/coprocessor-error.ts';
import { Pic } from '../../spec/src/machine/devices/pic.ts';
import { type BochsCase, IVY_BRIDGE } from './case.ts';
import type { Dump } from './dump.ts';
import { type Rom } from './rom.ts';

const CONVENTIONAL_BYTES = 0xa_0000;
const EXTENDED = 0x10_0000n, EXTENDED_BYTES = 0xf0_0000;
const ROM_AT = [0xe_0000n, 0xf_0000n, 0xffff_0000n];
/** Ports where a PC has nothing. */
const NOBODY = [0x2e0, 0x3f0];
/** Port 92h: bit 0 is INIT. */
const SYSTEM_CONTROL = 0x92;
const LIMIT = 3_000_000;
const CS = 1, PRESENT = 0x80;

function romMachine(rom: Rom, { processor = IVY_BRIDGE }: BochsCase): Machine {
  const machine = new Machine(undefined, { cpu: processor.profile, faults: 'deliver' });
  machine.memory.ram(0n, CONVENTIONAL_BYTES);
  machine.memory.ram(EXTENDED, EXTENDED_BYTES);
  for (const at of ROM_AT) machine.memory.rom(at, rom.bytes);
  for (const first of NOBODY) machine.ports.attach(first, { read: () => 0xffff_ffff, write: () => {} }, 0x20);
  attachCoprocessorError(machine);
  machine.ports.attach(SYSTEM_CONTROL, { write: (_port, _bytes, value) => { if (value & 1) machine.interrupts.init(); } });
  machine.reset();
  return machine;
}

/** FERR# and IGNNE#, and the interrupt controllers that FERR# goes to: of a PC's board, all that a case's ROM uses. */
function attachCoprocessorError(machine: Machine): void {
  const pic = new Pic(), coprocessor = new CoprocessorError((level) => pic.setLine(13, level));
  for (const port of Pic.PORTS) machine.ports.attach(port, pic);
  machine.ports.attach(CoprocessorError.PORT, coprocessor);
  machine.interrupts.controller = pic;
  machine.execution.coprocessor = coprocessor.pins(0);
}

/** Where an XCHG BX, BX can begin: two or three bytes before a point. */
const breakpoints = ({ points }: Rom): ReadonlySet<number> =>
  new Set([...points.keys()].flatMap((at) => [Number(at) - 2, Number(at) - 3]));

/** XCHG BX, BX, as which Bochs' magic breakpoint is written. */
function atBreakpoint(machine: Machine, places: ReadonlySet<number>): boolean {
  if (!places.has(Number(machine.state.base(CS)) + Number(machine.state.rip))) return false;
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
  const here = rom.points.get(BigInt.asUintN(64, state.base(CS) + state.rip));
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
  const places = breakpoints(rom);
  let executed = 0;
  for (const reference of expected) {
    if (reference.point !== 'reset vector') executed += toBreakpoint(machine, places, LIMIT - executed);
    yield dump(machine, reference, rom, definition);
  }
}

/** Steps until a breakpoint was executed, shutdown, HLT or the limit. */
function toBreakpoint(machine: Machine, places: ReadonlySet<number>, limit: number): number {
  for (let executed = 1; executed <= limit && !machine.state.halted; executed++) {
    const breakpoint = atBreakpoint(machine, places);
    const { rip } = machine.state;
    machine.run({ limit: 1 });
    if (breakpoint && machine.state.rip - rip < 4n && machine.state.rip > rip) return executed;
  }
  return limit;
}
