/**
 * The boundary between two instructions, in the order of SDM vol. 3A, 6.9, table 6-2: INIT, traps of the instruction
 * before, NMI, external interrupts, instruction breakpoints; faults of fetching, decoding and executing come after
 * them.
 */

import { u } from '../numbers/bits.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import { metByInstruction } from '../isa/debug/breakpoints.ts';
import { ARMED, DR6, armed, raiseDebug } from '../isa/debug/status.ts';
import type { Execution } from '../isa/execution.ts';
import { requireNoVirtualInterrupt } from '../isa/events/virtual-8086.ts';
import { AC, IF, RF, STATUS, TF, VIP } from '../isa/flags.ts';
import { DEBUGCTL } from '../isa/system/control-bits.ts';
import { driveFerr } from '../isa/x87/unit.ts';
import { CS, OFFSET } from '../state/fields.ts';
import { HLT, SHUTDOWN, type State, WAIT_FOR_SIPI } from '../state/state.ts';
import { deliverEvent } from './events.ts';
import { init, reset, startup } from './initial.ts';
import { INIT, type Interrupts, RESET } from './interrupts.ts';

const NMI_VECTOR = 2;

/** Constants: this is read before every instruction. */
const { rflags: RFLAGS, dr7: CONTROL, movSsShadow: SHADOWS_AND_SIGNALS, pendingDebug: PENDING } = OFFSET;

/**
 * Not 0 where the next instruction needs more than to be executed: TF, RF, VIP, AC, an enabled breakpoint, a shadow, a
 * signal, a pending trap.
 */
export const attention = (state: State): number =>
  (state.doubleword(RFLAGS) & (TF | RF | VIP | AC)) | (state.doubleword(CONTROL) & ARMED)
  | state.doubleword(SHADOWS_AND_SIGNALS) | state.doubleword(PENDING);

const shadowed = (state: State): boolean => state.byte(OFFSET.movSsShadow) !== 0 || state.byte(OFFSET.stiShadow) !== 0;
const takesNmi = (state: State): boolean =>
  state.byte(OFFSET.nmiPending) !== 0 && state.byte(OFFSET.nmiBlocking) === 0 && !shadowed(state);
const takesInterrupt = (state: State, interrupts: Interrupts): boolean =>
  (state.rflags & IF) !== 0 && !shadowed(state) && interrupts.requested;

/** Whether a signal that is there by now ends the activity state that the processor is in. */
export function wakes(state: State, interrupts: Interrupts): boolean {
  switch (state.activity) {
    case HLT:
      return state.byte(OFFSET.initPending) !== 0 || state.doubleword(OFFSET.pendingDebug) !== 0 || takesNmi(state)
        || takesInterrupt(state, interrupts);
    case SHUTDOWN: return state.byte(OFFSET.initPending) !== 0 || takesNmi(state);
    default: return state.byte(OFFSET.initPending) !== 0;
  }
}

/** INIT and RESET, which no instruction survives, and the start-up IPI after them. Answers whether there was one. */
export function takeInit(x: Execution, cpu: CpuProfile): boolean {
  const { state } = x;
  const pending = state.byte(OFFSET.initPending), vector = state.word(OFFSET.sipiPending);
  if (pending === 0) return false;
  state.setByte(OFFSET.initPending, 0);
  state.setWord(OFFSET.sipiPending, 0);
  if (pending & RESET) reset(state, cpu, x.time);
  else if (pending & INIT) init(state, cpu);
  x.paging.invalidate({ kind: 'all' });
  driveFerr(x);
  if (vector !== 0 && state.activity === WAIT_FOR_SIPI) startup(state, vector & 0xff);
  return true;
}

/**
 * Up to the instruction itself. Throws #DB for a trap that was left pending and for an instruction breakpoint, or what
 * delivering an interrupt raises.
 */
