import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { assemble, symbol } from '../../spec/src/asm/assemble.ts';
import { asm32, asm64 } from '../../spec/src/asm/template.ts';
import type { Mode } from '../../spec/src/isa/instruction.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string, mode: Mode = 64, origin = 0x1000n): string =>
  hexOf(assemble(text, { mode, origin }).bytes);

/** Text, and the bytes that other assemblers make of it. */
function encodes(mode: Mode, cases: readonly (readonly [text: string, bytes: string])[]): void {
  test.for(cases)(`${mode}-bit: %s`, ([text, bytes]) => {
    expect(bytesOf(text, mode)).toBe(bytes.replaceAll(' ', ''));
  });
}

describe('vector registers', () => {
  encodes(64, [
    ['paddb mm1, mm2', '0ffcca'],
    ['paddb xmm9, [rax]', '66440ffc08'],
    ['vpaddb xmm1, xmm2, [r9+8]', 'c4c169fc4908'],
    ['vpaddb ymm10, ymm2, ymm13', 'c4416dfcd5'],
    ['vpaddb ymm10, ymm2, ymm3', 'c56dfcd3'],
    ['movd xmm1, ecx', '660f6ec9'],
    ['movq xmm1, rcx', '66480f6ec9'],
    ['movq xmm1, [rcx]', 'f30f7e09'],
    ['movq mm1, [rcx]', '0f6f09'],
    ['movss xmm1, [rcx]', 'f30f1009'],
    ['movsd xmm1, xmm2', 'f20f10ca'],
    ['vmovsd xmm1, xmm2, xmm3', 'c5eb10cb'],
    ['pblendvb xmm1, xmm2, xmm0', '660f3810ca'],
    ['vpblendvb ymm1, ymm2, [rax], ymm12', 'c4e36d4c08c0'],
    ['vpgatherdd ymm1, [rax+ymm2*4+0x10], ymm3', 'c4e265904c9010'],
    ['vgatherqpd xmm1, [xmm9*8+0x1000], xmm3', 'c4a2e1930ccd00100000'],
    ['psrldq xmm3, 5', '660f73db05'],
    ['vpsllw xmm9, xmm2, 3', 'c5b171f203'],
    ['pextrb eax, xmm3, 2', '660f3a14d802'],
    ['vextractf128 [rdi], ymm3, 1', 'c4e37d191f01'],
    ['vzeroupper', 'c5f877'],
    ['maskmovdqu xmm1, xmm2', '660ff7ca'],
    ['sha256rnds2 xmm1, xmm2, xmm0', '0f38cbca'],
    ['vmovdqu ymm8, [rsi]', 'c57e6f06'],
    ['vmovdqu [rsi], ymm8', 'c57e7f06'],
    ['movdq2q mm1, xmm2', 'f20fd6ca'],
    ['pinsrw xmm1, [rax], 3', '660fc40803'],
    ['extrq xmm1, 2, 3', '660f78c10203'],
  ]);
  encodes(32, [['vpaddb ymm1, ymm2, [eax]', 'c5edfc08'], ['vpgatherdd xmm1, [eax + xmm2], xmm3', 'c4e261900c10'], ['pextrb [eax], xmm1, 2', '660f3a140802']]);
});

describe('registers and immediates take the shortest encoding', () => {
  encodes(64, [
    ['mov eax, 1', 'b8 01000000'],
    ['mov rax, 1', '48c7c0 01000000'],
    ['mov rax, 0x123456789abcdef0', '48b8 f0debc9a78563412'],
    ['mov rax, -1', '48c7c0 ffffffff'],
    ['mov rax, 0xffffffffffffffff', '48c7c0 ffffffff'],
    ['mov spl, 1', '40b401'],
    ['mov ah, 1', 'b401'],
    ['add eax, 1', '83c001'],
    ['add eax, -128', '83c080'],
    ['add eax, 128', '05 80000000'],
    ['add eax, 0xffffffff', '83c0ff'],
    ['add ax, 0xffff', '6605ffff'],
    ['add al, 0xff', '04ff'],
    ['add r8b, cl', '4100c8'],
    ['push 5', '6a05'],
    ['push word 5', '666a05'],
    ['push 0x1000', '68 00100000'],
    ['xchg eax, eax', '87c0'],
    ['xchg ecx, eax', '91'],
    ['shl eax, 1', 'd1e0'],
    ['shl eax, 2', 'c1e002'],
    ['shl eax, cl', 'd3e0'],
    ["mov al, 'A'", 'b041'],
    ['fld st(3)', 'd9c3'],
    ['fadd st, st(1)', 'd8c1'],
    ['fadd st(1), st', 'dcc1'],
    ['fxch', 'd9c9'],
    ['fxch st(2)', 'd9ca'],
    ['faddp', 'dec1'],
    ['mov rax, cr3', '0f20d8'],
    ['mov cr8, rax', '440f22c0'],
    ['mov ds, ax', '8ed8'],
    ['movups xmm9, [r10]', '450f100a'],
  ]);
});

