import { expect, test } from 'vitest';
import { assemble } from '../../spec/src/asm/assemble.ts';
import { disassemble } from '../../spec/src/asm/disassemble.ts';
import { AssemblyError } from '../../spec/src/asm/error.ts';
import type { Mode } from '../../spec/src/isa/instruction.ts';
import { MNEMONICS } from '../../spec/src/isa/table.ts';
import { generator } from '../isa/random.ts';

const VALID = [
  'start: mov rax, [rbx + rcx*4 - 0x10]\njmp start\nlock xchg [rax], ecx\nfld qword ptr [rip + x]\nx: dq 1.5',
  "org 0x1000\nsize equ end - text\ntext: db 'hello, world', 0\nalign 16\ntimes 64-($-$$) db 0xff\nend:\nmov ecx, size",
  'mov eax, fs:[0x10]\nmov word ptr [ebp], 0ffh\nfadd st, st(3)\nadd byte ptr [rsp], (1 << 4) + 2\na32 loop $',
  'xsave64 [rdi]\nfxrstor [rsi]\nxgetbv\nmov cr0, rax\nmov ds, ax\ncall [rip]\nrep movsb\nresb 0b101\ndt 1.0e10',
];
const PIECES = [
  ...'[](),:+-*$\'";\n\t .', '<<', '>>', 'equ', 'org', 'bits', 'times', 'resb', 'align', 'rip', 'rel', 'abs', 'ptr', 'far', 'byte',
  'qword', 'st', 'st(',
  'fs:', 'lock', 'rep', 'data16', 'addr32', '0x', '0xffffffffffffffff', '99999999999999999999999999', '-1', '1.5',
  '1e400', '0b1', 'rax', 'r15b',
  'cr8', 'xmm0', 'ah', '__proto__', 'constructor', 'toString', 'start', '\u0000', 'ż', '😀', '\r',
  ...MNEMONICS.slice(0, 20),
];

/** Mostly the mode that the texts are for. */
const MODES: readonly Mode[] = [16, 32, 64, 64, 64, 64];

test.for(VALID)('valid before it is changed: %j', (text) => {
  expect(assemble(text, { mode: 64 }).bytes.length).toBeGreaterThan(0);
});

test('whatever the text, there is a program or an AssemblyError that says where', () => {
  const random = generator(0xa55e);
  const outcomes = { programs: 0, errors: 0 };
  const wrong: string[] = [];
  for (let n = 0; n < 12_000; n++) {
    let text = VALID[random(VALID.length)]!;
    for (let change = random(4); change >= 0; change--) {
      const at = random(text.length + 1);
      const kept = random(3) ? at : Math.min(text.length, at + random(6));
      text = text.slice(0, at) + (random(4) ? PIECES[random(PIECES.length)]! : '') + text.slice(kept);
    }
    const mode = MODES[random(MODES.length)]!;
    try {
      const { bytes, listing } = assemble(text, { mode });
      outcomes.programs++;
      if (listing.reduce((sum, { length }) => sum + length, 0) !== bytes.length) wrong.push(`${text}: lengths`);
    } catch (error) {
      if (!(error instanceof AssemblyError)) throw new Error(`${JSON.stringify(text)} in ${mode}-bit mode`,
        { cause: error });
      outcomes.errors++;
      const line = text.split('\n')[error.line - 1];
      if (line === undefined || error.column < 1 || error.column > line.length + 1) wrong.push(error.message);
    }
  }
  expect(wrong).toEqual([]);
  expect(outcomes.programs).toBeGreaterThan(200);
  expect(outcomes.errors).toBeGreaterThan(5000);
}, 60_000);

test('deep nesting is an error, no overflow of the stack', () => {
  for (const text of [`mov eax, ${'('.repeat(50_000)}1`, `mov eax, ${'-'.repeat(50_000)}1`]) {
    expect(() => assemble(text, { mode: 64 })).toThrow(AssemblyError);
  }
});

test('what is disassembled covers every byte, and what it says assembles again', () => {
  const random = generator(0xd15);
  const bytes = Uint8Array.from({ length: 4000 }, () => random(256));
  const lines = disassemble(bytes, { mode: 64, address: 0x1000n });
  expect(Buffer.concat(lines.map((line) => line.bytes))).toEqual(Buffer.from(bytes));
  for (const { text, address } of lines) {
    expect(assemble(text, { mode: 64, origin: address }).bytes.length, text).toBeGreaterThan(0);
  }
  expect(lines.some(({ text }) => text.startsWith('.byte'))).toBe(true);
});
