import { describe, expect, test } from 'vitest';
import { decode } from '../../spec/src/isa/decode.ts';
import { print } from '../../spec/src/isa/print.ts';
import type { Instruction, Mode } from '../../spec/src/isa/instruction.ts';
import { Fault, Unmodelled } from '../../spec/src/state/outcomes.ts';

/** Each was once decoded otherwise. The names say what was wrong. */

function read(bytes: string, mode: Mode): Instruction {
  const all = Buffer.from(bytes.replaceAll(' ', ''), 'hex');
  return decode((n) => all[n] ?? 0, mode);
}
const text = (bytes: string, mode: Mode = 64): string => print(read(bytes, mode), 0x1000n);

test('f2-before-90-is-nop-and-does-not-clear-the-upper-half-of-rax', () => {
  expect([text('f290'), text('6690'), text('4890'), text('90')]).toEqual(['nop', 'nop', 'nop', 'nop']);
  expect([text('f390'), text('4190'), text('4990')]).toEqual(['pause', 'xchg r8d, eax', 'xchg r8, rax']);
});

test('f3-before-xchg-r8-is-not-pause', () => {
  expect(text('f34990')).toBe('xchg r8, rax');
});

test('push-of-a-byte-immediate-pushes-a-whole-operand', () => {
  expect([read('6aff', 16).size, read('6aff', 32).size, read('6aff', 64).size, read('666aff', 64).size]).toEqual([16,
    32, 64, 16]);
});

test('a-byte-displacement-does-not-make-the-instruction-pointer-a-byte', () => {
  expect([read('ebfe', 16).size, read('ebfe', 32).size, read('66ebfe', 32).size, read('e2fe', 64).size]).toEqual([16,
    32, 16, 64]);
});

test('mod-does-not-matter-in-moves-to-and-from-control-registers', () => {
  expect([text('0f2000'), text('0f2040'), text('0f22c0')]).toEqual(['mov rax, cr0', 'mov rax, cr0', 'mov cr0, rax']);
  expect(read('0f2044', 64).length).toBe(3);
});

test('a-sib-byte-without-index-has-no-scale', () => {
  expect(read('8b0464', 64).operands[1]).toMatchObject({ base: 4, index: -1, scale: 1 });
});

test('62-in-64-bit-mode-is-evex-and-not-invalid', () => {
  expect(() => read('62f17c4828c0', 64)).toThrow(Unmodelled);
});

describe('82-is-80-outside-64-bit-mode', () => {
  test('decoded', () => expect(text('82c005', 32)).toBe('add al, 0x5'));
  test('and invalid in it', () => expect(() => read('82c005', 64)).toThrow(Fault));
});

test('63-without-rex-w-is-movsxd-too', () => {
  expect([text('4863c1'), text('63c1'), text('6663c1')]).toEqual(['movsxd rax, ecx', 'movsxd eax, ecx',
    'movsxd ax, cx']);
});

test.for([
  ['8ec8', 'CS cannot be loaded by MOV'], ['8ef0', 'there is no segment register of this number'],
  ['0f20c8', 'there is no CR1'],
  ['440f20c8', 'there is no CR9'], ['8dc0', 'LEA needs a memory operand'],
  ['f001c0', 'LOCK is not allowed with this form of ADD'],
  ['f08900', 'LOCK is not allowed with this form of MOV'], ['06', 'opcode 06 is invalid in 64-bit mode'],
] as const)('%s is #UD: %s', ([bytes, reason]) => {
  expect(() => read(bytes, 64)).toThrow(expect.objectContaining({ mnemonic: '#UD',
    message: expect.stringContaining(reason) }));
});

test('fifteen bytes are an instruction, sixteen are #GP(0)', () => {
  expect(read(`${'66'.repeat(14)}90`, 64).length).toBe(15);
  expect(() => read(`${'66'.repeat(15)}90`, 64)).toThrow(expect.objectContaining({ mnemonic: '#GP', errorCode: 0 }));
});

test('bytes are fetched once each, in order, and none beyond the instruction', () => {
  const asked: number[] = [];
  decode((n) => (asked.push(n), [0x48, 0x8b, 0x44, 0x8b, 0x10][n]!), 64);
  expect(asked).toEqual([0, 1, 2, 3, 4]);
});

test.for([
  ['VEX.vvvv of VPBROADCASTD names a register', 'c4e271588010000000', 9], ['VEX.L of VMOVD is 1', 'c4e17d6e8010000000', 9],
  ['a gather without a SIB byte', 'c4e269908010000000', 9], ['a gather whose mask is its destination', 'c4e27990448010', 7],
] as const)('%s: the whole instruction is fetched before #UD', ([, bytes, length]) => {
  const all = Buffer.from(bytes, 'hex'), asked: number[] = [];
  expect(() => decode((n) => (asked.push(n), all[n]!), 64)).toThrow(expect.objectContaining({ mnemonic: '#UD' }));
  expect(asked).toHaveLength(length);
});

test('outside 64-bit mode VEX.W does not choose between a doubleword and a quadword', () => {
  expect([text('c4e1f96ec1', 32), text('c4e1f96ec1')]).toEqual(['vmovd xmm0, ecx', 'vmovq xmm0, rcx']);
  expect([text('c4e3f961c105', 32), text('c4e3f961c105')]).toEqual(['vpcmpestri xmm0, xmm1, 0x5', 'vpcmpestri64 xmm0, xmm1, 0x5']);
});

test('what is only relevant for text is shown, so that nothing gets lost', () => {
  expect(text('66c3', 32)).toBe('data16 ret');
  expect(text('666a05', 32)).toBe('data16 push 0x5');
  expect(text('67e2fe')).toBe('addr32 loop 0x1001');
  expect(text('f36467a4')).toBe('rep fs addr32 movsb');
  expect(text('8b042510000000')).toBe('mov eax, dword ptr [abs 0x10]');
  expect(text('8b0510000000')).toBe('mov eax, dword ptr [0x1016]');
  expect(text('648b0510000000')).toBe('mov eax, dword ptr fs:[rel 0x1017]');
  expect(text('66d930', 32)).toBe('data16 fnstenv [eax]');
});
