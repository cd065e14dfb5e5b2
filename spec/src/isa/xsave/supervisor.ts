/**
 * The supervisor state components as XSAVES and XRSTORS see them: what is saved, restored and initialised, and the
 * rules that PT, UINTR and LBR state have of their own. SDM vol. 1, 13.5.6 and 13.5.8 to 13.5.13, 13.6, 13.11 and 13.12
 * of an edition later than 2016, as transcribed in a public repository.
 */

import { fromBytes, toBytes } from '../../numbers/bits.ts';
import { SUPERVISOR_SIZES } from '../../cpus/features.table.ts';
import { bitOf } from '../../cpus/xsave-layout.ts';
import { LBR_ENTRIES, OFFSET } from '../../state/fields.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { requireBits } from '../system/msr.ts';
import type { Component } from './components.ts';
import {
  ENTRY_BYTES, type SupervisorRegister, clearRecords, isTracing, readRegister, recordDepth, requireModelled,
  requireSupported, resolve, setRegister, stopTracing,
} from './supervisor-registers.ts';
import { DEPTH_BITS, NOTIFICATION_VECTOR, SUPERVISOR_TABLE, type SupervisorRow } from './supervisor.table.ts';

interface SupervisorComponent extends Component {
  /** Faults of XRSTORS that depend on the processor alone. */
  readonly ready?: (x: Execution, restores: boolean) => void;
  /** Faults of what would be loaded. */
  readonly check: (x: Execution, image: Uint8Array) => void;
  /** What XSAVES does after it has saved the component. */
  readonly saved?: (state: State) => void;
}

const wordOf = (image: Uint8Array, n: number): bigint => fromBytes(image, 8 * n, 8);

/** A component whose registers are all saved and restored as they are. */
function plain({ number, name }: SupervisorRow, own: readonly SupervisorRegister[]): SupervisorComponent {
  const bit = bitOf(number), bytes = SUPERVISOR_SIZES[number]!;
  return {
    number, name, bit,
    store({ state }) {
      const image = new Uint8Array(bytes);
      own.forEach((register, n) => image.set(toBytes(readRegister(state, register), 8), 8 * n));
      return [{ offset: 0, bytes: image }];
    },
    check(x, image) {
      own.forEach((register, n) => requireSupported(x, register, wordOf(image, n)));
      if (image.subarray(8 * own.length, bytes).some((byte) => byte !== 0)) {
        x.fault('#GP', `bytes ${bytes - 1}:${8 * own.length} of ${name} state are reserved, and not 0`, 0);
      }
      own.forEach((register, n) => requireModelled(x, register, wordOf(image, n)));
    },
    load: ({ state }, image) => own.forEach((register, n) => setRegister(state, register, wordOf(image, n))),
    initialise: ({ state }) => own.forEach(({ offset, rules: { initial = 0n } }) => state.setQuad(offset, initial)),
    // Nobody sees XINUSE of a component that IA32_XSS does not enable.
    differs: ({ state }) => (state.quad(OFFSET.xss) & bit) !== 0n
      && own.some(({ offset, rules: { initial = 0n } }) => state.quad(offset) !== initial),
  };
}

/** XSAVES stops tracing, and XRSTORS needs it stopped. SDM vol. 1, 13.5.6. */
const tracing = (pt: SupervisorComponent): SupervisorComponent => ({
  ...pt,
  ready(x) {
    if (isTracing(x.state)) x.fault('#GP', 'XRSTORS of PT state while IA32_RTIT_CTL.TraceEn is 1', 0);
  },
  saved: stopTracing,
});

/** UIF is bit 63 of the third quadword, which is reserved in the MSR. */
const MISC = 2, UIF = 7;
/** The image without UIF, and whether it was set. */
function withoutFlag(image: Uint8Array): [Uint8Array, boolean] {
  const rest = image.slice(0, SUPERVISOR_SIZES[14]!), last = 8 * MISC + 7;
  const flag = ((rest[last]! >> UIF) & 1) === 1;
  rest[last] = rest[last]! & 0x7f;
  return [rest, flag];
}

/**
 * XSAVES clears UINV, so that no notification is taken for a thread that is gone, and XRSTORS loads only where it is 0.
 * The manual says so of restoring, and is silent about initialising. SDM vol. 1, 13.5.11.
 */
function userInterrupts(uintr: SupervisorComponent, misc: SupervisorRegister): SupervisorComponent {
  return {
    ...uintr,
    store(x, wide) {
      const { bytes } = uintr.store(x, wide)[0]!;
      bytes[8 * MISC + 7] = bytes[8 * MISC + 7]! | (x.state.byte(OFFSET.uif) << UIF);
      return [{ offset: 0, bytes }];
    },
    ready(x, restores) {
      if (restores && x.state.quad(misc.offset) & NOTIFICATION_VECTOR) {
        x.fault('#GP', 'XRSTORS of UINTR state while UINV (IA32_UINTR_MISC[39:32]) is not 0', 0);
      }
    },
    check: (x, image) => uintr.check(x, withoutFlag(image)[0]),
    load(x, image, wide) {
      const [rest, flag] = withoutFlag(image);
      uintr.load(x, rest, wide);
      x.state.setByte(OFFSET.uif, flag ? 1 : 0);
    },
    initialise(x) {
      uintr.initialise(x);
      x.state.setByte(OFFSET.uif, 0);
    },
    differs: (x) => uintr.differs(x)
      || ((x.state.quad(OFFSET.xss) & uintr.bit) !== 0n && x.state.byte(OFFSET.uif) !== 0),
    saved: (state) => state.setQuad(misc.offset, state.quad(misc.offset) & ~NOTIFICATION_VECTOR),
  };
}

