/**
 * The price of interpreting every instruction: the loop of the mail of 2006 in this engine, as a monitor would interpret
 * it, and on the processor itself.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Machine, World, assemble, cpus, segments } from 'hidden-state';
import { HEADER_BYTES, elf } from '../test/silicon/elf.ts';
import { digits, median, type Section } from './table.ts';

const PER_ITERATION = 5;
const RUNS = 3;
const INTERPRETED = 20_000, NATIVE = 200_000_000;
const BASE = 0x40_0000n;

/** The mail's store through FS, addition, decrement and branch, and an AND that keeps it within a page. */
const loop = (iterations: number): string => `
        mov    ecx, ${iterations}
again:  mov    dword ptr fs:[rax], 0
        add    eax, 4
        and    eax, 0xffc
        dec    ecx
        jnz    again`;

export function interpretation(): Section {
  const interpreted = median(Array.from({ length: RUNS }, interpretedRun));
  const native = processor();
  const rate = (milliseconds: number, iterations: number): number => iterations * PER_ITERATION / milliseconds / 1000;
  const own = rate(interpreted, INTERPRETED);
  return {
    title: `Interpretation: the loop of the mail of 2006 (median of ${RUNS} runs)`,
    rows: [{
      what: 'every instruction by the monitor', value: `${digits(own)} MIPS`,
      ...(native === undefined
        ? { beside: 'the processor itself: needs Linux on x86-64' }
        : { beside: `${digits(rate(native, NATIVE))} MIPS on the processor itself`, ratio: `1/${digits(rate(native, NATIVE) / own)}` }),
    }],
  };
}

function interpretedRun(): number {
  const machine = new Machine(assemble(`xor eax, eax\n${loop(INTERPRETED)}\nhlt`, { mode: 64 }), { cpu: cpus.ivyBridge });
  machine.memory.map(0n, 0x1000);
  const world = new World(machine, segments.interpreted);
  world.start();
  const started = performance.now();
  while (!machine.state.halted) world.step();
  const took = performance.now() - started;
  if (world.vcpu.emulated !== INTERPRETED * PER_ITERATION + 3) throw new Error(`${world.vcpu.emulated} instructions were interpreted`);
  return took;
}

/** Milliseconds of the loop as a process of its own, without what it takes to start one. */
function processor(): number | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  const directory = mkdtempSync(join(tmpdir(), 'hidden-state-'));
  try {
    const timed = (iterations: number): number => {
      const file = join(directory, String(iterations));
      // FS begins where the program has memory: arch_prctl(ARCH_SET_FS).
      const { bytes } = assemble(`
        mov    eax, 158
        mov    edi, 0x1002
        mov    esi, ${BASE + 0x2000n}
        syscall
        xor    eax, eax
${loop(iterations)}
        mov    eax, 60
        xor    edi, edi
        syscall`, { mode: 64, origin: BASE + BigInt(HEADER_BYTES) });
      writeFileSync(file, elf({ base: BASE, code: bytes, memory: 0x4000 }), { mode: 0o755 });
      return median(Array.from({ length: RUNS }, () => {
        const started = performance.now();
        const { status, signal } = spawnSync(file);
        if (status !== 0) throw new Error(`the loop ended with ${status ?? signal}`);
        return performance.now() - started;
      }));
    };
    return timed(NATIVE) - timed(1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
