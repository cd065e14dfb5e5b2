import { Decoder, Formatter, FormatterSyntax, Instruction, MemorySizeOptions } from 'iced-x86';
import { expect, test } from 'vitest';
import { assemble } from '../../spec/src/asm/assemble.ts';
import { decode } from '../../spec/src/isa/decode.ts';
import { encode } from '../../spec/src/isa/encode.ts';
import type { Instruction as Ours } from '../../spec/src/isa/instruction.ts';
import { print } from '../../spec/src/isa/print.ts';
import { FORMS } from './forms.ts';
import { ADDRESS, MODES, Oracle } from './iced.ts';
import { STRIDE } from './random.ts';
import { encodingsOf } from './shapes.ts';

function formatter(): Formatter {
  const made = new Formatter(FormatterSyntax.Intel);
  Object.assign(made, {
    hexPrefix: '0x', hexSuffix: '', uppercaseHex: false, smallHexNumbersInDecimal: false,
    addLeadingZeroToHexNumbers: false, branchLeadingZeros: false, spaceAfterOperandSeparator: true,
    memorySizeOptions: MemorySizeOptions.Always, preferSt0: true, usePseudoOps: false, showBranchSize: false,
  });
  return made;
}

/** Where ours says more, on purpose: what is left out there would be lost when the text is assembled again; CLDEMOTE is as CLFLUSH. */
const withoutMarks = (text: string): string => text.replace(/\[(abs|rel) /, '[').replace(/\baddr(16|32) (?!loop)/, '')
  .replace(/^data(?:16|32) (?=fn?(?:ldenv|stenv|save|rstor))/, '').replace(/^cldemote byte ptr /, 'cldemote ');

/** Where theirs says more: operands that the SDM's syntax of the instruction does not have. */
const withoutImplied = (text: string): string => text
  .replace(/\baddr(16|32) (?!loop)/, '').replace(/\bfpu\w+ ptr /, '').replace(/^notrack /, '')
  .replace(/^fld st\(0\), (?=st)/, 'fld ').replace(/^(fst(?:p|pnce)? st\(\d\)), st\(0\)/, '$1')
  .replace(/^(f\w+) st\(0\), (?=\w+ ptr)/, '$1 ').replace(/^(f\w+ .*\]), st\(0\)$/, '$1')
  .replace(/^(f(?:add|mul|subr?|divr?)p)$/, '$1 st(1), st(0)').replace(/^(fxch|fu?comp?)$/, '$1 st(0), st(1)')
  .replace(/^([ls][gi]dt) [ft]\w+ ptr /, '$1 ').replace(/^((?:data\d+ )?(?:jmp|call)) far (\w+), (\w+)$/, '$1 $3:$2')
  .replace(/\bret far\b/, 'retf').replace(/^clzero \w+/, 'clzero').replace(/^xlat .*/, 'xlatb').replace(/^imul (\w+), (?=0x)/, 'imul $1, $1, ')
  .replace(/^((?:repn?e? )?(?:movs|stos|lods|scas|cmps|ins|outs)[bwdq]) (?!.*xmm).*/, '$1');

/** They print the register of an extracted or inserted byte, word or mask as 32 bits, whatever REX.W says. */
const narrowExtracts = (text: string): string => (/^v?(?:p?movmsk|pinsr[bw]|pextr[bw]|extractps)/.test(text)
  ? text.replace(/(?<!\[.*)\br(?:([a-z]\w)|(\d+))\b/, (_, plain, numbered) => (plain ? `e${plain}` : `r${numbered}d`)) : text);

/** LEA uses no segment: a prefix is printed here because it is there, and left out by them. */
const leaWithSegment = (text: string): string => text.replace(/^(lea .*)[c-gs]s:/, '$1').replace(/^(lea .*)es:/, '$1');

interface Sample { readonly bytes: Uint8Array; readonly i: Ours; readonly text: string }

/** Each form in each mode, with the instances that encode. */
function samples(mode: (typeof MODES)[number]): Sample[] {
  return FORMS.flatMap((form) => [...encodingsOf(form, mode)]).flatMap((encoding, n) => {
    // The many shapes of the thoroughly tested forms are sampled.
    const bytes = n % 3 === 0 || encoding.operands.length === 0 || encoding.form.size64 ? encode(encoding) : 'left out';
    if (typeof bytes === 'string') return [];
    const i = decode((at) => bytes[at]!, mode);
    return [{ bytes, i, text: print(i, ADDRESS[mode]) }];
  });
}

test.for(MODES)('text in %s-bit mode reads as in other disassemblers', { timeout: 60_000 }, (mode) => {
  const format = formatter();
  const i = new Instruction();
  const different = new Set<string>();
  for (const { bytes, i: ours, text } of samples(mode)) {
    const decoder = new Decoder(mode, bytes, 0);
    decoder.ip = ADDRESS[mode];
    decoder.decodeOut(i);
    decoder.free();
    const theirs = format.format(i).replace(/^sal /, 'shl ');
    // Theirs has a register in place of the digit: differences.ts.
    // Of the prefetches of opcode 0F 0D they print the digit's own name.
    if (/^(HINTNOP|PREFETCH(W|WT1)?$)/.test(ours.definition.mnemonic)) continue;
    const same = narrowExtracts(leaWithSegment(withoutMarks(text))) === withoutImplied(theirs);
    if (!same) different.add(`${ours.definition.mnemonic}: ${text} | ${theirs}`);
  }
  format.free();
  i.free();
  expect([...different]).toEqual([]);
});

test.for(MODES)('in %s-bit mode what is printed assembles again', { timeout: 60_000 }, (mode) => {
  const all = samples(mode);
  const problems: string[] = [];
  const again = all.map(({ text }) => {
    try {
      return assemble(text, { mode, origin: ADDRESS[mode] }).bytes;
    } catch (error) {
      problems.push(`${text}: ${(error as Error).message}`);
      return new Uint8Array(1);
    }
  });
  const buffers = [all.map(({ bytes }) => bytes), again].map((list) => {
    const buffer = new Uint8Array(list.length * STRIDE);
    for (const [n, bytes] of list.entries()) buffer.set(bytes, n * STRIDE);
    return buffer;
  });
  const [before, after] = buffers.map((buffer) => new Oracle(buffer, mode));
  // Length and encoding may differ: the assembler takes the shortest.
  const meaning = (line: string | undefined): string | undefined => line?.replace(/^\d+ /, '').replace(/ [^:]*?:/, ':').replace(/^sal:/, 'shl:');
  for (const [n, { text, bytes }] of all.entries()) {
    const [a, b] = [before!, after!].map((oracle) => meaning(oracle.at(n * STRIDE)));
    const [was, is] = [bytes, again[n]!].map((list) => Buffer.from(list).toString('hex'));
    if (a !== b) problems.push(`${text}: ${was} became ${is}: ${a}, ${b}`);
    else if (again[n]!.length > bytes.length) problems.push(`${text}: became longer`);
    else {
      const second = decode((at) => again[n]![at]!, mode);
      const retold = assemble(print(second, ADDRESS[mode]), { mode, origin: ADDRESS[mode] }).bytes;
      if (Buffer.compare(retold, again[n]!)) problems.push(`${text}: not the same bytes the second time`);
    }
  }
  expect(problems).toEqual([]);
});