describe('addresses', () => {
  encodes(64, [
    ['mov eax, [rbx]', '8b03'],
    ['mov eax, [rbp]', '8b4500'],
    ['mov eax, [r13]', '418b4500'],
    ['mov eax, [rsp]', '8b0424'],
    ['mov eax, [r12 + 8]', '418b442408'],
    ['mov eax, [rbx + rcx*4 - 1]', '8b448bff'],
    ['mov eax, [rcx*4 + rbx]', '8b048b'],
    ['mov eax, [rax + rsp]', '8b0404'],
    ['mov eax, [rax + rax]', '8b0400'],
    ['mov eax, [rax*3]', '8b0440'],
    ['mov eax, [rax*8]', '8b04c500000000'],
    ['mov eax, [rbx + 127]', '8b437f'],
    ['mov eax, [rbx + 128]', '8b8380000000'],
    ['mov eax, [ebx]', '678b03'],
    ['mov eax, [rip + 8]', '8b0508000000'],
    ['mov eax, [rip]', '8b0500000000'],
    ['mov eax, [rip - 8]', '8b05f8ffffff'],
    ['mov eax, [0x1016]', '8b0510000000'],
    ['mov eax, [rel 0x1016]', '8b0510000000'],
    ['mov eax, [abs 0x1016]', '8b042516100000'],
    ['mov rax, [abs 0x123456789a]', '48a1 9a78563412000000'],
    ['mov eax, fs:[0x10]', '648b042510000000'],
    ['mov eax, [fs:0x10]', '648b042510000000'],
    ['mov eax, dword ptr fs:[rbx]', '648b03'],
    ['mov eax, dword [rbx]', '8b03'],
    ['mov eax, gs:[rel 0x1017]', '658b0510000000'],
    ['lea rax, [x]\nx:', '488d0500000000'],
    ['mov eax, [rip + x]\nx: dd 0', '8b0500000000 00000000'],
    ['fld qword ptr [rax]', 'dd00'],
    ['fld tbyte ptr [rax]', 'db28'],
    ['inc byte ptr [rax]', 'fe00'],
    ['push [rax]', 'ff30'],
    ['call [rax]', 'ff10'],
  ]);
  encodes(32, [
    ['mov eax, [0x1234]', 'a134120000'],
    ['mov ecx, [0x1234]', '8b0d34120000'],
    ['mov eax, [bx + si]', '678b00'],
    ['mov eax, [si + bx]', '678b00'],
    ['mov eax, cs:[ebx]', '2e8b03'],
    ['mov eax, ss:[ebp]', '8b4500'],
    ['mov eax, ds:[ebp]', '3e8b4500'],
    ['push [eax]', 'ff30'],
    ['inc eax', '40'],
  ]);
  encodes(16, [
    ['mov ax, [bp]', '8b4600'],
    ['mov ax, [bp + di - 128]', '8b4380'],
    ['mov ax, [bx + 128]', '8b878000'],
    ['mov ax, [0x1234]', 'a13412'],
    ['mov eax, [ebx]', '67668b03'],
    ['jmp $', 'ebfe'],
    ['mov ax, 0x1234', 'b83412'],
  ]);
});