/** IA32_LBR_DEPTH is the second register; five come before the entries. */
const DEPTH = 1, BEFORE_ENTRIES = 5;
const sameDepth = (state: State, image: Uint8Array): boolean => wordOf(image, DEPTH) === recordDepth(state);

/**
 * Entries beyond IA32_LBR_DEPTH are neither saved nor restored, and XRSTORS never changes the depth: an image of
 * another depth brings the control registers, and the entries become 0. SDM vol. 1, 13.5.12.
 */
function records(lbr: SupervisorComponent, registers: readonly SupervisorRegister[]): SupervisorComponent {
  const control = registers.filter((_, n) => n < BEFORE_ENTRIES && n !== DEPTH);
  const others = registers.filter((_, n) => n !== DEPTH);
  const restored = (state: State, image: Uint8Array): SupervisorRegister[] =>
    registers.filter((_, n) => n !== DEPTH
      && (n < BEFORE_ENTRIES || (sameDepth(state, image) && n < BEFORE_ENTRIES + 3 * Number(recordDepth(state)))));
  const at = (register: SupervisorRegister): number => registers.indexOf(register);
  return {
    ...lbr,
    store(x, wide) {
      const { bytes } = lbr.store(x, wide)[0]!;
      const entries = Math.min(Number(recordDepth(x.state)), LBR_ENTRIES);
      return [{ offset: 0, bytes: bytes.subarray(0, 8 * BEFORE_ENTRIES + ENTRY_BYTES * entries) }];
    },
    check(x, image) {
      requireBits(x, 'IA32_LBR_DEPTH in memory', wordOf(image, DEPTH), DEPTH_BITS);
      const loaded = restored(x.state, image);
      for (const register of loaded) requireSupported(x, register, wordOf(image, at(register)));
      for (const register of loaded) requireModelled(x, register, wordOf(image, at(register)));
    },
    load({ state }, image) {
      const loaded = restored(state, image);
      if (!sameDepth(state, image)) clearRecords(state);
      for (const register of loaded) setRegister(state, register, wordOf(image, at(register)));
    },
    initialise({ state }) {
      for (const { offset } of control) state.setQuad(offset, 0n);
      clearRecords(state);
    },
    differs: ({ state }) => (state.quad(OFFSET.xss) & lbr.bit) !== 0n
      && others.some(({ offset }) => state.quad(offset) !== 0n),
  };
}

function componentOf(row: SupervisorRow): SupervisorComponent {
  const registers = row.registers.map(resolve), component = plain(row, registers);
  switch (row.name) {
    case 'PT': return tracing(component);
    case 'UINTR': return userInterrupts(component, registers[MISC]!);
    case 'LBR': return records(component, registers);
    default: return component;
  }
}

const COMPONENTS: readonly SupervisorComponent[] = SUPERVISOR_TABLE.map(componentOf);
/** For the list of all: components.ts. */
export const SUPERVISOR_COMPONENTS: readonly Component[] = COMPONENTS;

/** Most saves and restores ask for none of them. */
const ALL = COMPONENTS.reduce((mask, { bit }) => mask | bit, 0n);

type ImageOf = (component: number) => Uint8Array;

/**
 * The rules of XRSTORS for the components of `rfbm`, all before anything is loaded. The manual lets an element have its
 * old value, the new one or the initial one where the instruction then faults: here it has the old one.
 */
export function checkSupervisor(x: Execution, rfbm: bigint, xstateBv: bigint, imageOf: ImageOf): void {
  for (const { number, bit, ready, check } of rfbm & ALL ? COMPONENTS : []) {
    if (rfbm & bit) ready?.(x, (xstateBv & bit) !== 0n);
    if (rfbm & xstateBv & bit) check(x, imageOf(number));
  }
}

/** What XSAVES does to components that it has saved. */
export function afterSaving(x: Execution, stored: bigint): void {
  for (const { bit, saved } of stored & ALL ? COMPONENTS : []) if (stored & bit) saved?.(x.state);
}

/**
 * Components whose save does more than to save, PT and UINTR: XSAVES does not pass over them where they were not
 * modified. Inferred: who saves the state of a thread counts on TraceEn and UINV being cleared.
 */
export const ALWAYS_SAVED = COMPONENTS.reduce((mask, { bit, saved }) => (saved ? mask | bit : mask), 0n);

/** LBR state of another depth leaves XINUSE[15] as it is. SDM vol. 1, 13.5.12 and 13.12. */
export function keepsInUse({ state }: Execution, loaded: bigint, imageOf: ImageOf): bigint {
  const lbr = bitOf(15);
  return loaded & lbr && !sameDepth(state, imageOf(15)) ? lbr : 0n;
}
