/**
 * The state components that XSAVE manages: how each is stored, loaded, initialised, and when it is in use. SDM vol. 1,
 * 13.1, 13.5 and 13.6.
 */

import { fromBytes, toBytes, u } from '../../numbers/bits.ts';
import { bitOf } from '../../cpus/xsave-layout.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { partsOf } from '../save-area.ts';
import {
  type Piece, XMM, forgetXmmWrites, initialX87, loadX87, loadXmm, x87Pieces, xmmCount, xmmPiece,
} from './legacy-region.ts';
import type { AreaLayout } from './compaction.ts';
import { type RegisterFile, clear, holdsAnything, packed, partOfVectors, unpack } from './register-file.ts';
import { SUPERVISOR_COMPONENTS } from './supervisor.ts';
import { loadTileConfiguration } from './tile-configuration.ts';
import { SSE, trackedInUse } from './tracking.ts';

export interface Component {
  readonly number: number;
  /** Its bit in XCR0, XSTATE_BV and their like. */
  readonly bit: bigint;
  readonly name: string;
  /** The bytes that a save writes, by offset in the component; of components 0 and 1, in the legacy region. */
  readonly store: (x: Execution, wide: boolean) => Piece[];
  /** `image` begins where those offsets do. */
  readonly load: (x: Execution, image: Uint8Array, wide: boolean) => void;
  readonly initialise: (x: Execution) => void;
  /**
   * In use, for a profile that goes by value: what the present mode sees of it differs from its initial configuration,
   * or was written.
   */
  readonly differs: (x: Execution) => boolean;
}

function x87Differs({ state }: Execution): boolean {
  if (state.fcw !== 0x37f || state.fsw !== 0 || state.ftw !== 0 || state.x87Written) return true;
  for (let j = 0; j < 8; j++) if (state.x87(j) !== 0n) return true;
  return false;
}

function xmmDiffers(x: Execution): boolean {
  const count = xmmCount(x);
  return (x.state.xmmWritten & (count === 16 ? 0xffff : 0xff)) !== 0 || holdsAnything(x.state, XMM, count);
}

/** Registers that are side by side in the component; initially all zero. */
interface Registers {
  readonly number: number;
  readonly name: string;
  readonly file: RegisterFile;
  /** How many there are, and how many the mode of the processor lets a save and a restore see. */
  readonly count: number;
  readonly visible?: (x: Execution) => number;
}

function registers({ number, name, file, count, visible = () => count }: Registers): Component {
  return {
    number, name, bit: bitOf(number),
    store: (x) => [{ offset: 0, bytes: packed(x.state, file, visible(x)) }],
    load: (x, image) => unpack(x.state, file, visible(x), image),
    initialise: (x) => clear(x.state, file, visible(x)),
    differs: (x) => holdsAnything(x.state, file, visible(x)),
  };
}

/** ZMM16 to ZMM31 exist in 64-bit mode alone; elsewhere they are neither stored nor loaded. SDM vol. 1, 13.5.4. */
const highVectors = (x: Execution): number => (x.mode === 64 ? 16 : 0);

const X87: Component = {
  number: 0, name: 'x87', bit: 1n, store: x87Pieces,
  load: (x, image, wide) => loadX87(x, partsOf(image), wide),
  initialise: initialX87, differs: x87Differs,
};
const SSE_STATE: Component = {
  number: 1, name: 'SSE', bit: 2n,
  store: (x) => [xmmPiece(x)],
  load: (x, image) => loadXmm(x, partsOf(image)),
  initialise(x) {
    clear(x.state, XMM, xmmCount(x));
    forgetXmmWrites(x);
  },
  differs: xmmDiffers,
};

function setPkru(x: Execution, value: number): void {
  x.state.setDoubleword(OFFSET.pkru, value);
  x.paging.changed();
}
/** SDM vol. 1, 13.5.7: bits 63:32 are zero in memory, and not looked at. */
const PKRU: Component = {
  number: 9, name: 'PKRU', bit: bitOf(9),
  store: (x) => [{ offset: 0, bytes: toBytes(BigInt(x.state.doubleword(OFFSET.pkru)), 8) }],
  load: (x, image) => setPkru(x, Number(fromBytes(image, 0, 4))),
  initialise: (x) => setPkru(x, 0),
  differs: ({ state }) => state.doubleword(OFFSET.pkru) !== 0,
};