describe('far pointers', () => {
  encodes(64, [
    ['call far [rdi]', 'ff1f'],
    ['jmp far fword ptr [rdi]', 'ff2f'],
    ['call far dword ptr [rdi]', '66ff1f'],
    ['data16 call far [rdi]', '66ff1f'],
    ['jmp far tbyte ptr [rdi]', '48ff2f'],
    ['jmp far [x]\nx:', 'ff2d00000000'],
    ['lss rsp, [rdi]', '480fb227'],
    ['lgs eax, fword ptr fs:[rdi]', '640fb507'],
    ['retf', 'cb'],
    ['retf 4', 'ca0400'],
    ['data64 retf', '48cb'],
    ['data16 retf 4', '66ca0400'],
    ['jmp far\nfar:', 'eb00'],
  ]);
  encodes(32, [
    ['jmp 8:0x12345678', 'ea785634120800'],
    ['call far 8:0x12345678', '9a785634120800'],
    ['call word 8:0x1234', '669a34120800'],
    ['call [eax]', 'ff10'],
    ['call far [eax]', 'ff18'],
    ['lds esi, [ebx]', 'c533'],
    ['les si, dword ptr [ebx]', '66c433'],
    ['arpl [eax], cx', '6308'],
    ['data16 retf', '66cb'],
  ]);
  encodes(16, [
    ['jmp far [bx]', 'ff2f'],
    ['jmp far fword ptr [bx]', '66ff2f'],
    ['call dword 8:0x12345678', '669a785634120800'],
    ['call dword ptr [bx]', '66ff17'],
    ['lds si, [bx]', 'c537'],
  ]);
});

describe('prefixes', () => {
  encodes(64, [
    ['lock inc dword ptr [rax]', 'f0ff00'],
    ['rep movsb', 'f3a4'],
    ['repne stosq', 'f248ab'],
    ['rep fs movsb', 'f364a4'],
    ['addr32 movsb', '67a4'],
    ['addr32 loop $', '67e2fd'],
    ['a32 loop $', '67e2fd'],
    ['addr32 mov eax, [0x1017]', '678b0510000000'],
  ]);
  encodes(32, [['data16 ret', '66c3'], ['o16 push 5', '666a05'], ['data16 fnstenv [eax]', '66d930']]);
});

describe('numbers and expressions', () => {
  const value = (text: string): bigint => symbol(assemble(`x equ ${text}`, { mode: 64 }), 'x');
  test.for([
    ['0x1F', 0x1fn], ['1fh', 0x1fn], ['0FFh', 0xffn], ['0b101', 5n], ['101b', 5n], ['1_000', 1000n],
    ['0xffff_ffff', 0xffff_ffffn],
    ['1 + 2 * 3', 7n], ['(1 + 2) * 3', 9n], ['1 << 4', 16n], ['0x100 >> 4', 16n], ['-1', -1n], ['--1', 1n],
    ['+1', 1n], ['-(2 + 3)', -5n],
    ["'A'", 0x41n], ["'AB'", 0x4241n], ["'a' + 1", 0x62n],
    ['7 / 2', 3n], ['-7 / 2', -3n], ['7 % 4', 3n], ['-7 % 4', -3n], ['~5', -6n], ['~0 & 0xff', 0xffn], ['5 | 2 ^ 3 & 6', 5n],
    ['1 + 2 << 3', 24n], ['1 << 2 + 3', 32n], ['0xf0 & 0x3c | 1', 0x31n], ['100 / 10 / 2', 5n], ['-~0', 1n],
  ] as const)('%s', ([text, expected]) => {
    expect(value(text)).toBe(expected);
  });
});

test('expressions mean what they mean in JavaScript, whose operators group alike', () => {
  const { operator, number, sign } = choices(12345);
  const values = Array.from({ length: 400 }, () => {
    const text = Array.from({ length: 6 }, (_, n) => `${sign()}${number()}${n < 5 ? ` ${operator()} ` : ''}`).join('');
    const theirs = BigInt.asIntN(64, runInNewContext(text.replaceAll(/\d+/g, '$&n')) as bigint);
    return { text, ours: BigInt.asIntN(64, symbol(assemble(`x equ ${text}`, { mode: 64 }), 'x')), theirs };
  });
  expect(values.filter(({ ours, theirs }) => ours !== theirs)).toEqual([]);
});

