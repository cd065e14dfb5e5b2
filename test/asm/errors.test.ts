import { expect, test } from 'vitest';
import { assemble, symbol } from '../../spec/src/asm/assemble.ts';
import { AssemblyError } from '../../spec/src/asm/error.ts';
import type { Mode } from '../../spec/src/isa/instruction.ts';

/** Text, where it is wrong, and what the message says; the mode is 64-bit unless given. */
type Mistake = readonly [text: string, line: number, column: number, reason: string, mode?: Mode];

const MISTAKES: readonly Mistake[] = [
  // Words
  ['mvo eax, 1', 1, 1, '"mvo" is no instruction or directive that this assembler knows'],
  ['  start', 1, 3,
    '"start" is no instruction or directive that this assembler knows; a label is followed by a colon: start:'],
  ['x dd 1', 1, 1, '"x" is no instruction or directive that this assembler knows; a label is followed by a colon: x:'],
  ['x mov eax, 1', 1, 1,
    '"x" is no instruction or directive that this assembler knows; a label is followed by a colon: x:'],
  ['nop nop', 1, 5, 'unknown symbol "nop": define it as a label or with equ'],
  ['mov eax, 1 2', 1, 12, 'unexpected "2": the statement ends before it (comments begin with ;)'],
  ['db 1 2', 1, 6, 'unexpected "2": the statement ends before it (comments begin with ;)'],
  ['nop\n  5', 2, 3, 'a statement begins with an instruction or a directive, not with "5"'],
  ['mov eax, 1 # one', 1, 12, 'unexpected character "#"'],
  ['mov eax, 1 😀', 1, 12, 'unexpected character "😀"'],
  // Symbols
  ['jmp away', 1, 5, 'unknown symbol "away": define it as a label or with equ'],
  ['mov eax, ffh', 1, 10,
    'unknown symbol "ffh" (a number begins with a digit: 0ffh): define it as a label or with equ'],
  ['x:\nnop\nx:', 3, 1, 'x is defined twice, first in line 1: rename one of them'],
  ['x equ 1\nx: nop', 2, 1, 'x is defined twice, first in line 1: rename one of them'],
  ['rax: nop', 1, 1, 'rax is a register: a symbol needs another name'],
  ['lock: nop', 1, 1, 'lock is a prefix: a symbol needs another name'],
  ['$x: nop', 1, 1, '"$x" cannot be a symbol: a name begins with a letter, _ or .'],
  ['5 equ 1', 1, 1, '"5" cannot be a symbol: a name begins with a letter, _ or .'],
  ['x equ', 1, 6, 'an expression is missing here'],
  ['x equ eax', 1, 7, 'a constant is expected, not a register'],
  // Numbers and strings
  ['mov eax, 12ab', 1, 10, '12ab is no number: write 123, 0x7b, 7bh, 0b1111011 or 1.5'],
  ['mov eax, 0x', 1, 10, '0x is no number: write 123, 0x7b, 7bh, 0b1111011 or 1.5'],
  ["db 'abc", 1, 4, "the string has no end: close it with '"],
  ['db "abc', 1, 4, 'the string has no end: close it with "'],
  ["db 'ż'", 1, 4, 'a string holds one byte a character, up to U+00FF: write others as numbers'],
  ["mov rax, 'too long for it'", 1, 10,
    'as a number a string has 1 to 8 characters of one byte; longer ones belong into db'],
  ['db 256', 1, 4, '0x100 does not fit in 1 byte'],
  ['dw 1, -32769', 1, 7, '-0x8001 does not fit in 2 bytes'],
  ['db 1.5', 1, 4, 'a decimal fraction needs dd, dq or dt'],
  ['mov eax, 1.5', 1, 10, 'a decimal fraction needs dd, dq or dt'],
  ['db', 1, 3, 'an expression is missing here'],
  ['db 1,', 1, 6, 'an expression is missing here'],
  ['mov eax, 1 << 65', 1, 12, 'a shift by 65 is out of range: 0 to 64 are possible'],
  ['mov eax, 1 / 0', 1, 12, 'division by zero'],
  ['mov eax, 4 % (2 - 2)', 1, 12, 'division by zero'],
  ['mov eax, [~rax]', 1, 11, 'a register cannot be used with ~: addresses are sums with factors'],
  ['mov eax, [rax & 8]', 1, 15, 'a register cannot be used with &: addresses are sums with factors'],
  ['mov eax, (1 + 2', 1, 16, 'expected ")" before the end of the line'],
  ['mov rax, 0x10000000000000000', 1, 5,
    'mov does not take these operands (a 64-bit register, the number 0x10000000000000000); it takes'],
  ['mov eax, 0x100000000', 1, 5,
    'mov does not take these operands (a 32-bit register, the number 0x100000000); it takes'],
  ['add rax, 0x80000000', 1, 5,
    'add does not take these operands (a 64-bit register, the number 0x80000000); it takes'],
  ['push 0x123456789', 1, 6, 'push does not take these operands (the number 0x123456789); it takes'],
  // Operands
  ['mov [rbx], 1', 1, 5,
    'the size of the memory operand is not given: write byte ptr or word ptr or dword ptr or qword ptr before it'],
  ['fld [rbx]', 1, 5,
    'the size of the memory operand is not given: write dword ptr or qword ptr or tbyte ptr before it'],
  ['mov eax, rbx', 1, 5, 'mov does not take these operands (a 32-bit register, a 64-bit register); it takes'],
  ['mov eax, word ptr [rbx]', 1, 5, 'mov does not take these operands (a 32-bit register, word ptr memory); it takes'],
  ['call far rax', 1, 6, 'far goes before brackets or selector:offset'],
  ['call far 5', 1, 6, 'far goes before brackets or selector:offset'],
  ['jmp fword ptr [rax]', 1, 5, 'jmp does not take these operands (fword ptr memory); it takes'],
  ['jmp far qword ptr [rax]', 1, 5, 'jmp does not take these operands (qword ptr memory); it takes'],
  ['mov eax, far [rax]', 1, 5, 'mov does not take these operands'],
  ['mov', 1, 1, 'mov does not take these operands (none); it takes'],
  ['hlt 5', 1, 5, 'hlt does not take these operands (the number 0x5); it takes no operand'],
  ['inc eax, ebx', 1, 5,
    'inc does not take these operands (a 32-bit register, a 32-bit register); it takes r/m8; r/mv'],
  ['mov dword eax, 1', 1, 5, 'the name of a register says its size: leave out the word'],
  ['mov eax + 1, 2', 1, 9, 'unexpected "+": the statement ends before it (comments begin with ;)'],
  ['fld st(8)', 1, 8, 'the registers of the stack are st(0) to st(7)'],
  ['fld st(x)', 1, 8, 'the registers of the stack are st(0) to st(7)'],
  ['mov ah, r8b', 1, 5, 'ah, ch, dh and bh cannot be used in an instruction with a REX prefix'],
  // Addresses
  ['mov eax, [rbx', 1, 14, 'expected "]" before the end of the line'],
  ['mov eax, []', 1, 11, 'unexpected "]"'],
  ['mov eax, [rax + rbx + rcx]', 1, 23, 'an address is at most base + index * 1, 2, 4 or 8 + displacement'],
  ['mov eax, [rax*6]', 1, 11, 'an address is at most base + index * 1, 2, 4 or 8 + displacement'],
  ['mov eax, [-rax]', 1, 12, 'an address is at most base + index * 1, 2, 4 or 8 + displacement'],
  ['mov eax, [rax*rbx]', 1, 14, 'registers cannot be multiplied'],
  ['mov eax, [rax << 2]', 1, 15, 'a register cannot be used with <<: addresses are sums with factors'],
  ['mov eax, [rax + ebx]', 1, 17, 'registers of an address have one size'],
  ['mov eax, [al]', 1, 11, 'only 16, 32 and 64-bit general-purpose registers make an address, and XMM and YMM registers several'],
  ['vpgatherdd xmm1, [xmm0*3], xmm2', 1, 19, 'the elements of an index are multiplied by 1, 2, 4 or 8'],
  ['mov eax, [xmm0]', 1, 10, 'mov has one address: only 16, 32 and 64-bit general-purpose registers make it'],
  ['mov eax, [rsp*2]', 1, 5, 'rsp and esp cannot be an index'],
  ['mov eax, [bx]', 1, 11, '16-bit addresses do not exist in 64-bit code'],
  ['mov eax, [rbx + 0x80000000]', 1, 5, 'the displacement 0x80000000 does not fit in 32 bits'],
  ['mov ecx, [0x123456789]', 1, 5,
    '0x123456789 is too far from here for a RIP-relative operand: load the address into a register first'],
  ['mov ecx, [abs 0x123456789]', 1, 5, 'the displacement 0x123456789 does not fit in 32 bits'],
  ['mov eax, [rip + rax]', 1, 17, 'rip stands alone in an address: only a number or a label can be added'],
  ['mov eax, [rel rax]', 1, 10, 'rel needs an address without registers'],
  ['mov eax, fs:5', 1, 10, 'a segment override belongs to a memory operand in brackets'],
  ['mov eax, [rax]', 1, 11, '64-bit addresses exist only in 64-bit code', 32],
  ['mov eax, [rip + 4]', 1, 11, 'rip can be in an address only in 64-bit code', 32],
  ['mov eax, [rel 4]', 1, 10, 'rel addresses exist only in 64-bit code', 32],
  ['mov ax, [ax]', 1, 5, '16-bit addresses are made of bx or bp and si or di', 16],
  ['mov eax, [bx + cx]', 1, 5, '16-bit addresses are made of bx or bp and si or di', 32],
  ['mov eax, [0x100000000]', 1, 10, 'the address has more than 32 bits', 32],
  // Modes
  ['mov eax, r8d', 1, 5, 'registers 8 to 15 exist only in 64-bit mode', 32],
  ['mov spl, 1', 1, 5, 'registers r8 to r15, spl, bpl, sil and dil exist only in 64-bit mode', 32],
  ['mov rax, 1', 1, 5, 'mov does not take these operands (a 64-bit register, the number 0x1); it takes', 32],
  ['xsave64 [eax]', 1, 9, 'xsave64 does not exist in 32-bit code', 32],
  // Prefixes
  ['lock mov [rax], eax', 1, 6, 'mov cannot be locked here: lock goes with add, xchg and the like on memory'],
  ['lock add eax, [rax]', 1, 6, 'add cannot be locked here: lock goes with add, xchg and the like on memory'],
  ['lock', 1, 5, 'an instruction is missing after the prefix'],
  ['lock lock inc dword ptr [rax]', 1, 6, 'lock is one prefix of its kind too many: leave it out'],
  ['rep repne movsb', 1, 5, 'repne is one prefix of its kind too many: leave it out'],
  ['rep nop', 1, 5, 'nop cannot be repeated: rep goes with string instructions'],
  ['fs mov eax, [rax]', 1, 4, 'a segment goes before the brackets, as in fs:[4], not before mov'],
  ['addr32 nop', 1, 8, 'nop uses no address here: leave out addr32'],
  ['addr16 movsb', 1, 1, '16-bit addresses do not exist in 64-bit code'],
  ['data16 cpuid', 1, 8, 'cpuid does not take these operands with data16 (none); it takes no operand'],
  // Places
  ['jmp short_of_it\nresb 200\nshort_of_it equ 0xffff0000ffff0000', 1, 5,
    'the target 0xffff0000ffff0000 is out of reach: '],
  ['loop far\nresb 128\nfar:', 1, 6,
    'the target 0xfffff80300001082 is out of reach: 8 bits hold the distance of a jump here'],
  ['jmp 0x10000', 1, 5, 'the target 0x10000 is not an address of 16 bits', 16],
  ['nop\norg 0x1000', 2, 1, 'org comes before anything that takes space: move it up'],
  ['nop\nbits 8', 2, 6, 'bits is 16, 32 or 64, not 8'],
  ['bits', 1, 5, 'an expression is missing here'],
  ['org -1', 1, 1, 'org needs an address of 64 bits, not -0x1'],
  ['align 3', 1, 7, 'align needs a power of two (1, 2, 4, …), not 3'],
  ['align 0', 1, 7, 'align needs a power of two (1, 2, 4, …), not 0'],
  ['resb -1', 1, 6, 'resb -1 is out of range: 0 to 16777216 are possible'],
  ['resb 0x7fffffffffffffff', 1, 6, 'resb 9223372036854775807 is out of range: 0 to 16777216 are possible'],
  ['times 100000 nop', 1, 7, 'times 100000 is out of range: 0 to 65536 are possible'],
  ['times 65536 resb 65536', 1, 7, 'times makes more than 16777216 bytes'],
  ['times 2', 1, 8, 'an instruction or a directive is missing after times'],
  ['times 2 mvo', 1, 9, '"mvo" is no instruction or directive that this assembler knows'],
  ['rest 10000000', 1, 1, 'the program has more than 67108864 bytes'],
  ['x: resb y - x + 1\ny: nop', 1, 4,
    'the addresses do not settle: the size of something depends on itself. Write a number in its place'],
  ['x equ x + 1', 1, 1,
    'the addresses do not settle: the size of something depends on itself. Write a number in its place'],
];

