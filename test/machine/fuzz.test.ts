/**
 * Random bytes end in a fault, in Unmodelled, in HLT or at the budget: never in an error of the host language. And a
 * step that faults has changed nothing but CR2 and, for a debug exception, DR6. `FUZZ_STREAMS=1000000` for a long run, `FUZZ_SEED` for another one.
 */

import { Fault, Machine, Unmodelled, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { FORMS } from '../../spec/src/isa/table.ts';
import { differences } from '../../spec/src/state/state.ts';
import { randomFrom } from '../integer/random.ts';

const STREAMS = Number(process.env.FUZZ_STREAMS ?? 50_000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const STEPS = 12;
const CODE = 0x10_0000n, DATA = 0x20_0000n;
const DATA_BYTES = 0x2000;

const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x48, 0x41, 0x4f];

type End = 'fault' | 'unmodelled' | 'halted' | 'budget';

describe.each([64, 32] as const)('random bytes in %d-bit mode', (mode) => {
  test(`${STREAMS / 2} streams`, () => {
    const random = randomFrom(SEED + mode);
    const profiles = Object.values(cpus);
    const machines = profiles.map((cpu) => {
      const machine = new Machine({ mode, origin: CODE, bytes: new Uint8Array(64) }, { cpu });
      machine.memory.map(DATA, DATA_BYTES);
      return { machine, start: machine.state.snapshot() };
    });
    const ends: Record<End, number> = { fault: 0, unmodelled: 0, halted: 0, budget: 0 };
    const problems: string[] = [];
    for (let stream = 0; stream < STREAMS / 2 && problems.length < 5; stream++) {
      const { machine, start } = random.pick(machines);
      const bytes = Uint8Array.from({ length: 48 }, () => random.below(256));
      // Half of them begin with something that is in the table, or the decoder would be all that is tested.
      if (random.chance(0.5)) {
        const form = random.pick(FORMS);
        bytes.set([...(random.chance(0.4) ? [random.pick(PREFIXES)] : []), ...(form.map === 'primary' ? [] : [0x0f]), form.opcode]);
      }
      machine.memory.writeBytes(CODE, bytes);
      machine.state.restore(start);
      for (let n = 0; n < 16; n++) machine.state.gpr[n] = random.chance(0.5) ? DATA + BigInt(random.below(DATA_BYTES)) : BigInt.asUintN(mode, random.value());
      machine.state.rflags = 2 | (random.below(0x1000) & 0xcd5);
      const end = follow(machine);
      if (end in ends) ends[end as End]++;
      else problems.push(`${Buffer.from(bytes).toString('hex')}: ${end}`);
    }
    expect(problems).toEqual([]);
    // Else the streams would have tested little.
    for (const count of Object.values(ends)) expect(count).toBeGreaterThan(STREAMS / 500);
  }, 600_000);
});

/** How the stream ended, or what is wrong. */
function follow(machine: Machine): string {
  const { state, memory } = machine;
  for (let step = 0; step < STEPS; step++) {
    if (state.halted) return 'halted';
    const before = state.snapshot();
    let ended = '', written = 0;
    // Inside a transaction, so that one stream leaves nothing for the next but its registers, which are set anew.
    const failed = memory.transaction((changes): unknown => {
      try {
        machine.step();
        return undefined;
      } catch (error) {
        written = changes(() => true).length;
        return error;
      }
    });
    if (failed === undefined) continue;
    if (failed instanceof Fault) ended = 'fault';
    else if (failed instanceof Unmodelled) ended = 'unmodelled';
    else return `host error ${failed instanceof Error ? failed.stack : String(failed)}`;
    const changed = differences(before, state.bytes, { tracking: true }).map(({ field }) => field.name).filter((name) => !['CR2', 'DR6'].includes(name));
    // A trap comes behind an instruction that has been executed.
    if (ended === 'fault' && (failed as Fault).kind === 'trap') continue;
    if (changed.length || written) return `${(failed as Error).message} changed ${changed.join(', ')} and ${written} bytes of memory`;
    return ended;
  }
  return 'budget';
}
