/** Looks up what an encoding is that is not in the table of instructions. */

import { once } from '../numbers/once.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import { type Beyond, BEYOND } from './beyond.table.ts';
import type { MandatoryPrefix, OpcodeMap } from './form.ts';
import type { Mode } from './instruction.ts';

interface Entry extends Pick<Beyond, 'what' | 'only64' | 'vendor'> {
  /** Empty: any. */
  readonly prefixes: readonly string[];
  readonly modrm: readonly string[];
}

const entries = once(() => {
  const found = new Map<string, Entry[]>();
  for (const { encodings, ...rest } of BEYOND) {
    for (const line of encodings) {
      const [opcodes = '', prefixes = '', modrm = ''] = line.split('|').map((part) => part.trim());
      const words = opcodes.split(' ');
      const vex = words[0] === 'VEX' ? `${words.shift()} ` : '';
      const map = vex + (words[0]!.startsWith('0F') ? words.shift()! : 'primary');
      for (const word of words) {
        const [first = 0, last = first] = word.split('-').map((byte) => Number.parseInt(byte, 16));
        for (let opcode = first; opcode <= last; opcode++) {
          const key = `${map} ${opcode}`;
          found.set(
            key, [...(found.get(key) ?? []), { ...rest, prefixes: wordsOf(prefixes), modrm: wordsOf(modrm) }],
          );
        }
      }
    }
  }
  return found;
});

function wordsOf(text: string): string[] {
  return text.split(' ').filter(Boolean);
}

function isOf(pattern: string, modrm: number): boolean {
  const [form, digit] = pattern.split('/');
  if (digit === undefined && form!.length === 2) return Number.parseInt(form!, 16) === modrm;
  if (digit !== undefined && Number(digit) !== ((modrm >> 3) & 7)) return false;
  return form === '' || (form === 'm') === (modrm < 0xc0);
}

export interface Asked {
  readonly map: OpcodeMap;
  readonly opcode: number;
  readonly prefix: MandatoryPrefix;
  readonly mode: Mode;
  readonly vex: boolean;
  /** Whose processor is asked about; undefined: any. */
  readonly vendor: CpuProfile['vendor'] | undefined;
}

/** Names the instruction that such an encoding is, or undefined for a hole. `modrm` is read only where it decides. */
export function beyond(
  { map, opcode, prefix, mode, vex, vendor }: Asked, modrm: () => number,
): string | undefined {
  const found = entries().get(`${vex ? 'VEX ' : ''}${map} ${opcode}`)?.find((entry) => (!entry.only64 || mode === 64)
    && (!entry.vendor || !vendor || entry.vendor === vendor)
    && (entry.prefixes.length === 0 || entry.prefixes.includes(prefix))
    && (entry.modrm.length === 0 || entry.modrm.some((pattern) => isOf(pattern, modrm()))));
  return found?.what;
}
