/**
 * How long an encoding is that is no instruction: processors that find an instruction's end before they look for its
 * meaning fetch all of it, which may fault, before it is #UD.
 */

import type { Form, ImmediateSize, OpcodeMap } from './form.ts';
import { formsOf } from './table.ts';

/** What follows the opcode. */
export interface Tail {
  readonly modrm: boolean;
  /** ModRM may have a SIB byte and a displacement behind it. */
  readonly memory: boolean;
  readonly immediate: ImmediateSize;
  /** The form that the immediate's size is that of. */
  readonly form?: Form | undefined;
}

/** Opcodes behind 0F that are no instruction's and have no ModRM byte: FEMMS and 3DNow! among them, and GETSEC. */
const BARE: ReadonlySet<number> = new Set([0x04, 0x0a, 0x0c, 0x0e, 0x0f, 0x24, 0x25, 0x26, 0x27, 0x36, 0x37]);

/** 0F 38 to 0F 3F: what follows is an opcode. Bit 1 gives it an immediate byte, as 0F 3A has one. */
export const isEscape = (map: OpcodeMap, opcode: number): boolean => map === '0F' && (opcode & 0xf8) === 0x38;
export const escapedMap = (opcode: number): OpcodeMap => (opcode & 2 ? '0F3A' : '0F38');

/**
 * The lengths go by the opcode alone, whatever prefixes and ModRM make of it, and VEX has those of the maps without it.
 * `has` says which instructions the processor has: those that it lacks leave no trace of their immediates. Measured on
 * a Sapphire Rapids class Xeon: every hole of the four maps and of VEX, in 64 and in 32-bit code, at the end of a page.
 */
export function tailOf(map: OpcodeMap, opcode: number, has: (form: Form) => boolean): Tail {
  const form = formsOf(map, opcode).find(has);
  if (map === '0F38' || map === '0F3A') return { modrm: true, memory: true, immediate: map === '0F3A' ? 1 : 0 };
  if (!form) {
    const modrm = map === '0F' && !BARE.has(opcode) && !isEscape(map, opcode);
    return { modrm, memory: modrm, immediate: 0 };
  }
  const modrm = form.modrm !== undefined || form.modrmByte !== undefined;
  return { modrm, memory: modrm && !form.modIgnored, immediate: form.immediate, form };
}
