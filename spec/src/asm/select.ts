/** Which encoding a line gets: the shortest that fits; what is ambiguous or impossible is an error that says so. */

import { hex, s, u } from '../numbers/bits.ts';
import { accepts, asksFor, encode, operandSizes } from '../isa/encode.ts';
import { sizeOf } from '../isa/decode.ts';
import type { Form, OperandForm } from '../isa/form.ts';
import type { Mode } from '../isa/instruction.ts';
import type { MemoryOperand, Operand } from '../isa/operand.ts';
import { SIZE_NAMES } from '../isa/print.ts';
import { formsNamed } from '../isa/table.ts';
import type { Parsed } from './operands.ts';
import type { Prefixes } from './prefixes.ts';
import { TokenError } from './tokens.ts';

export interface Line {
  readonly mnemonic: string;
  readonly operands: readonly Parsed[];
  readonly prefixes: Prefixes;
  readonly column: number;
}

interface Candidate {
  readonly bytes: Uint8Array;
  readonly form: Form;
  readonly size: number;
}

/** Bytes of the line at `address`. `atLeast` keeps a growing layout from oscillating: no shorter encoding is chosen. */
export function select(line: Line, mode: Mode, address: bigint, atLeast: number): Uint8Array {
  const forms = formsNamed(line.mnemonic);
  checkPrefixes(line, forms);
  checkVectorIndex(line, forms);
  const candidates: Candidate[] = [];
  const reasons: string[] = [];
  for (const form of forms.filter((form) => exists(form, mode))) {
    const operands = withStackTop(form, line.operands);
    if (!asksForThese(form, operands)) continue;
    for (const size of possibleSizes(form, mode, line)) {
      for (const wide of atLeast > 0 && line.operands.some(isMemory) ? [false, true] : [false]) {
        const bytes = attempt(form, { ...line, operands }, mode, size, address, wide);
        if (typeof bytes === 'string') reasons.push(bytes);
        else if (bytes) candidates.push({ bytes, form, size });
      }
    }
  }
  if (candidates.length === 0) {
    throw new TokenError(explain(line, forms, mode, reasons), line.operands[0]?.column ?? line.column);
  }
  requireUnambiguous(line, candidates, mode);
  // An operand size that nothing asked for is the default one.
  const preferred = candidates.filter(({ size, form }) => size === candidates.find((c) => c.form === form)!.size);
  const long = preferred.filter(({ bytes }) => bytes.length >= atLeast);
  return (long.length ? long : preferred).reduce((a, b) => (b.bytes.length < a.bytes.length ? b : a)).bytes;
}

/** As many operands, of the same kinds. */
const asksForThese = (form: Form, operands: readonly Parsed[]): boolean =>
  form.operands.length === operands.length
    && form.operands.every((wanted, n) => asksFor(wanted, withoutDisplacement(wanted, operands[n]!)));

/** Where neither a prefix nor an operand says the size (JMP, PUSH 5, RET) it is the default one. */
function possibleSizes(form: Form, mode: Mode, { prefixes, operands }: Line): readonly number[] {
  const sizes = operandSizes(form, mode);
  if (prefixes.operandSize !== undefined) return sizes.filter((size) => size === prefixes.operandSize);
  const said = form.operands.some(({ size, place }) =>
    typeof size === 'string' && !/immediate|relative|far/.test(place) && !form.farWord);
  const written = operands.some(({ operand, far }) =>
    (operand.kind === 'immediate' || operand.kind === 'far' || (operand.kind === 'memory' && far)) && operand.size > 0);
  return said || written ? sizes : sizes.slice(0, 1);
}

/**
 * FXCH ST(i), FCOM, FADDP: what goes without saying, the top of the stack and the register below it, may be left out.
 */
