import { expect, test } from 'vitest';
import { hex } from '../../spec/src/numbers/bits.ts';
import { decode } from '../../spec/src/isa/decode.ts';
import { type Encoding, encode } from '../../spec/src/isa/encode.ts';
import type { Operand } from '../../spec/src/isa/operand.ts';
import { FORMS } from './forms.ts';
import { MODES, Oracle, agree, ourLine } from './iced.ts';
import { STRIDE } from './random.ts';
import { encodingsOf } from './shapes.ts';

const show = (operands: readonly Operand[]): string =>
  JSON.stringify(operands, (_, value: unknown) => (typeof value === 'bigint' ? hex(value) : value));

/** What cannot be said: high byte registers beside a REX prefix, XCHG rAX, rAX as the byte that is NOP, gathers of one register. */
const IMPOSSIBLE = /^ah, ch, dh and bh cannot be used|^this encoding with register 0 is another|^destination, index and mask of a gather/;

test.for(MODES)('every encoding in %s-bit mode means elsewhere what it means here', { timeout: 60_000 }, (mode) => {
  const disagreements: string[] = [];
  const encoded: { encoding: Encoding; bytes: Uint8Array }[] = [];
  const forms = FORMS.filter((form) => form.only !== (mode === 64 ? 'legacy' : '64') && (mode === 64 || !form.rexW));
  for (const encoding of forms.flatMap((form) => [...encodingsOf(form, mode)])) {
    const bytes = encode(encoding);
    if (typeof bytes !== 'string') encoded.push({ encoding, bytes });
    else if (!IMPOSSIBLE.test(bytes)) disagreements.push(`${encoding.form.text} ${show(encoding.operands)}: ${bytes}`);
  }
  expect(new Set(encoded.map(({ encoding }) => encoding.form))).toEqual(new Set(forms));

  const all = new Uint8Array(encoded.length * STRIDE);
  for (const [n, { bytes }] of encoded.entries()) all.set(bytes, n * STRIDE);
  const oracle = new Oracle(all, mode);
  for (const [n, { encoding: { form, operands }, bytes }] of encoded.entries()) {
    const theirs = oracle.at(n * STRIDE);
    const back = decode((offset) => all[n * STRIDE + offset]!, mode);
    const ours = ourLine(back, oracle.instruction.code);
    if (back.form !== form || show(back.operands) !== show(operands) || theirs === undefined || !agree(ours, theirs)) {
      const hexBytes = Buffer.from(bytes).toString('hex');
      disagreements.push(`${form.text} ${show(operands)} as ${hexBytes}: ours ${ours}, theirs ${theirs}`);
    }
  }
  oracle.free();
  expect(disagreements).toEqual([]);
  expect(encoded.length).toBeGreaterThan(10_000);
});