/** Operators, numbers from 1 and signs, in an order that `seed` decides. Shifts are left out: their counts have to fit. */
function choices(seed: number) {
  let state = seed;
  const next = (below: number): number => (state = (state * 1103515245 + 12345) % 2 ** 31) % below;
  const one = (list: readonly string[]) => (): string => list[(next(2 ** 20) >> 4) % list.length]!;
  return { operator: one(['|', '^', '&', '+', '-', '*']), number: () => String(1 + next(1000)), sign: one(['', '', '-', '~']) };
}

describe('what goes without saying', () => {
  encodes(32, [
    ['aam', 'd40a'], ['aad', 'd50a'], ['aam 16', 'd410'], ['imul eax, 5', '6bc005'], ['imul ecx, 0x1234', '69c934120000'], ['imul ax, 5', '666bc005'],
    ['salc', 'd6'], ['icebp', 'f1'], ['int1', 'f1'], ['pushfw', '669c'], ['popfw', '669d'],
  ]);
  encodes(64, [
    ['imul r9, 5', '4d6bc905'], ['insb', '6c'], ['insd', '6d'], ['rep outsw', 'f3666f'], ['fs outsb', '646e'], ['addr32 rep insb', 'f3676c'],
    ['sysret', '0f07'], ['sysretq', '480f07'], ['sysexitq', '480f35'], ['wbnoinvd', 'f30f09'],
  ]);
});

describe('data', () => {
  encodes(64, [
    ['db 1, -1, 0xff', '01ffff'],
    ["db 'ab', 0, \"c;d\"", '616200633b64'],
    ["dw 'a'", '6100'],
    ["db 'a' + 1", '62'],
    ['dw 0x1234, -2', '3412feff'],
    ['dd 1.5', '0000c03f'],
    ['dd -1.5, 1e3', '0000c0bf00007a44'],
    ['dq 1.0', '000000000000f03f'],
    ['dt 1.0', '0000000000000080ff3f'],
    ['dt -2.5', '00000000000000a000c0'],
    ['dt 0x3fff8000000000000000', '0000000000000080ff3f'],
    ['dq $', '0010000000000000'],
    ['.byte 1', '01'],
    ['resb 3', '000000'],
    ['resw 1\nresd 1\nrest 1', '00'.repeat(16)],
    ['times 3 db 1, 2', '010201020102'],
    ['db 1\ntimes 4-($-$$) db 0xff', '01ffffff'],
    ['times 2 nop', '9090'],
    ['times 0 nop', ''],
    ['db 1\nalign 4\ndb 2', '0100000002'],
    ['align 16\ndb 2', '02'],
  ]);
});

describe('labels', () => {
  test('are known before and after their line, and on it', () => {
    const program = assemble('start: jmp there\nx: y: nop\nthere: jmp start', { mode: 64, origin: 0x1000n });
    expect(hexOf(program.bytes)).toBe('eb0190ebfb');
    expect(program.symbols).toEqual({ start: 0x1000n, x: 0x1002n, y: 0x1002n, there: 0x1003n });
  });

  test('equ takes $ and labels of any line', () => {
    const program = assemble("size equ end - text\ntext: db 'hello'\nlength equ $ - text\nend: mov ecx, size",
      { mode: 64 });
    expect(program.symbols).toMatchObject({ size: 5n, length: 5n });
    expect(hexOf(program.bytes.slice(5))).toBe('b905000000');
  });

  test('bits changes the mode of the code that follows, and the listing says which', () => {
    const program = assemble('mov eax, 1\nbits 32\nmov eax, 1\nbits 64\nmov rax, 1\nbits 16\nmov ax, 1', { mode: 16 });
    expect(hexOf(program.bytes)).toBe(['66b801000000', 'b801000000', '48c7c001000000', 'b80100'].join(''));
    expect(program.listing.map(({ mode }) => mode)).toEqual([16, 32, 64, 16]);
    expect(program.mode).toBe(16);
  });

  test('org moves the program, whatever stands before it that takes no space', () => {
    const program = assemble('; comment\nsize equ 4\norg 0x7c00\nx: dd x', { mode: 32 });
    expect([program.origin, hexOf(program.bytes)]).toEqual([0x7c00n, '007c0000']);
  });

  test('symbols from elsewhere', () => {
    expect(bytesOf('mov eax, 7', 64)).toBe(hexOf(assemble('mov eax, seven',
      { mode: 64, symbols: { seven: 7n } }).bytes));
  });

  test('the listing names line, address and text', () => {
    const { listing } = assemble('a: nop ; idle\n\n  db 1, 2 ; data', { mode: 64, origin: 0x10n });
    expect(listing).toEqual([
      { line: 1, address: 0x10n, length: 1, kind: 'instruction', mode: 64, text: 'nop' },
      { line: 3, address: 0x11n, length: 2, kind: 'data', mode: 64, text: 'db 1, 2' },
    ]);
  });

  test('lines may end in CR LF', () => {
    expect(bytesOf('nop\r\nx: jmp x\r\n')).toBe('90ebfe');
  });
});

