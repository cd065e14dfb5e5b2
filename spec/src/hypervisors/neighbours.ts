/** Other vCPUs, which run between two turns of the guest: what they leave in the registers is what may leak. */

import { assemble } from '../asm/assemble.ts';
import type { Mode } from '../isa/instruction.ts';
import { kernelState } from '../machine/initial.ts';
import type { Machine } from '../machine/machine.ts';
import { CS, DS } from '../state/fields.ts';
import { FLAT, type State, flatSegment } from '../state/state.ts';
import type { Coverage } from './policy.ts';

/** Another vCPU's program. */
export interface Neighbour {
  /** Linear address of its code; different neighbours leave different pointers. */
  readonly origin: bigint;
  readonly source: string;
  /** Default: 64. */
  readonly mode?: Mode;
  /** Its CS and DS, which FCS and FDS may carry over to the next guest. */
  readonly selectors: { readonly code: number; readonly data: number };
}

export type Neighbours = readonly [Neighbour, Neighbour];

/** Two neighbours that differ in everything an x87 unit remembers: a value that follows the neighbour is a leak. */
export const NEIGHBOURS: Neighbours = [
  {
    origin: 0x7f11_2233_4000n, selectors: { code: 0x33, data: 0x3b },
    source: 'fninit\n fld qword ptr [secret]\n movups xmm0, [secret]\n secret: dq 3.25, 1.5',
  },
  {
    origin: 0x7f55_6677_8000n, selectors: { code: 0x43, data: 0x4b },
    source: 'fninit\n fild dword ptr [secret]\n fld1\n movups xmm0, [secret]\n secret: dd 7, 11, 13, 17',
  },
];

/** Loads every data segment register from a table of its own. */
const loadsSegments = (origin: bigint, descriptor: string): Neighbour => ({
  origin, mode: 32, selectors: { code: 0x08, data: 0x10 },
  source: `
        lgdt   [gdtr]
        mov    eax, 0x1b
        mov    es, ax
        mov    fs, ax
        mov    gs, ax
        mov    ds, ax
gdt:    dq     0, 0x00cf9b000000ffff, 0x00cf93000000ffff, ${descriptor}
gdtr:   dw     31
        dd     gdt`,
});

/** Two neighbours whose data segments differ in base and limit: 333000h with 3FFFh, 555000h with 4 GiB. */
export const SEGMENT_NEIGHBOURS: Neighbours = [
  loadsSegments(0xbf00_0000n, '0x0040f33330003fff'), loadsSegments(0xbf10_0000n, '0x00cff3555000ffff'),
];

export const neighboursFor = (coverage: Coverage): Neighbours =>
  coverage === 'extended state' ? NEIGHBOURS : SEGMENT_NEIGHBOURS;

/** A neighbour's bytes, and where its instructions end. */
export function neighbourCode(neighbour: Neighbour): { bytes: Uint8Array; end: bigint } {
  const known = neighbourCodes.get(neighbour);
  if (known) return known;
  const { source, mode = 64 } = neighbour;
  const { bytes, listing, origin } = assemble(source, { mode, origin: neighbour.origin });
  const instructions = listing.filter((line) => line.kind === 'instruction');
  const end = instructions.reduce((_, line) => line.address + BigInt(line.length), origin);
  const code = { bytes, end };
  neighbourCodes.set(neighbour, code);
  return code;
}
const neighbourCodes = new WeakMap<Neighbour, { bytes: Uint8Array; end: bigint }>();

/** A program of another guest, with selectors of its own. */
export function neighbourState(machine: Machine, { origin, selectors, mode = 64 }: Neighbour): State {
  const state = kernelState(machine.cpu, mode);
  state.setSegment(CS, flatSegment(selectors.code, mode === 64 ? FLAT.code64 : FLAT.code32));
  state.setSegment(DS, flatSegment(selectors.data, mode === 64 ? FLAT.data3 : FLAT.data));
  state.rip = origin;
  return state;
}

/** Whether a linear address belongs to some neighbour. */
export const neighboursOwn = (linear: bigint): boolean =>
  [...NEIGHBOURS, ...SEGMENT_NEIGHBOURS].some(({ origin }) => linear >= origin && linear < origin + 0x1000n);
