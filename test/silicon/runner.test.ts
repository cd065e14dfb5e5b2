/** The runner itself, on the processor at hand; elsewhere there is nothing to run it on. */

import { expect, onTestFinished, test } from 'vitest';
import { assemble } from '../../spec/src/asm/assemble.ts';
import { HEADER_BYTES, elf } from './elf.ts';
import { LOCAL, PLACES, local, userDescriptor } from './environment.ts';
import { runnerProgram } from './program.ts';
import { fromBytes, toBytes } from '../../spec/src/numbers/bits.ts';
import { type Piece, type RunRecord, type RunResult, SYSTEM_CALL, TIMEOUT } from './records.ts';
import { type Runner, canRun, openRunner } from './runner.ts';

const DATA = new Uint8Array(0x1000).fill(0x5a);

function open(): Runner {
  const runner = openRunner({ data: DATA });
  onTestFinished(() => runner.close());
  return runner;
}

const record = (code: string, more: Partial<RunRecord> = {}): RunRecord => {
  const mode = more.mode ?? 64;
  const gpr = Array.from({ length: 16 }, (_, n) => (n === 4 ? PLACES.high.data + 0x800n : BigInt(n)));
  return { mode, place: mode === 64 ? 'high' : 'low', code: assemble(code, { mode }).bytes, gpr, rflags: 0x202, pieces: [], ...more };
};
const code = PLACES.high.code;

test('the program is an ELF file of a few kilobytes', () => {
  const program = runnerProgram(0x1000);
  expect(program.length).toBeLessThan(8192);
  expect([...program.subarray(0, 5)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 2]);
  const small = elf({ base: 0x40_0000n, code: Uint8Array.of(0xf4), memory: 0x1000 });
  expect(small.length).toBe(HEADER_BYTES + 1);
});

test('a segment goes to the kernel as its user_desc says', () => {
  expect([...userDescriptor(LOCAL[3]!, 3)]).toEqual([3, 0, 0, 0, 0, 0, 0, 0x10, 0xff, 0xff, 0xf, 0, 0x15, 0, 0, 0]);
});

test.skipIf(!canRun)('a record gives back registers, flags with RF, memory and the fault; one after another', () => {
  const runner = open();
  const [add, push, trap, divide] = runner.run([
    record('add rax, rbx\nhlt'), record('push rbx'), record('int3'), record('div edi', { gpr: Array.from({ length: 16 }, () => 0n) }),
  ]) as [RunResult, RunResult, RunResult, RunResult];
  expect(add).toMatchObject({ vector: 13, errorCode: 0, rip: code + 3n, rflags: 0x1_0206, written: [] });
  expect(add.gpr[0]).toBe(3n);
  expect(push.written).toEqual([{ offset: 0x7f8, bytes: Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0) }]);
  expect(trap).toMatchObject({ vector: 3, rip: code + 1n, rflags: 0x202 });
  expect(divide).toMatchObject({ vector: 0, rip: code });
});

test.skipIf(!canRun)('16-bit code runs in a segment of the LDT', () => {
  const runner = open();
  const segments = [local(9), local(1), local(18), local(9), 0, 0];
  const [result] = runner.run([record('mov ax, [bx + 7]', { mode: 16, ip: 0x800n, segments })]) as [RunResult];
  expect(result).toMatchObject({ vector: 13, rip: 0x803n, segments });
  expect(result.gpr[0]).toBe(0x5a5an);
});

test.skipIf(!canRun)('x87 and SSE state of its own goes in, and what the record made of it comes back', () => {
  const runner = open();
  const one = (1n << 63n) | (0x3fffn << 64n);
  const area = (...pieces: readonly (readonly [number, bigint, number])[]): Piece[] => pieces.map(([offset, value, bytes]) => ({ offset, bytes: toBytes(value, bytes) }));
  // XSTATE_BV; FTW with R0 in use, ST(0) = 1; XMM1 = 1.0 in each lane, MXCSR with #Z unmasked.
  const x87 = area([512, 1n, 8], [0, 0x37fn, 2], [4, 1n, 1], [32, one, 10]);
  const vectors = area([512, 2n, 8], [24, 0x1d80n, 4], [176, 0x3f80_0000_3f80_0000_3f80_0000_3f80_0000n, 16]);
  const [chs, divide, plain] = runner.run([
    record('db 0xd9, 0xe0', { extended: x87 }), record('db 0x0f, 0x5e, 0xc8', { extended: vectors }), record('nop'),
  ]) as [RunResult, RunResult, RunResult];
  expect(chs.vector).toBe(13);
  expect(fromBytes(chs.area!, 32, 10)).toBe(one | (1n << 79n));
  expect(divide.vector, 'DIVPS of 1 by 0').toBe(19);
  expect(fromBytes(divide.area!, 24, 4)).toBe(0x1d84n);
  expect(plain.area).toBeUndefined();
});

test.skipIf(!canRun)('an endless loop and a system call end too, and what follows them runs', () => {
  const runner = open();
  const [loop, call, after] = runner.run([record('l: jmp l'), record('mov eax, 100000\ndb 0x0f, 0x05'), record('nop')]) as [RunResult, RunResult, RunResult];
  expect(loop.vector).toBe(TIMEOUT);
  // Without the fence the kernel answers that there is no system call of this number, and the record goes on.
  expect(call.vector).toBe(runner.fences.systemCallsOff ? SYSTEM_CALL : 13);
  expect(after.rip).toBe(code + 1n);
});
