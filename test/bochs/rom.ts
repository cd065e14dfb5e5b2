/** From a case's text to a ROM of 64 KiB, and the names of its points. */

import { assemble } from 'hidden-state';
import type { BochsCase } from './case.ts';

/** Where the text runs, and the ROM's size; where the code that copies the text lies, and the reset vector. */
export const TEXT = 0x1000, ROM_BYTES = 0x1_0000;
const START = 0xfe00, RESET_VECTOR = 0xfff0;

export interface Rom {
  readonly bytes: Uint8Array;
  readonly symbols: Readonly<Record<string, bigint>>;
  /** Names of the points by the linear address behind them. */
  readonly points: ReadonlyMap<bigint, string>;
}

/** Bochs' port for those who are done: the word makes it panic, and the panic ends it. */
const FINISH_PORT = 0x8900, FINISH_WORD = 'Shutdown';
const FINISH = [
  `mov dx, ${FINISH_PORT}`,
  ...Array.from(FINISH_WORD, (letter) => `mov al, '${letter}'\n out dx, al`),
  'cli',
  'hlt',
].join('\n');

/** `point` and `finish` written out. */
function expand(text: string, names: string[]): string {
  return text.split('\n').map((line) => {
    const [, word, rest = ''] = /^\s*(point|finish)\b\s*([^;]*)/.exec(line) ?? [];
    if (word === 'point') return `xchg bx, bx\npoint_${names.push(rest.trim()) - 1}:`;
    return word === 'finish' ? FINISH : line;
  }).join('\n');
}

const startCode = (bytes: number): string => `
        cli
        cld
        xor    ax, ax
        mov    es, ax
        mov    ss, ax
        mov    sp, ${TEXT}
        mov    si, cs
        mov    ds, si
        xor    si, si
        mov    di, ${TEXT}
        mov    cx, ${Math.ceil(bytes / 4)}
        rep movsd
        mov    ds, ax
        xor    di, di
        xor    si, si
        xor    edx, edx
        jmp    0:${TEXT}
`;

export function buildRom({ name, text }: BochsCase): Rom {
  const names: string[] = [];
  const at = (source: string, origin: number) => assemble(source, { mode: 16, origin: BigInt(origin) });
  const { bytes: image, symbols } = at(expand(text, names), TEXT);
  if (image.length > START) throw new RangeError(`case ${name} has ${image.length} bytes; the ROM has room for ${START}`);
  const bytes = new Uint8Array(ROM_BYTES);
  bytes.set(image, 0);
  bytes.set(at(startCode(image.length), START).bytes, START);
  bytes.set(at(`jmp 0xf000:${START}`, RESET_VECTOR).bytes, RESET_VECTOR);
  return { bytes, symbols, points: new Map(names.map((point, n) => [symbols[`point_${n}`]!, point])) };
}