function withStackTop(form: Form, operands: readonly Parsed[]): readonly Parsed[] {
  if (!form.stackRegister || form.operands.length !== 2 || operands.length > 1) return operands;
  const [given] = operands;
  if (given ? given.operand.kind !== 'register' : !/P$|^FXCH$|^FU?COM$/.test(form.definition.mnemonic)) return operands;
  const stack = (index: number): Parsed =>
    ({ operand: { kind: 'register', file: 'x87', index, size: 80, high: false }, address: undefined, column: 0 });
  return form.operands.map((operand) => (operand.place === 'implicit' ? stack(0) : given ?? stack(1)));
}

const isMemory = ({ operand }: Parsed): boolean => operand.kind === 'memory';

const exists = (form: Form, mode: Mode): boolean => form.only !== (mode === 64 ? 'legacy' : '64');

function checkPrefixes({ prefixes, mnemonic, operands, column }: Line, forms: readonly Form[]): void {
  if (prefixes.repeat && !forms.some((form) => form.definition.repeat)) {
    throw new TokenError(`${mnemonic} cannot be repeated: rep goes with string instructions`, column);
  }
  const lockable = forms.some((form) => form.definition.lock) && operands[0]?.operand.kind === 'memory';
  if (prefixes.lock && !lockable) {
    throw new TokenError(`${mnemonic} cannot be locked here: lock goes with add, xchg and the like on memory`, column);
  }
  const implicitMemory = forms.some((form) => form.addressSized);
  if (prefixes.segment !== undefined && !implicitMemory) {
    throw new TokenError(`a segment goes before the brackets, as in fs:[4], not before ${mnemonic}`, column);
  }
  if (prefixes.addressSize !== undefined && !implicitMemory && !operands.some(isMemory)) {
    throw new TokenError(`${mnemonic} uses no address here: leave out addr${prefixes.addressSize}`, column);
  }
}

/** An XMM or YMM register in an address belongs to the gathers. */
function checkVectorIndex({ mnemonic, operands }: Line, forms: readonly Form[]): void {
  const vector = operands.find(({ operand }) => operand.kind === 'memory' && operand.vectorIndex);
  if (!vector || forms.some((form) => form.operands.some(({ vectorIndex }) => vectorIndex))) return;
  throw new TokenError(
    `${mnemonic} has one address: only 16, 32 and 64-bit general-purpose registers make it`, vector.column,
  );
}

/** The encoding by `form` at `size`, undefined when operands do not match, or why they cannot be encoded. */
function attempt(
  form: Form, line: Line, mode: Mode, size: number, address: bigint, wide: boolean,
): Uint8Array | string | undefined {
  const { lock, repeat, addressSize, segment } = line.prefixes;
  const build = (operands: readonly Operand[]): Uint8Array | string =>
    encode({ form, mode, size, operands, lock, repeat, addressSize, segment, wideDisplacement: wide });
  if (line.operands.some(({ operand, far = false }) => operand.kind === 'memory' && far !== form.farWord)) {
    return undefined;
  }
  const guess = line.operands.map((parsed, n) => withoutDisplacement(form.operands[n]!, parsed));
  if (!guess.every((operand, n) => matches(form.operands[n]!, operand, line.operands[n]!, size))) return undefined;
  const first = build(guess);
  if (typeof first === 'string') return first;
  const next = address + BigInt(first.length);
  const operands: Operand[] = [];
  for (const [n, operand] of guess.entries()) {
    const target = line.operands[n]!.address;
    const placed = target === undefined ? operand : aim(operand, form.operands[n]!, target, next, size, mode);
    if (typeof placed === 'string') return placed;
    operands.push(placed);
  }
  return build(operands);
}

/** The operand with a displacement of 0 in place of one that depends on the instruction's length. */
function withoutDisplacement(form: OperandForm, { operand, address }: Parsed): Operand {
  if (form.place === 'relative' && operand.kind === 'immediate') return { kind: 'relative', displacement: 0n, size: 0 };
  const relative = operand.kind === 'memory' && operand.ripRelative && address !== undefined;
  return relative ? { ...operand, displacement: 0n } : operand;
}

function matches(form: OperandForm, operand: Operand, { operand: written }: Parsed, size: number): boolean {
  if (written.kind === 'immediate' && written.size !== 0 && !hasSize(form, written.size, size)) return false;
  return operand.kind === 'relative' || accepts(form, operand, size);
}