describe('jumps are as short as their distance allows', () => {
  const after = (distance: number): string => bytesOf(`jmp x\nresb ${distance}\nx:`).slice(0, 4);
  const before = (distance: number): string =>
    bytesOf(`x: resb ${distance}\njmp x`).slice(2 * distance, 2 * distance + 4);

  test('forward by 127 and 128', () => {
    expect([after(0), after(127), after(128)]).toEqual(['eb00', 'eb7f', 'e980']);
  });

  test('backward by 128 and 129, counted from the end of the jump', () => {
    expect([before(126), before(127)]).toEqual(['eb80', 'e97c']);
  });

  test('conditions too, in all modes', () => {
    expect(bytesOf('je x\nresb 128\nx:', 64).slice(0, 12)).toBe('0f8480000000');
    expect(bytesOf('je x\nresb 128\nx:', 32).slice(0, 12)).toBe('0f8480000000');
    expect(bytesOf('je x\nresb 128\nx:', 16).slice(0, 8)).toBe('0f848000');
  });

  test('one that grows pushes another out of reach', () => {
    const text = 'a: jmp d\nresb 124\nb: jmp d\nresb 127\nc: nop\nd:';
    const { symbols, bytes } = assemble(text, { mode: 64, origin: 0n });
    // The second jump is long, so the first one's target is further away than the first pass believed.
    expect(symbols).toMatchObject({ a: 0n, b: 129n, d: 262n });
    expect(hexOf(bytes.slice(0, 5))).toBe('e901010000');
  });

  test('instruction-pointer-wraps-in-16-bit-code', () => {
    expect(bytesOf('jmp 0x10', 16, 0xfff0n)).toBe('eb1e');
  });

  test('across the end of the address space in 32-bit code', () => {
    expect(bytesOf('jmp 0x10', 32, 0xffff_fff0n)).toBe('eb1e');
  });

  test('displacement-that-shrinks-leaves-no-zeros-behind', () => {
    // In the first pass the unknown label makes the displacement look long.
    const text = 'nop\nmov eax, [rbx + 0x1084 - end]\nend: nop';
    const program = assemble(text, { mode: 64, origin: 0x1000n });
    expect(program.symbols.end).toBe(0x1000n + BigInt(program.bytes.length - 1));
    expect(program.listing.map(({ length }) => length).reduce((a, b) => a + b)).toBe(program.bytes.length);
    const displacement = new DataView(program.bytes.buffer).getInt32(3, true);
    expect([program.bytes[1], program.bytes[2], displacement]).toEqual([0x8b, 0x83, 0x7d]);
  });
});

describe('templates', () => {
  test('take numbers, bigints and text', () => {
    expect(hexOf(asm64`mov eax, ${5}`.bytes)).toBe('b805000000');
    expect(hexOf(asm64`mov rax, ${0x123456789abcdef0n}`.bytes)).toBe('48b8f0debc9a78563412');
    expect(hexOf(asm64`add eax, ${-1n}`.bytes)).toBe('83c0ff');
    expect(hexOf(asm64`${'nop'}`.bytes)).toBe('90');
    expect(hexOf(asm32`inc ${'eax'}`.bytes)).toBe('40');
  });

  test.for([[1.5], [Number.NaN], [2 ** 53], [null], [undefined], [{}], [true]])('and nothing else: %s', ([value]) => {
    expect(() => asm64`mov eax, ${value as number}`).toThrow(TypeError);
    expect(() => asm64`mov eax, ${value as number}`).toThrow(/put in a whole number/);
  });
});
