/** Encodings that processors take beside those that the manual lists, and instructions that came late. */

import { Machine, assemble, cpus } from 'hidden-state';
import { expect, test } from 'vitest';

const after = (source: string, options = {}): Machine => {
  const machine = new Machine(assemble(source, { mode: 64 }), options);
  machine.run();
  return machine;
};

test('C1 /6 shifts left and F7 /1 tests', () => {
  const { state } = after(`
        mov  eax, 0x40000003
        .byte 0xc1, 0xf0, 2          ; shl eax, 2
        mov  ecx, 5
        .byte 0xf7, 0xc9, 2, 0, 0, 0 ; test ecx, 2
        setz dl
        hlt`);
  expect(state.gpr[0]).toBe(12n);
  expect(state.gpr[1]).toBe(5n);
  expect(state.gpr[2]! & 0xffn).toBe(1n);
});

test('every prefetch of 0F 0D takes any address, and WBINVD and CLZERO take the prefix F2', () => {
  const prefetches = Array.from({ length: 8 }, (_, digit) => `.byte 0x0f, 0x0d, ${digit << 3}`).join('\n');
  const { state } = after(`
        mov  rax, 0x123456789abcdef0
        ${prefetches}
        .byte 0xf2, 0x0f, 0x09       ; wbinvd
        lea  rax, [rsp - 128]
        mov  byte ptr [rax], 1
        .byte 0xf2, 0x0f, 0x01, 0xfc ; clzero
        movzx ebx, byte ptr [rax]
        hlt`, { cpu: cpus.zen4 });
  expect(state.halted).toBe(true);
  expect(state.gpr[3]).toBe(0n);
});

test('what is left of 0F 1C and 0F 1F does nothing, whatever the address; 0F 0D with a register is #UD on a Zen 4', () => {
  const encodings = [0x1c, 0x1f].flatMap((opcode) => Array.from({ length: 8 }, (_, digit) => [0x00, 0xc0].map((mod) => `.byte 0x0f, ${opcode}, ${mod | (digit << 3)}`)).flat());
  for (const cpu of [cpus.zen4, cpus.sapphireRapids]) {
    const { state } = after(`mov rax, 0x123456789abcdef0\n${encodings.join('\n')}\nhlt`, { cpu });
    expect([state.halted, state.gpr[0]]).toEqual([true, 0x1234_5678_9abc_def0n]);
  }
  expect(() => after('.byte 0x0f, 0x0d, 0xc8\nhlt', { cpu: cpus.zen4 })).toThrow('#UD');
  expect(() => after('.byte 0x0f, 0x0d, 0xc8\nhlt', { cpu: cpus.sapphireRapids })).toThrow('no manual has');
});

test('MOVDIRI stores where CPUID tells of it', () => {
  const source = `
        mov  rax, 0x1122334455667788
        movdiri [rsp - 8], rax
        movdiri [rsp - 8], ecx
        mov  rbx, [rsp - 8]
        hlt`;
  expect(after(source, { cpu: cpus.sapphireRapids }).state.gpr[3]).toBe(0x1122334400000000n);
  expect(() => after(source, { cpu: cpus.zen4 })).toThrow('has no MOVDIRI');
});

test.each([
  ['0F 04', [0x0f, 0x04]], ['0F 24, once MOV from a test register', [0x0f, 0x24, 0xc0]], ['0F 39', [0x0f, 0x39]],
  ['FF /7', [0xff, 0x38]], ['FE /2', [0xfe, 0x10]], ['8F /1', [0x8f, 0x08]], ['0F B8 without F3', [0x0f, 0xb8, 0xc0]],
  ['D6 in 64-bit mode', [0xd6]], ['0F A6', [0x0f, 0xa6, 0xc0]], ['0F BA /0', [0x0f, 0xba, 0xc0, 0]], ['D9 /1', [0xd9, 0x08]],
])('%s is #UD', (_, bytes) => {
  expect(() => new Machine(assemble(`.byte ${bytes.join(', ')}`, { mode: 64 })).step()).toThrow(/#UD/);
});