export const COMPONENTS: readonly Component[] = [
  X87, SSE_STATE,
  registers({ number: 2, name: 'AVX', file: partOfVectors(16, 16), count: 16, visible: xmmCount }),
  registers({ number: 5, name: 'opmask', file: { start: OFFSET.opmask, stride: 8, bytes: 8 }, count: 8 }),
  registers({ number: 6, name: 'ZMM_Hi256', file: partOfVectors(32, 32), count: 16, visible: xmmCount }),
  registers({ number: 7, name: 'Hi16_ZMM', file: partOfVectors(0, 64, 16), count: 16, visible: highVectors }),
  PKRU,
  ...SUPERVISOR_COMPONENTS,
  {
    ...registers({
      number: 17, name: 'TILECFG', file: { start: OFFSET.tileConfiguration, stride: 64, bytes: 64 }, count: 1,
    }),
    load: loadTileConfiguration,
  },
  registers({ number: 18, name: 'TILEDATA', file: { start: OFFSET.tiles, stride: 1024, bytes: 1024 }, count: 8 }),
];

/** Components that the engine has. */
export const MODELLED_COMPONENTS = COMPONENTS.reduce((mask, { bit }) => mask | bit, 0n);

/** What XCR0 has when a program starts: a kernel that wants more writes it. */
export const USUAL_COMPONENTS = 7n;

/**
 * XINUSE, with SSE state in use for MXCSR alone, too: as XGETBV, XSAVEC and XSAVES have it, and XSAVE and XSAVEOPT have
 * not.
 */
export const withMxcsr = (x: Execution): bigint => xinuse(x) | (x.state.mxcsr === 0x1f80 ? 0n : SSE);

/**
 * Which components are in use by their values, too, where the others are tracked: PKRU and supervisor components,
 * which have few registers, and of which a write of the initial value was not asked. Loading one has it in use.
 */
const BY_VALUE = { tracked: [PKRU, ...SUPERVISOR_COMPONENTS], 'by value': COMPONENTS } as const;
const TRACKED = { tracked: MODELLED_COMPONENTS, 'by value': 0n } as const;

/** Components that exist in this mode: outside of 64-bit mode Hi16_ZMM state is always initial. SDM vol. 1, 13.6. */
export const existing = (x: Execution): bigint =>
  (x.mode === 64 ? MODELLED_COMPONENTS : MODELLED_COMPONENTS & ~HI16_ZMM);
const HI16_ZMM = bitOf(7);

/** XINUSE as this processor reports it. */
export function xinuse(x: Execution): bigint {
  const { xinuse: kind } = x.cpu;
  return existing(x) & BY_VALUE[kind].reduce((mask: bigint, { bit, differs }: Component) =>
    (differs(x) ? mask | bit : mask), trackedInUse(x) & TRACKED[kind]);
}

/**
 * Components that IA32_XFD disables. A save takes them for initial, whatever they hold; a restore that would load one
 * is #NM. SDM vol. 1, 13.14.
 */
export const disabled = (x: Execution): bigint => u(64, x.state.quad(OFFSET.xfd) & x.state.xcr0);

/**
 * What an area has of the components of `mask`, by offset, as they are now; those that IA32_XFD disables as zeros,
 * their initial configuration.
 */
export function contentsOf(x: Execution, mask: bigint, wide: boolean, { start }: AreaLayout): Piece[] {
  const initial = disabled(x), contents: Piece[] = [];
  for (const { number, bit, store } of COMPONENTS) {
    if (!(mask & bit)) continue;
    const from: number = start(number);
    for (const { offset, bytes } of store(x, wide)) {
      const at: number = offset;
      contents.push({ offset: from + at, bytes: initial & bit ? new Uint8Array(bytes.length) : bytes });
    }
  }
  return contents;
}
