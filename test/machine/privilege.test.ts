/**
 * Who may transfer control to whom: every combination of CPL, RPL, DPL, kind and presence against the tables of SDM
 * vol. 3A, 5.8 (5-1 for gates), written down here a second time and without looking at the order of faults.
 */

import { assemble, cpus } from 'hidden-state';
import type { Machine } from 'hidden-state';
import { expect, test } from 'vitest';
import { CS, FIRST, GDT, ORIGIN, SS, STACK_0, type World, descriptor, gate, machineIn, outcomeOf } from './segments.ts';

const LEVELS = [0, 1, 2, 3] as const;
const GATE = 0x50, POINTER = ORIGIN + 0x80n;
const code = (instruction: string) => assemble(`${instruction}\ntimes 0x70 nop`, { mode: 32, origin: ORIGIN });

/** A machine whose state and tables are set anew for each case. */
function prepared(instruction: string, world: Partial<World> = {}): { machine: Machine; at: (cpl: number) => void } {
  // One stack for each inner level: SS of level n is at 60h + 8n, with n as its RPL.
  const stacks = LEVELS.map((level) => [0x60 + 8 * level, descriptor(0x93 | (level << 5))] as const);
  const fields = [0, 1, 2].flatMap((level) => [[4 + 8 * level, 4, STACK_0] as const, [8 + 8 * level, 2, BigInt(0x60 + 8 * level + level)] as const]);
  const machine = machineIn({ mode: 32, cpu: cpus.zen4, entries: Object.fromEntries(stacks), tss: { fields }, ...world }, code(instruction));
  machine.state.set('GDTR.limit', 0x7f);
  const start = machine.state.snapshot();
  const at = (cpl: number): void => {
    machine.state.restore(start);
    machine.state.setSegment(CS, { selector: 8 | cpl, base: 0n, limit: 0xffff_ffff, attributes: 0xc09b | (cpl << 5) });
    machine.state.setSegment(SS, { selector: 0x60 + 8 * cpl + cpl, base: 0n, limit: 0xffff_ffff, attributes: 0xc093 | (cpl << 5) });
  };
  return { machine, at };
}

interface Target { readonly conforming: boolean; readonly dpl: number; readonly present: boolean }
const TARGETS: readonly Target[] = [false, true].flatMap((conforming) => LEVELS.flatMap((dpl) => [true, false].map((present) => ({ conforming, dpl, present }))));
const raw = ({ conforming, dpl, present }: Target): bigint => descriptor((conforming ? 0x1f : 0x1b) | (dpl << 5) | (present ? 0x80 : 0));

/** The level in which the run goes on, or the fault. */
const levelOf = (machine: Machine): string => {
  const outcome = outcomeOf(machine, 1);
  return outcome === 'ok' ? `level ${machine.execution.cpl}, CS RPL ${machine.state.selector(CS) & 3}` : outcome;
};
const runsAt = (level: number): string => `level ${level}, CS RPL ${level}`;

test.each(['jmp', 'call'])('%s to a code segment', (instruction) => {
  const { machine, at } = prepared(`${instruction} far [${POINTER}]`);
  const wrong: string[] = [];
  for (const target of TARGETS) {
    machine.memory.write(GDT + BigInt(FIRST), 8, raw(target));
    for (const cpl of LEVELS) {
      for (const rpl of LEVELS) {
        at(cpl);
        machine.memory.write(POINTER, 4, ORIGIN);
        machine.memory.write(POINTER + 4n, 2, BigInt(FIRST | rpl));
        const may = target.conforming ? target.dpl <= cpl : target.dpl === cpl && rpl <= cpl;
        const expected = !may ? '#GP(0x28)' : target.present ? runsAt(cpl) : '#NP(0x28)';
        const found = levelOf(machine);
        if (found !== expected) wrong.push(`${JSON.stringify(target)} CPL ${cpl} RPL ${rpl}: ${found}, not ${expected}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test.each(['jmp', 'call'])('%s through a call gate', (instruction) => {
  const { machine, at } = prepared(`${instruction} far [${POINTER}]`);
  const wrong: string[] = [];
  for (const target of TARGETS) {
    machine.memory.write(GDT + BigInt(FIRST), 8, raw(target));
    for (const gateLevel of LEVELS) {
      machine.memory.write(GDT + BigInt(GATE), 8, gate(0x8c | (gateLevel << 5), FIRST, ORIGIN));
      for (const cpl of LEVELS) {
        for (const rpl of LEVELS) {
          at(cpl);
          machine.memory.write(POINTER + 4n, 2, BigInt(GATE | rpl));
          const mayGate = Math.max(cpl, rpl) <= gateLevel;
          const mayCode = instruction === 'call' || target.conforming ? target.dpl <= cpl : target.dpl === cpl;
          const level = target.conforming ? cpl : target.dpl;
          const expected = !mayGate ? '#GP(0x50)' : !mayCode ? '#GP(0x28)' : target.present ? runsAt(level) : '#NP(0x28)';
          const found = levelOf(machine);
          if (found !== expected) wrong.push(`${JSON.stringify(target)} gate ${gateLevel} CPL ${cpl} RPL ${rpl}: ${found}, not ${expected}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

test.each([['retf', 2], ['iretd', 3]] as const)('%s', (instruction, slots) => {
  const { machine, at } = prepared(instruction);
  const wrong: string[] = [];
  for (const target of TARGETS) {
    machine.memory.write(GDT + BigInt(FIRST), 8, raw(target));
    for (const cpl of LEVELS) {
      for (const rpl of LEVELS) {
        at(cpl);
        const top = STACK_0 - 0x20n;
        machine.state.gpr[4] = top;
        const outer = rpl > cpl ? [STACK_0, BigInt(0x60 + 8 * rpl + rpl)] : [];
        const image = [ORIGIN, BigInt(FIRST | rpl), ...(slots === 3 ? [2n] : []), ...outer];
        image.forEach((value, n) => machine.memory.write(top + BigInt(4 * n), 4, value));
        const may = rpl >= cpl && (target.conforming ? target.dpl <= rpl : target.dpl === rpl);
        const expected = !may ? '#GP(0x28)' : target.present ? runsAt(rpl) : '#NP(0x28)';
        const found = levelOf(machine);
        const stack = found === runsAt(rpl) && machine.state.gpr[4] !== (rpl > cpl ? STACK_0 : top + BigInt(4 * slots));
        if (found !== expected || stack) wrong.push(`${JSON.stringify(target)} CPL ${cpl} RPL ${rpl}: ${found}, not ${expected}; ESP ${machine.state.gpr[4]}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});
