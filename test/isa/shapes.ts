/**
 * Operands to try an encoding with: all registers, all ModRM and SIB shapes, the edges of displacements and
 * immediates.
 */

import { s, u } from '../../spec/src/numbers/bits.ts';
import { immediateBytes, sizeOf } from '../../spec/src/isa/decode.ts';
import { operandSizes, type Encoding } from '../../spec/src/isa/encode.ts';
import type { Form, OperandForm } from '../../spec/src/isa/form.ts';
import type { Mode } from '../../spec/src/isa/instruction.ts';
import type { MemoryOperand, Operand, RegisterOperand } from '../../spec/src/isa/operand.ts';
import { CS, DS, ES, FS, GS, SS } from '../../spec/src/state/fields.ts';

/** Encodings that get every memory shape; the others get the short list. */
const THOROUGH = new Set([
  '8B /r | rv, r/mv', '88 /r | r/m8, r8', '8D /r | rv, m', 'D9 /0 | m32fp', '80 /0 ib | r/m8, imm8',
  '81 /0 iz | r/mv, immz',
  'C7 /0 iz | r/mv, immz', 'NP 0F 28 /r | xmm, xmm/m128', 'NP 0F AE /4 | m', 'FF /2 | r/mv | f64', '86 /r | r/m8, r8',
]);

type Scale = MemoryOperand['scale'];
type AddressSize = MemoryOperand['addressSize'];
interface Address {
  readonly base: number;
  readonly index: number;
  readonly scale?: Scale;
  readonly displacement: bigint;
  readonly ripRelative?: boolean;
  readonly segment?: number;
}

const DISPLACEMENTS = [0n, 1n, 0x7fn, -0x80n, 0x80n, -0x81n];
const EDGES: Readonly<Record<AddressSize, readonly bigint[]>> = {
  16: [0x7fffn, -0x8000n], 32: [0x7fff_ffffn, -0x8000_0000n], 64: [0x7fff_ffffn, -0x8000_0000n],
};

function addresses(mode: Mode, addressSize: AddressSize, thorough: boolean): Address[] {
  const displacements = [...DISPLACEMENTS, ...EDGES[addressSize]];
  const alone = thorough ? displacements : EDGES[addressSize];
  const found: Address[] = alone.map((displacement) => ({ base: -1, index: -1, displacement }));
  if (addressSize === 16) {
    const pairs = [[3, 6], [3, 7], [5, 6], [5, 7], [6, -1], [7, -1], [5, -1], [3, -1]] as const;
    for (const [n, [base, index]] of pairs.entries()) {
      const some = thorough ? displacements : [displacements[n % displacements.length]!];
      found.push(...some.map((displacement) => ({ base, index, displacement })));
    }
    return found;
  }
  const registers = Array.from({ length: mode === 64 ? 16 : 8 }, (_, n) => n);
  const bases = thorough ? registers : registers.filter((n) => [3, 4, 5, 12, 13].includes(n));
  for (const [n, base] of bases.entries()) {
    const some = thorough ? displacements : [displacements[n]!];
    found.push(...some.map((displacement) => ({ base, index: -1, displacement })));
  }
  const scales: Scale[] = [1, 2, 4, 8];
  for (const index of registers.filter((n) => n !== 4 && (thorough || [1, 5, 12, 15].includes(n)))) {
    for (const base of thorough ? [-1, 0, 4, 5, 12, 13].filter((n) => n < registers.length) : [index % 8, -1]) {
      const [first, ...others] = scales.map((scale, n): Address =>
        ({ base, index, scale, displacement: displacements[n * 2]! }));
      found.push(first!, ...(thorough ? others : []));
    }
  }
  if (mode === 64) {
    const some = thorough ? displacements : [0x10n];
    found.push(...some.map((displacement) => ({ base: -1, index: -1, displacement, ripRelative: true })));
  }
  const segments = mode === 64 ? [FS, GS] : [ES, CS, SS, DS, FS, GS];
  return [...found, ...segments.map((segment) => ({ base: 3, index: -1, displacement: 0n, segment }))];
}

function memoryOperands(mode: Mode, size: number, thorough: boolean): MemoryOperand[] {
  const addressSizes: AddressSize[] = mode === 64 ? [64, 32] : [32, 16];
  return addressSizes.flatMap((addressSize) => addresses(mode, addressSize, thorough).map((address): MemoryOperand => ({
    kind: 'memory', segment: address.segment ?? (address.base === 4 || address.base === 5 ? SS : DS),
    segmentOverridden: address.segment !== undefined, base: address.base, index: address.index,
      scale: address.scale ?? 1,
    displacement: u(addressSize, address.displacement), ripRelative: address.ripRelative ?? false, addressSize, size,
      direct: false,
  })));
}

