/**
 * The state components that XSAVE manages: how each is stored, loaded, initialised, and when it is in use. SDM vol. 1,
 * 13.1 and 13.6.
 */

import { fromBytes, toBytes, u } from '../../numbers/bits.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import {
  type Piece, forgetXmmWrites, initialX87, loadX87, loadXmm, x87Pieces, xmmCount, xmmPiece,
} from './legacy-region.ts';

export interface Component {
  readonly number: number;
  readonly name: string;
  /** Offset and size in the standard format; components 0 and 1 share the legacy region. */
  readonly offset: number;
  readonly size: number;
  readonly store: (x: Execution, wide: boolean) => Piece[];
  readonly load: (x: Execution, image: Uint8Array, wide: boolean) => void;
  readonly initialise: (x: Execution) => void;
  /** In use, for a profile that goes by value: it differs from its initial configuration, or was written. */
  readonly differs: (state: State) => boolean;
}

function x87Differs(state: State): boolean {
  if (state.fcw !== 0x37f || state.fsw !== 0 || state.ftw !== 0 || state.x87Written) return true;
  for (let j = 0; j < 8; j++) if (state.x87(j) !== 0n) return true;
  return false;
}

function xmmDiffers(state: State): boolean {
  if (state.xmmWritten !== 0) return true;
  for (let i = 0; i < 16; i++) if (state.xmm(i) !== 0n) return true;
  return false;
}

function ymmDiffers(state: State): boolean {
  for (let i = 0; i < 16; i++) if (state.ymmHigh(i) !== 0n) return true;
  return false;
}

export const COMPONENTS: readonly Component[] = [
  {
    number: 0, name: 'x87', offset: 0, size: 160,
    store: x87Pieces, load: loadX87, initialise: initialX87, differs: x87Differs,
  },
  {
    number: 1, name: 'SSE', offset: 160, size: 256,
    store: (x) => [xmmPiece(x)],
    load: loadXmm,
    initialise(x) {
      for (let i = 0; i < xmmCount(x); i++) x.state.setXmm(i, 0n);
      forgetXmmWrites(x);
    },
    differs: xmmDiffers,
  },
  {
    number: 2, name: 'AVX', offset: 576, size: 256,
    store(x) {
      const bytes = new Uint8Array(16 * xmmCount(x));
      for (let i = 0; i < xmmCount(x); i++) bytes.set(toBytes(x.state.ymmHigh(i), 16), 16 * i);
      return [{ offset: 576, bytes }];
    },
    load(x, image) {
      for (let i = 0; i < xmmCount(x); i++) x.state.setYmmHigh(i, fromBytes(image, 576 + 16 * i, 16));
    },
    initialise(x) {
      for (let i = 0; i < xmmCount(x); i++) x.state.setYmmHigh(i, 0n);
    },
    differs: ymmDiffers,
  },
];

/** Components that the engine has; XSETBV of a bit beyond them is `Unmodelled`. */
export const MODELLED_COMPONENTS = 7n;

/** The bit of SSE state in XCR0, XSTATE_BV and their like. */
export const SSE = 2n;

/**
 * XINUSE, with SSE state in use for MXCSR alone, too: as XGETBV, XSAVEC and XSAVES have it, and XSAVE and XSAVEOPT have
 * not.
 */
export const withMxcsr = (x: Execution): bigint => xinuse(x) | (x.state.mxcsr === 0x1f80 ? 0n : SSE);

/** XINUSE as this processor reports it. */
export function xinuse(x: Execution): bigint {
  if (x.cpu.xinuse === 'tracked') return x.state.xinuse & MODELLED_COMPONENTS;
  return COMPONENTS.reduce(
    (mask, component) => mask | (component.differs(x.state) ? u(64, 1n << BigInt(component.number)) : 0n), 0n,
  );
}