export function beforeInstruction(x: Execution, interrupts: Interrupts): void {
  const { state } = x;
  // Left by SYSRET, by a shadow that an event ended, or by a snapshot; else the instruction has reported them itself.
  reportTraps(x);
  if (takesNmi(state)) {
    state.setByte(OFFSET.nmiPending, 0);
    flagIteration(x);
    deliverEvent(x, { kind: 'external', vector: NMI_VECTOR, errorCode: undefined, returnTo: state.rip });
    state.setByte(OFFSET.nmiBlocking, 1);
    x.finish();
  } else if (takesInterrupt(state, interrupts)) {
    flagIteration(x);
    deliverEvent(
      x, { kind: 'external', vector: interrupts.controller!.acknowledge(), errorCode: undefined, returnTo: state.rip },
    );
    x.finish();
  }
  // What pushing the frame met.
  reportTraps(x);
  const held = (state.rflags & RF) !== 0 || state.byte(OFFSET.movSsShadow) !== 0 || state.byte(OFFSET.repeating) !== 0;
  if (armed(state) && !held) {
    const linear = x.mode === 64 ? state.rip : u(32, state.rip + state.base(CS));
    const met = metByInstruction(state, linear);
    if (met) raiseDebug(x, met, 'instruction breakpoint', 'an instruction breakpoint');
  }
  requireNoVirtualInterrupt(x);
}

/** The shadow in which an instruction begins, and whether it is the next iteration of a string instruction. */
export interface Shadow { readonly movSs: number; readonly sti: number; readonly repeating: number }

/** Takes it away, so that what the instruction leaves itself can be told from it. */
export function lifted(state: State): Shadow {
  const shadow = {
    movSs: state.byte(OFFSET.movSsShadow), sti: state.byte(OFFSET.stiShadow), repeating: state.byte(OFFSET.repeating),
  };
  castAgain(state, NO_SHADOW);
  return shadow;
}

const NO_SHADOW: Shadow = { movSs: 0, sti: 0, repeating: 0 };

export function castAgain(state: State, { movSs, sti, repeating }: Shadow): void {
  state.setByte(OFFSET.repeating, repeating);
  state.setByte(OFFSET.movSsShadow, movSs);
  state.setByte(OFFSET.stiShadow, sti);
}

/** After an instruction that has completed and that began in `shadow`. */
export function afterInstruction(x: Execution, shadow: Shadow): void {
  const { state, cpu } = x;
  // IA32_DEBUGCTL.BTF: only instructions that branch are trapped. SDM vol. 3B, 17.4.3.
  const stepped = x.singleStep && (x.branched || !(state.quad(OFFSET.debugctl) & DEBUGCTL.BTF));
  if (stepped) state.setQuad(OFFSET.pendingDebug, state.quad(OFFSET.pendingDebug) | DR6.BS);
  // In a row of loads of SS only the first need shield the next instruction; STI casts nothing in another's shadow.
  // SDM vol. 3A, 6.8.3.
  if (shadow.movSs !== 0 && cpu.debugTraps.stackLoads === 'the first shields') state.setByte(OFFSET.movSsShadow, 0);
  if (shadow.movSs !== 0 || shadow.sti !== 0) state.setByte(OFFSET.stiShadow, 0);
  reportTraps(x);
}

/**
 * An event between two iterations of a string instruction saves RF = 1, on Intel's processors. SDM vol. 3B, 17.3.1.1.
 */
function flagIteration({ state, cpu }: Execution): void {
  if (state.byte(OFFSET.repeating) !== 0 && cpu.debugTraps.betweenIterations === 'RF = 1') state.rflags |= RF;
}

/** Raises what is pending, unless a load of SS holds it back. */
function reportTraps(x: Execution): void {
  const pending = x.state.quad(OFFSET.pendingDebug);
  // The handler returns to where RIP stands by now.
  x.next = x.state.rip;
  if (pending === 0n || x.state.byte(OFFSET.movSsShadow) !== 0) return;
  x.state.setQuad(OFFSET.pendingDebug, 0n);
  flagIteration(x);
  raiseDebug(
    x, pending, 'trap',
    pending & DR6.BS ? 'a single-step trap' : pending & DR6.BT ? 'a task-switch trap' : 'a data or I/O breakpoint',
  );
}

/** RFLAGS that a faulting instruction leaves: a repeated comparison may give back what it began with. */
export function flagsOfFault(x: Execution, rflags: number): number {
  const { state, cpu } = x;
  const restores = x.continues && x.repeatsComparison && cpu.accesses.faultInRepetition === 'restores flags';
  return restores ? (rflags & ~STATUS) | (state.doubleword(OFFSET.repeatedFlags) & STATUS) : rflags;
}
