/** Which encoding an assembled line gets: the shortest that fits; what is ambiguous or impossible is an error that says so. */

import { s, u } from '../numbers/bits.ts';
import { accepts, encode, operandSizes } from '../isa/encode.ts';
import { sizeOf } from '../isa/decode.ts';
import type { Form } from '../isa/form.ts';
import type { Mode } from '../isa/instruction.ts';
import type { Operand } from '../isa/operand.ts';
import { formsNamed } from '../isa/table.ts';
import type { Parsed } from './operands.ts';
import { TokenError } from './tokens.ts';

export interface Line {
  readonly mnemonic: string;
  readonly operands: readonly Parsed[];
  readonly lock: boolean;
  readonly repeat: 0 | 0xf2 | 0xf3;
  readonly column: number;
}

interface Candidate { bytes: Uint8Array; form: Form; size: number }

/** Bytes of the line at `address`. `atLeast` keeps a growing layout from oscillating: no shorter encoding is chosen. */
export function select(line: Line, mode: Mode, address: bigint, atLeast: number): Uint8Array {
  const forms = formsNamed(line.mnemonic);
  if (line.repeat && !forms.some((form) => form.definition.repeat)) throw new TokenError(`${line.mnemonic} cannot be repeated`, line.column);
  if (line.lock && !(forms.some((form) => form.definition.lock) && line.operands[0]?.operand.kind === 'memory')) {
    throw new TokenError(`lock needs a memory destination and an instruction that allows it, ${line.mnemonic} here does not`, line.column);
  }
  const candidates: Candidate[] = [], reasons: string[] = [];
  for (const form of forms) {
    if (form.only === (mode === 64 ? 'legacy' : '64') || form.operands.length !== line.operands.length) continue;
    for (const size of operandSizes(form, mode)) {
      const bytes = attempt(form, line, mode, size, address);
      if (typeof bytes === 'string') reasons.push(bytes);
      else if (bytes) candidates.push({ bytes, form, size });
    }
  }
  if (candidates.length === 0) throw new TokenError(explain(line, forms, mode, reasons), line.operands[0]?.column ?? line.column);
  requireUnambiguous(line, candidates);
  const preferred = candidates.filter(({ size, form }) => size === candidates.find((c) => c.form === form)!.size);
  const long = preferred.filter(({ bytes }) => bytes.length >= atLeast);
  return (long.length ? long : preferred).reduce((best, candidate) => (candidate.bytes.length < best.bytes.length ? candidate : best)).bytes;
}

/** The encoding by `form` at `size`, undefined when operands do not match, or why they cannot be encoded. */
function attempt(form: Form, line: Line, mode: Mode, size: number, address: bigint): Uint8Array | string | undefined {
  let operands = line.operands.map((parsed, n) => asRelative(form, n, parsed));
  if (!operands.every((operand, n) => operand.kind === 'relative' || accepts(form.operands[n]!, operand, size, mode))) return undefined;
  const build = (): Uint8Array | string => encode({ form, mode, size, operands, lock: line.lock, repeat: line.repeat });
  const first = build();
  if (typeof first === 'string') return first;
  const next = address + BigInt(first.length);
  let far: string | undefined;
  operands = operands.map((operand, n) => {
    const target = line.operands[n]!.address;
    if (target === undefined) return operand;
    const displacement = u(64, target - next);
    if (operand.kind === 'memory' && operand.ripRelative) {
      if (s(32, displacement) !== s(64, displacement)) far = `0x${target.toString(16)} is too far from here for a RIP-relative operand`;
      return { ...operand, displacement };
    }
    if (operand.kind === 'relative') {
      const bits = sizeOf(form.operands[n]!.size, size);
      const wrapped = mode === 64 ? s(64, displacement) : s(32, displacement);
      if (s(bits, wrapped) !== wrapped) far = `the target 0x${target.toString(16)} is out of reach`;
      return { ...operand, displacement: u(64, wrapped) };
    }
    return operand;
  });
  return far ?? build();
}

/** The operand with a displacement of 0 in place of one that depends on the instruction's length. */
function asRelative(form: Form, n: number, { operand, address }: Parsed): Operand {
  if (form.operands[n]!.place === 'relative' && operand.kind === 'immediate') return { kind: 'relative', displacement: 0n, size: 0 };
  if (operand.kind === 'memory' && operand.ripRelative && address !== undefined) return { ...operand, displacement: 0n };
  return operand;
}

/** A memory operand without a size must have only one that the other operands leave possible. */
function requireUnambiguous(line: Line, candidates: Candidate[]): void {
  line.operands.forEach((parsed, n) => {
    if (parsed.operand.kind !== 'memory' || parsed.operand.size !== 0) return;
    const sizes = new Set(candidates.filter(({ form, size }) => !form.size64 || size === 64).map(({ form, size }) => sizeOf(form.operands[n]!.size, size)));
    sizes.delete(0);
    if (sizes.size > 1) {
      const names = [...sizes].sort((a, b) => a - b).map((bits) => ({ 8: 'byte', 16: 'word', 32: 'dword', 64: 'qword', 80: 'tbyte', 128: 'xmmword' })[bits]);
      throw new TokenError(`the size of the memory operand is not given: write ${names.map((name) => `${name} ptr`).join(' or ')}`, parsed.column);
    }
  });
}

function explain(line: Line, forms: readonly Form[], mode: Mode, reasons: string[]): string {
  if (reasons.length) return reasons[0]!;
  const possible = forms.filter((form) => form.only !== (mode === 64 ? 'legacy' : '64'));
  if (possible.length === 0) return `${line.mnemonic} does not exist in ${mode}-bit code`;
  const shapes = [...new Set(possible.map((form) => form.operands.map((operand) => operand.text).join(', ') || 'no operand'))];
  const given = line.operands.map(({ operand }) => (operand.kind === 'immediate' && operand.value > 0xffff_ffffn ? 'a 64-bit number' : operand.kind)).join(', ') || 'none';
  return `${line.mnemonic} does not take these operands (${given}); it takes ${shapes.join('; ')}`;
}