/** `word 5` is an immediate of 16 bits, or one that is extended to 16 bits. */
const hasSize = (form: OperandForm, wanted: number, size: number): boolean =>
  wanted === sizeOf(form.size, size) || ((form.signed || form.place === 'relative') && wanted === size);

/** The operand with the displacement that leads from `next` to `target`. */
function aim(
  operand: Operand, form: OperandForm, target: bigint, next: bigint, size: number, mode: Mode,
): Operand | string {
  if (operand.kind === 'memory' && operand.ripRelative) return aimMemory(operand, target, next);
  if (operand.kind !== 'relative') return operand;
  // The instruction pointer has 64 bits in 64-bit mode, otherwise those of the operand size.
  const width = mode === 64 ? 64 : size;
  if (target < 0n ? target < -(1n << BigInt(width - 1)) : target >= 1n << BigInt(width)) {
    return `the target ${hex(target)} is not an address of ${width} bits`;
  }
  const displacement = s(width, target - next);
  const bits = sizeOf(form.size, size);
  if (s(bits, displacement) !== displacement) {
    return `the target ${hex(target)} is out of reach: ${bits} bits hold the distance of a jump here`;
  }
  return { ...operand, displacement: u(64, displacement) };
}

function aimMemory(operand: MemoryOperand, target: bigint, next: bigint): Operand | string {
  const displacement = s(operand.addressSize, target - next);
  if (s(32, displacement) !== displacement) {
    return `${hex(target)} is too far from here for a RIP-relative operand: load the address into a register first`;
  }
  return { ...operand, displacement: u(operand.addressSize, displacement) };
}

/** A memory operand without a size must have only one that the other operands leave possible. */
function requireUnambiguous(line: Line, candidates: readonly Candidate[], mode: Mode): void {
  for (const [n, { operand, column }] of line.operands.entries()) {
    if (operand.kind !== 'memory' || operand.size !== 0) continue;
    // PUSH, CALL and the like have a usual size.
    const usual = candidates.filter(({ form, size }) => !form.size64 || size === operandSizes(form, mode)[0]);
    const sizes = new Set(usual.map(({ form, size }) => sizeOf(form.operands[n]!.size, size)));
    sizes.delete(0);
    if (sizes.size < 2) continue;
    const names = [...sizes].sort((a, b) => a - b).map((bits) => `${SIZE_NAMES[bits]} ptr`);
    throw new TokenError(`the size of the memory operand is not given: write ${names.join(' or ')} before it`, column);
  }
}

function explain(line: Line, forms: readonly Form[], mode: Mode, reasons: readonly string[]): string {
  // The longest encoding's reason is the one that does not go away.
  const reason = reasons.findLast((text) => !/another instruction/.test(text));
  if (reason !== undefined) return reason;
  const possible = forms.filter((form) => exists(form, mode));
  if (possible.length === 0) return `${line.mnemonic} does not exist in ${mode}-bit code`;
  const shapes = new Set(possible.map(({ operands }) => operands.map(({ text }) => text).join(', ') || 'no operand'));
  const given = line.operands.map(({ operand }) => name(operand)).join(', ') || 'none';
  const sized = line.prefixes.operandSize === undefined ? '' : ` with data${line.prefixes.operandSize}`;
  return `${line.mnemonic} does not take these operands${sized} (${given}); it takes ${[...shapes].join('; ')}`;
}

function name(operand: Operand): string {
  switch (operand.kind) {
    case 'register': return operand.file === 'gpr' ? `a ${operand.size}-bit register` : `a register of ${operand.file}`;
    case 'memory': return operand.size ? `${SIZE_NAMES[operand.size]} ptr memory` : 'memory';
    case 'far': return `the far pointer ${hex(operand.selector)}:${hex(operand.offset)}`;
    default: return `the number ${hex(operand.kind === 'immediate' ? operand.value : operand.displacement)}`;
  }
}