function complaintAbout(text: string, mode: Mode): AssemblyError {
  try {
    assemble(text, { mode });
  } catch (error) {
    if (error instanceof AssemblyError) return error;
    throw error;
  }
  throw new Error('no complaint');
}

test.for(MISTAKES)('%s', ([text, line, column, reason, mode = 64]) => {
  const error = complaintAbout(text, mode);
  expect([error.line, error.column, error.reason.slice(0, reason.length)]).toEqual([line, column, reason]);
  expect(error.message).toContain(`assembly line ${line}, column ${column}: `);
});

test('the message shows the line with a mark under the place', () => {
  expect(() => assemble('nop\n  mov eax, bogus\nnop', { mode: 64 })).toThrow(
    'assembly line 2, column 12: unknown symbol "bogus": define it as a label or with equ\n'
    + '    mov eax, bogus\n             ^');
});

test('misuse of the functions themselves', () => {
  expect(() => assemble('nop', { mode: 8 as 16 })).toThrow(new RangeError('assemble: mode is 8; it is 16, 32 or 64'));
  expect(() => assemble(5 as unknown as string,
    { mode: 64 })).toThrow(new TypeError('assemble: the source is number; it is a string'));
  const program = assemble('a: b: nop', { mode: 64 });
  expect(() => symbol(program, 'toString')).toThrow(new RangeError('no symbol "toString"; there are a, b'));
});
