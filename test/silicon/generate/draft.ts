/** What is known about an instance while it is being made. */

import type { Form } from '../../../spec/src/isa/form.ts';
import { toBytes } from '../../../spec/src/numbers/bits.ts';
import type { Random } from '../../integer/random.ts';
import { CPU_NUMBER_ENTRY, GDT, LOCAL, PLACES, type Place, SELECTOR, codePage, local } from '../environment.ts';
import type { Piece } from '../records.ts';

export type Mode = 16 | 32 | 64;
export const RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7;
export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5;

export const DATA_BYTES = 0x1000;
/** Where operands and the stack usually are in the data. */
export const OPERANDS_AT = 0x400, STACK_AT = 0xa00;

export interface Draft {
  readonly form: Form;
  readonly mode: Mode;
  readonly random: Random;
  readonly place: Place;
  readonly size: number;
  readonly addressSize: 16 | 32 | 64;
  /** Selectors of ES, CS, SS, DS, FS and GS, and what they say of base and limit. */
  readonly segments: readonly number[];
  readonly bases: readonly [fs: bigint, gs: bigint] | undefined;
  readonly special: Map<number, bigint>;
  readonly pieces: Piece[];
  /** What the XSAVE area that it starts from is of (see extended.ts), and what else differs there. */
  readonly kind: number | undefined;
  readonly extended: Piece[];
  /** A lockable memory operand gets its LOCK. */
  readonly wantsLock: boolean;
  rex: number;
  /** A segment override prefix, or -1. */
  override: number;
  /** Memory operand or not, once decided; its linear address, or the number of the register. */
  memory: boolean;
  linear: bigint;
  rm: number;
  reg: number;
  /** Code that follows the instruction, to look at what it left. */
  after: number[];
}

interface Extent { readonly base: bigint; readonly limit: number; readonly big: boolean; readonly expandDown: boolean }
const FLAT: Extent = { base: 0n, limit: 0xffff_ffff, big: true, expandDown: false };

/** Base and limit of what a selector names. */
export function extentOf(selector: number): Extent {
  const segment = selector & 4 ? LOCAL[selector >> 3] : undefined;
  if (!segment) return FLAT;
  const limit = segment.pages ? segment.limit * 0x1000 + 0xfff : segment.limit;
  return { base: segment.base, limit, big: segment.big ?? false, expandDown: segment.kind === 'expand-down' };
}

export const baseOf = ({ segments, bases, mode }: Draft, segment: number): bigint =>
  segment >= FS && bases ? bases[segment - FS]! : mode === 64 && segment < FS ? 0n : extentOf(segments[segment]!).base;

export const stackWidth = ({ mode, segments }: Pick<Draft, 'mode' | 'segments'>): 16 | 32 | 64 =>
  mode === 64 ? 64 : extentOf(segments[SS]!).big ? 32 : 16;

/** The offset in `segment` of a linear address, at `width` bits. */
export const offsetIn = (draft: Draft, segment: number, linear: bigint, width: number): bigint =>
  BigInt.asUintN(width, linear - baseOf(draft, segment));

export const dataAddress = ({ place }: Draft, offset: number): bigint => PLACES[place].data + BigInt(offset);

/** Puts `bytes` into the data at a linear address, if that is where it is. */
export function putAt({ place, pieces }: Draft, linear: bigint, bytes: Uint8Array): void {
  const offset = Number(linear - PLACES[place].data);
  if (offset >= 0 && offset + bytes.length <= DATA_BYTES) pieces.push({ offset, bytes });
}

/** The linear address of the stack's top, as RSP has it by now. */
export function stackTop(draft: Draft): bigint {
  const width = stackWidth(draft);
  return BigInt.asUintN(draft.mode === 64 ? 64 : 32, baseOf(draft, SS) + BigInt.asUintN(width, draft.special.get(RSP)!));
}

/** A place in the code page before the instruction, not in it: what it would execute there is another one. */
const codeLinear = ({ random, place }: Draft): bigint => codePage(place) + BigInt(0x100 + random.below(0x600));

/** The same as an offset of the current code segment. */
export const codeAddress = (draft: Draft): bigint => offsetIn(draft, CS, codeLinear(draft), draft.mode === 64 ? 64 : 32);

const GLOBAL = GDT.map((_, index) => index << 3).filter((selector) => selector !== CPU_NUMBER_ENTRY);

/** A selector as software may try one: mostly of a segment that is there. */
export function anySelector({ random }: Draft): number {
  const rpl = random.chance(0.8) ? 3 : random.below(4);
  const kind = random.below(20);
  if (kind < 12) return (local(random.below(LOCAL.length)) & ~3) | rpl;
  if (kind < 15) return (random.pick([SELECTOR.code32, SELECTOR.data, SELECTOR.code64]) & ~3) | rpl;
  if (kind < 17) return random.pick(GLOBAL) | rpl;
  if (kind < 18) return random.below(4);
  if (kind < 19) return (local(LOCAL.length + random.below(3)) & ~3) | rpl;
  const selector = random.below(0x10000);
  return (selector & ~7) === CPU_NUMBER_ENTRY ? 0 : selector;
}

/** A selector for a far transfer, mostly of code, with the offset there of a place in the code page. */
export function farTarget(draft: Draft): { selector: number; offset: bigint } {
  const { random } = draft;
  const codes = [SELECTOR.code32, SELECTOR.code64, ...[1, 2, 3, 4, 5, 6].map(local)];
  const chosen = random.chance(0.75) ? random.pick(codes) : anySelector(draft);
  // A CALL to 64-bit code pushes on all of RSP, of which the kernel keeps no more than ESP for a 16-bit stack.
  const astray = draft.form.definition.mnemonic === 'CALL' && stackWidth(draft) === 16 && (chosen & ~7) === (SELECTOR.code64 & ~7);
  const selector = astray ? SELECTOR.code32 : chosen;
  // Only 64-bit code reaches the high code page.
  const linear = selector === SELECTOR.code64 || random.chance(0.05) ? codeLinear(draft) : codeLinear({ ...draft, place: 'low' });
  return { selector, offset: BigInt.asUintN(64, linear - extentOf(selector).base) };
}

export const bytesOf = (value: bigint, length: number): Uint8Array => toBytes(BigInt.asUintN(8 * length, value), length);
