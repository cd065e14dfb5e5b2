/** The segment registers that an instance starts with. */

import type { Random } from '../../integer/random.ts';
import { PLACES, SELECTOR, local, localSelectors } from '../environment.ts';
import type { Mode } from './draft.ts';

const DATA = localSelectors(({ kind, absent }) => (kind === 'data' || kind === 'expand-down') && !absent);
const READABLE_CODE = localSelectors(({ kind, absent, restricted }) => kind === 'code' && !absent && !restricted);
const STACKS = localSelectors(({ kind, absent, restricted }) => (kind === 'data' || kind === 'expand-down') && !absent && !restricted);
const [CODE_16, CODE_16_X, CODE_32, CODE_32_X, CODE_16_SHORT, CODE_32_SHORT] = [1, 2, 3, 4, 5, 6].map(local) as [number, number, number, number, number, number];
const STACK_16 = local(18), STACK_32 = local(19), DATA_16 = local(9), DATA_ALL = local(10);

/** Selectors of ES, CS, SS, DS, FS and GS. */
export function chooseSegments(mode: Mode, random: Random): number[] {
  if (mode === 64) return [0, SELECTOR.code64, SELECTOR.data, 0, 0, 0];
  // In 16-bit code only a segment with a base reaches the data.
  const usual = mode === 16 ? () => random.pick([DATA_16, DATA_ALL, STACK_16]) : () => SELECTOR.data;
  const data = (): number => (random.chance(0.6) ? usual() : random.chance(0.8) ? random.pick(DATA) : random.pick([0, SELECTOR.data, ...READABLE_CODE]));
  const code = mode === 16
    ? (random.chance(0.85) ? CODE_16 : random.chance(0.5) ? CODE_16_X : CODE_16_SHORT)
    : (random.chance(0.6) ? SELECTOR.code32 : random.chance(0.9) ? random.pick([CODE_32, CODE_32_X]) : CODE_32_SHORT);
  const stack = random.chance(0.5) ? (mode === 16 ? STACK_16 : SELECTOR.data) : random.pick([...STACKS, STACK_16, STACK_32]);
  return [data(), code, stack, data(), random.chance(0.5) ? 0 : data(), random.chance(0.5) ? 0 : data()];
}

/** FS and GS base in 64-bit code, now and then: small, negative, or near the data. */
export function chooseBases(mode: Mode, random: Random, place: keyof typeof PLACES): readonly [bigint, bigint] | undefined {
  if (mode !== 64 || random.chance(0.7)) return undefined;
  const base = (): bigint => random.pick([0n, BigInt(random.below(0x1_0000)), BigInt.asUintN(64, -BigInt(random.below(0x1_0000))), PLACES[place].data + BigInt(random.below(0x800))]);
  return [base(), base()];
}
