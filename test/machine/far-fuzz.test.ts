/**
 * Far transfers, segment loads and queries over tables of random descriptors, in protected and IA-32e mode at every
 * level: whatever is there, the instruction is done or faults, and a fault has changed nothing, accessed bits included.
 */

import { Fault, type Machine, Unmodelled, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { differences } from '../../spec/src/state/state.ts';
import { randomFrom } from '../integer/random.ts';
import { CS, DS, ES, FS, GDT, GS, LDT, ORIGIN, SS, STACK_0, TSS, machineIn } from './segments.ts';

const CASES = Number(process.env.FUZZ_STREAMS ?? 50_000) / 10;
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const ENTRIES = 16;

const INSTRUCTIONS: Readonly<Record<32 | 64, readonly string[]>> = {
  32: ['jmp far [edi]', 'call far [edi]', 'jmp far dword ptr [edi]', 'call far dword ptr [edi]', 'retf', 'retf 8', 'data16 retf', 'iretd', 'iret',
    'lds eax, [edi]', 'lss ebx, [edi]', 'lgs ax, [edi]', 'mov fs, [edi + 4]', 'mov ss, [edi + 4]', 'pop es', 'lar eax, [edi + 4]', 'lsl eax, [edi + 4]',
    'verr [edi + 4]', 'verw [edi + 4]', 'lldt [edi + 4]', 'ltr [edi + 4]', 'arpl [edi + 4], dx'],
  64: ['jmp far [rdi]', 'call far [rdi]', 'jmp far tbyte ptr [rdi]', 'call far tbyte ptr [rdi]', 'call far dword ptr [rdi]', 'retf', 'data64 retf 16',
    'data16 retf', 'iretq', 'iretd', 'lss rbx, [rdi]', 'lfs eax, [rdi]', 'mov ss, [rdi + 4]', 'lar rax, [rdi + 4]', 'lsl eax, [rdi + 4]', 'verr [rdi + 4]',
    'lldt [rdi + 4]', 'ltr [rdi + 4]'],
};

/** Task switches write before they are done: what faults behind their commit point is the new task's. */
const isTask = (raw: bigint): boolean => [1, 3, 5, 9, 0xb].includes(Number((raw >> 40n) & 0x1fn));

describe.each([32, 64] as const)('in %d-bit code', (mode) => {
  test.each(['ivyBridge', 'zen4'] as const)(`${CASES} cases on %s`, (cpu) => {
    const random = randomFrom(SEED + mode + (cpu === 'zen4' ? 1 : 0));
    const machine = machineIn({ mode, cpu: cpus[cpu] }, assemble('nop', { mode, origin: ORIGIN }));
    const programs = INSTRUCTIONS[mode].map((text) => ({ text, bytes: assemble(text, { mode, origin: ORIGIN }).bytes }));
    const start = machine.state.snapshot();
    const selector = (): number => (random.below(ENTRIES) << 3) | (random.chance(0.1) ? 4 : 0) | random.below(4);
    const offset = (): bigint => (random.chance(0.7) ? ORIGIN + BigInt(random.below(0x100)) : random.value());
    /** Often something sound, with one thing wrong at most, or the first check would be all that is tested. */
    const entry = (): bigint => {
      const level = BigInt(random.below(4)) << 45n, present = random.chance(0.9) ? 1n << 47n : 0n;
      const type = BigInt(random.pick([0x1b, 0x1a, 0x1f, 0x1e, 0x19, 0x13, 0x12, 0x11, 0x17, 0xc, 4, 2, random.below(32)])) << 40n;
      const flags = BigInt(random.pick([0xc, mode === 64 ? 0xa : 0xc, 4, 8, 0, random.below(16)])) << 52n;
      const limit = random.chance(0.8) ? 0xf_0000_0000_ffffn : BigInt(random.below(0x10000));
      const gate = (offset() & 0xffffn) | (BigInt(selector()) << 16n) | BigInt(random.below(4)) << 32n | (offset() >> 16n & 0xffffn) << 48n;
      const made = [0xcn << 40n, 4n << 40n].includes(type) ? gate | type | level | present : limit | type | level | present | flags;
      return isTask(made) || random.chance(0.05) ? 0n : made;
    };
    const ends = { ok: 0, fault: 0 };
    const problems: string[] = [];
    for (let n = 0; n < CASES && problems.length < 5; n++) {
      const { memory, state } = machine;
      state.restore(start);
      const { text, bytes } = random.pick(programs);
      memory.writeBytes(ORIGIN, bytes);
      for (let index = 1; index < ENTRIES; index++) {
        memory.write(GDT + BigInt(8 * index), 8, entry());
        memory.write(LDT + BigInt(8 * index), 8, entry());
      }
      for (let at = 0; at < 0x68; at += 4) memory.write(TSS + BigInt(at), 4, random.chance(0.5) ? STACK_0 - 0x800n : BigInt(selector()));
      const level = random.below(4);
      for (const segment of [CS, SS, DS, ES, FS, GS]) {
        const attributes = (segment === CS ? (mode === 64 ? 0xa09b : 0xc09b) : 0xc093) | (level << 5);
        state.setSegment(segment, { selector: 8 | level, base: 0n, limit: 0xffff_ffff, attributes });
      }
      state.gpr[4] = STACK_0 - 0x100n;
      state.gpr[7] = STACK_0 - 0x80n;
      for (let at = 0n; at < 0x60n; at += mode === 64 && random.chance(0.5) ? 8n : 4n) {
        memory.write(STACK_0 - 0x100n + at, 8, random.chance(0.4) ? offset() : BigInt(random.chance(0.5) ? selector() : random.below(0x1000)));
      }
      memory.write(STACK_0 - 0x80n, 8, (offset() & 0xffff_ffffn) | (BigInt(selector()) << 32n));
      memory.write(STACK_0 - 0x78n, 8, BigInt(selector()));
      const end = follow({ machine, before: state.snapshot() });
      if (end === 'ok' || end === 'fault') ends[end]++;
      else problems.push(`${text} at level ${level}, case ${n}: ${end}`);
    }
    expect(problems).toEqual([]);
    // Else the cases would have tested little.
    expect(ends.ok).toBeGreaterThan(CASES / 20);
    expect(ends.fault).toBeGreaterThan(CASES / 20);
  }, 600_000);
});

/** One step, whose writes to memory are undone: done, a fault that changed nothing but CR2, or what is wrong. */
function follow({ machine, before }: { machine: Machine; before: Uint8Array }): string {
  let written = 0;
  const error = machine.memory.transaction((changes): unknown => {
    try {
      machine.step();
      return undefined;
    } catch (raised) {
      written = changes(() => true).length;
      return raised;
    }
  });
  if (error === undefined) return 'ok';
  if (!(error instanceof Fault || error instanceof Unmodelled)) return `host error ${(error as Error).stack}`;
  const changed = differences(before, machine.state.bytes, { tracking: true }).map(({ field }) => field.name);
  const fields = changed.filter((name) => name !== 'CR2');
  return fields.length || written ? `${error.message} changed ${fields.join(', ')} and ${written} bytes of memory` : 'fault';
}
