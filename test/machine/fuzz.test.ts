/**
 * Random bytes, in every mode, end in a fault, in Unmodelled, in HLT or at the budget: never in an error of the host
 * language. And a step that faults has changed nothing but CR2, and what fault-rules.ts says. `FUZZ_STREAMS=1000000`
 * for a long run, `FUZZ_SEED` for another one.
 */

import { Fault, type Machine, Unmodelled, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { FORMS } from '../isa/forms.ts';
import { OFFSET } from '../../spec/src/state/fields.ts';
import { State, differences } from '../../spec/src/state/state.ts';
import { type Random, randomFrom } from '../integer/random.ts';
import { faultProblem } from './fault-rules.ts';
import { CODE, DATA, DATA_BYTES, WORLDS, type World, isTable } from './worlds.ts';

const STREAMS = Math.ceil(Number(process.env.FUZZ_STREAMS ?? 50_000) / WORLDS.length);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const STEPS = 12;

const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x48, 0x41, 0x4f];
/** CF, PF, AF, ZF, SF, DF and OF. */
const FLAGS = 0xcd5;
/** A fault changes this too: a #DB says in DR6 why it came. */
const FAULT_REGISTERS: readonly string[] = ['CR2', 'DR6'];

type End = 'fault' | 'unmodelled' | 'halted' | 'budget';

describe.each(WORLDS)('random bytes in $name', (world) => {
  test(`${STREAMS} streams`, () => {
    const random = randomFrom(SEED + WORLDS.indexOf(world));
    const machines = Object.values(cpus).map((cpu) => {
      const machine = world.make(cpu);
      return { machine, start: machine.snapshot() };
    });
    const ends: Record<End, number> = { fault: 0, unmodelled: 0, halted: 0, budget: 0 };
    const problems: string[] = [];
    for (let stream = 0; stream < STREAMS && problems.length < 5; stream++) {
      const { machine, start } = random.pick(machines);
      const bytes = bytesFor(random);
      machine.state.restore(start.state);
      machine.memory.writeBytes(CODE, bytes);
      machine.paging.invalidate({ kind: 'all' });
      scatter(machine, world, random);
      const end = machine.memory.transaction((written) => follow(machine, () => new Map(written((page) => !isTable(page))
        .flatMap(({ linear, after }) => [...after].map((byte, at): [bigint, number] => [linear + BigInt(at), byte])))));
      if (end in ends) ends[end as End]++;
      else problems.push(`${machine.cpu.id}: ${Buffer.from(bytes).toString('hex')}: ${end}`);
    }
    expect(problems).toEqual([]);
    // Else the streams would have tested little.
    for (const name of ['fault', 'unmodelled', 'budget'] as const) expect(ends[name], name).toBeGreaterThan(STREAMS / 500);
  }, 600_000);
});

/** 48 bytes; half of them begin with something that is in the table, or the decoder would be all that is tested. */
function bytesFor(random: Random): Uint8Array {
  const bytes = Uint8Array.from({ length: 48 }, () => random.below(256));
  if (random.chance(0.5)) {
    const form = random.pick(FORMS);
    const map = { primary: [], '0F': [0x0f], '0F38': [0x0f, 0x38], '0F3A': [0x0f, 0x3a] }[form.map];
    bytes.set([...(random.chance(0.4) ? [random.pick(PREFIXES)] : []), ...map, form.opcode]);
  }
  return bytes;
}

/** Gives the registers values: addresses of the data, selectors, or anything. */
function scatter({ state }: Machine, { mode }: World, random: Random): void {
  for (let n = 0; n < 16; n++) {
    if (n === 4) continue;
    const kind = random.below(3);
    state.gpr[n] = kind === 0 ? DATA + BigInt(random.below(DATA_BYTES)) : kind === 1 ? BigInt(random.below(0x200)) : BigInt.asUintN(mode, random.value());
  }
  state.rip = CODE;
  state.rflags = (state.rflags & ~FLAGS) | (random.below(0x1000) & FLAGS);
}

/**
 * What a fault within a repetition changes on the profile's processor: registers that are cut to 32 bits, and flags that
 * become what they were before the first iteration.
 */
function isOfRepetition({ cpu: { accesses }, state }: Machine, before: Uint8Array, name: string): boolean {
  const was = new State(before);
  if (name === 'RFLAGS') return accesses.faultInRepetition === 'restores flags' && was.byte(OFFSET.repeating) !== 0;
  const cut = ['RCX', 'RSI', 'RDI'].includes(name) && BigInt(state.get(name)) === BigInt.asUintN(32, BigInt(was.get(name)));
  return cut && accesses.narrowRepetition === 'cuts registers';
}

/** What memory holds by now that it did not when the stream began, by linear address. */
type Written = ReadonlyMap<bigint, number>;

/** How the stream ended, or what is wrong. */
function follow(machine: Machine, written: () => Written): string {
  const { state } = machine;
  for (let step = 0; step < STEPS; step++) {
    if (state.activity !== 0) return 'halted';
    const [before, memory] = [state.snapshot(), written()];
    try {
      machine.step();
    } catch (error) {
      if (error instanceof Unmodelled) return 'unmodelled';
      if (!(error instanceof Fault)) return `host error ${error instanceof Error ? error.stack : String(error)}`;
      const changed = differences(before, state.bytes, { tracking: true }).map(({ field }) => field.name).filter((name) => !FAULT_REGISTERS.includes(name) && !isOfRepetition(machine, before, name));
      // A trap comes after its instruction; a switched task may fault when it is there.
      if (error.mnemonic === '#DB' || changed.includes('TR')) return 'fault';
      const stored = [...written()].flatMap(([linear, byte]) => (memory.get(linear) === byte ? [] : [linear]));
      return (changed.length + stored.length > 0 ? faultProblem(machine, before, error, stored) : undefined) ?? 'fault';
    }
  }
  return 'budget';
}