/** Memory at several addresses: every index, with and without a base. */
function vectorAddresses(mode: Mode, size: number, vectorIndex: 'xmm' | 'ymm'): MemoryOperand[] {
  const addressSizes: AddressSize[] = mode === 64 ? [64, 32] : [32];
  const scales: Scale[] = [1, 2, 4, 8];
  const count = mode === 64 ? 16 : 8;
  return addressSizes.flatMap((addressSize) => Array.from({ length: count }, (_, n): MemoryOperand => {
    // Out of step with the other operands: three different registers are asked for.
    const index = (n + 3) % count;
    const base = index % 3 === 0 ? -1 : (index * 5) % count;
    return {
      kind: 'memory', segment: base === 4 || base === 5 ? SS : DS, segmentOverridden: false, base, index, vectorIndex,
      scale: scales[index % 4]!, displacement: u(addressSize, DISPLACEMENTS[index % DISPLACEMENTS.length]!),
      ripRelative: false, addressSize, size, direct: false,
    };
  }));
}

function registerOperands(form: OperandForm, mode: Mode, bits: number): RegisterOperand[] {
  const size = form.registerSize || bits;
  const make = (index: number, high = false): RegisterOperand =>
    ({ kind: 'register', file: form.file as RegisterOperand['file'], index, size, high });
  const range = (length: number): number[] => Array.from({ length }, (_, n) => n);
  switch (form.file) {
    case 'segment': return [ES, SS, DS, FS, GS].map((index) => make(index));
    case 'control': return [0, 2, 3, 4, ...(mode === 64 ? [8] : [])].map((index) =>
      ({ ...make(index), size: mode === 64 ? 64 : 32 }));
    case 'debug': return range(8).map((index) => ({ ...make(index), size: mode === 64 ? 64 : 32 }));
    case 'x87': return range(8).map((index) => make(index));
    case 'mm': return range(8).map((index) => make(index));
    case 'xmm': case 'ymm': return range(mode === 64 ? 16 : 8).map((index) => make(index));
    default: {
      const plain = range(mode === 64 ? 16 : size === 8 ? 4 : 8).map((index) => make(index));
      return size === 8 ? [...plain, ...range(4).map((index) => make(index, true))] : plain;
    }
  }
}

const VALUES = [
  0n, 1n, 0x7fn, 0x80n, 0xffn, 0x100n, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 1n << 63n, -1n,
];

/** The values that an operand of `form` can have at operand size `size`. */
function operandsOf(form: Form, operand: OperandForm, mode: Mode, size: number): Operand[] {
  const bits = sizeOf(operand.size, size);
  const thorough = THOROUGH.has(form.text);
  switch (operand.place) {
    case 'implicit':
      if (operand.file === 'none') return [{ kind: 'immediate', value: BigInt(operand.value), size: bits }];
      return [{ kind: 'register', file: operand.file, index: operand.value, size: bits, high: false }];
    case 'immediate': {
      const field = 8 * immediateBytes(form.immediate, size, mode), width = operand.signed ? size : bits;
      const values = VALUES.map((value) => u(width, operand.signed ? s(field, value) : u(field, value)));
      return [...new Set(values)].map((value) => ({ kind: 'immediate', value, size: width }));
    }
    case 'relative':
      return [...new Set(VALUES.map((value) => u(64, s(bits, value))))].map((displacement) =>
        ({ kind: 'relative', displacement, size: bits }));
    case 'far':
      return VALUES.flatMap((value) => [0, 8, 0xffff].map((selector) =>
        ({ kind: 'far', selector, offset: u(bits, value), size: bits })));
    case 'offset': {
      const addressSizes: AddressSize[] = mode === 64 ? [64, 32] : [32, 16];
      const direct = (addressSize: AddressSize, displacement: bigint, segment: number): MemoryOperand => ({
        kind: 'memory', segment, segmentOverridden: segment === FS, base: -1, index: -1, scale: 1,
        displacement: u(addressSize, displacement), ripRelative: false, addressSize, size: bits, direct: true,
      });
      return addressSizes.flatMap((addressSize) => [0n, 0x1234n, -1n].flatMap((displacement) =>
        [DS, FS].map((segment) => direct(addressSize, displacement, segment))));
    }
    default:
      return [
        ...(operand.register ? registerOperands(operand, mode, bits) : []),
        ...(operand.vectorIndex ? vectorAddresses(mode, bits, operand.vectorIndex)
          : operand.memory ? memoryOperands(mode, bits, thorough) : []),
      ];
  }
}

/** Everything to encode with `form` in `mode`: each operand in turn through all its values, the others going along. */
export function* encodingsOf(form: Form, mode: Mode): Generator<Encoding> {
  if (form.only === (mode === 64 ? 'legacy' : '64')) return;
  for (const size of operandSizes(form, mode)) {
    const values = form.operands.map((operand) => operandsOf(form, operand, mode, size));
    const rounds = Math.max(1, ...values.map((list) => list.length));
    for (let round = 0; round < rounds; round++) {
      const operands = values.map((list, n) => {
        const step = n === 0 || list.length < rounds ? 1 : 7;
        // Registers beside each other differ.
        return list[(round * step + n) % list.length]!;
      });
      yield { form, mode, size, operands };
      if (form.definition.lock && operands[0]?.kind === 'memory') yield { form, mode, size, operands, lock: true };
    }
    if (!form.definition.repeat) continue;
    for (const repeat of [0xf3, 0xf2] as const) yield { form, mode, size, operands: [], repeat };
  }
}
