/** Words before the mnemonic. */

import { SEGMENT_REGISTERS } from '../isa/operand.ts';
import type { Cursor } from './expression.ts';
import type { AddressSize } from './operands.ts';
import { TokenError } from './tokens.ts';

export interface Prefixes {
  readonly lock: boolean;
  readonly repeat: 0 | 0xf2 | 0xf3;
  /** `data16`: the operand size where no operand shows it. */
  readonly operandSize: number | undefined;
  /** `addr32`: the address size where no register shows it. */
  readonly addressSize: AddressSize | undefined;
  /** A segment override of a string instruction. */
  readonly segment: number | undefined;
}

type Setting = Partial<{ -readonly [K in keyof Prefixes]: Prefixes[K] }>;

const SIZES = [16, 32, 64] as const;

const WORDS: ReadonlyMap<string, Setting> = new Map<string, Setting>([
  ['lock', { lock: true }],
  ...['rep', 'repe', 'repz'].map((word) => [word, { repeat: 0xf3 }] as const),
  ...['repne', 'repnz'].map((word) => [word, { repeat: 0xf2 }] as const),
  ...SIZES.flatMap((size) => ['data', 'o'].map((word) => [`${word}${size}`, { operandSize: size }] as const)),
  ...SIZES.flatMap((size) => ['addr', 'a'].map((word) => [`${word}${size}`, { addressSize: size }] as const)),
  ...SEGMENT_REGISTERS.map((name, segment) => [name, { segment }] as const),
]);

export const isPrefix = (word: string): boolean => WORDS.has(word.toLowerCase());

/** Takes the prefixes at the cursor, each kind at most once. */
export function takePrefixes(cursor: Cursor, mode: number): Prefixes {
  const taken: Setting = {};
  for (let word = cursor.word(); word !== undefined && WORDS.has(word); word = cursor.word()) {
    const setting = WORDS.get(word)!;
    const [kind] = Object.keys(setting) as (keyof Setting)[];
    if (kind! in taken) throw new TokenError(`${word} is one prefix of its kind too many: leave it out`, cursor.column);
    if (setting.addressSize !== undefined && (mode === 64 ? setting.addressSize === 16 : setting.addressSize === 64)) {
      throw new TokenError(`${setting.addressSize}-bit addresses do not exist in ${mode}-bit code`, cursor.column);
    }
    Object.assign(taken, setting);
    cursor.position++;
  }
  return { lock: false, repeat: 0, operandSize: undefined, addressSize: undefined, segment: undefined, ...taken };
}
