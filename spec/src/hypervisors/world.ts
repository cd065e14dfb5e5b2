/**
 * A hypervisor around a machine: leaves the guest, lets another vCPU run, comes back.
 *
 * Everything but extended state is kept exactly, hidden parts of segment registers included, as VMX and SVM and a push
 * of the general-purpose registers do it. Extended state stays in the registers, and is the policy's affair.
 */

import { assemble } from '../asm/assemble.ts';
import { type Interpolation, sourceOf } from '../asm/template.ts';
import { kernelState } from '../machine/initial.ts';
import type { Machine } from '../machine/machine.ts';
import { CS, DS, EXTENDED_STATE, OFFSET, STATE_SIZE } from '../state/fields.ts';
import { FLAT, State, flatSegment } from '../state/state.ts';
import { Executed, HostCode } from './host-code.ts';
import { hostState } from './host-state.ts';
import type { Host, HostStep, Policy } from './policy.ts';
import { AREA_BYTES, SaveArea } from './save-area.ts';

/** Hypervisor memory: where Xen's direct map begins. What lies here is not the guest's. */
const HYPERVISOR_BASE = 0xffff_8300_0000_0000n;
const HYPERVISOR_BYTES = 0x100_0000n;
/** Where its code, its save areas and the top of its stack are. */
export const HOST_CODE = HYPERVISOR_BASE + 0x10_0000n;
export const AREAS = HYPERVISOR_BASE + 0x20_0000n;
export const HOST_STACK = HYPERVISOR_BASE + 0x30_0000n;

/** A moment of a world switch: an instruction of the hypervisor or of the other vCPU, just executed. */
export interface SwitchStep extends HostStep {
  readonly lane: 'hypervisor' | 'other';
}

/** Another vCPU's program: what it leaves in the FPU is what may leak. */
export interface Neighbour {
  /** Linear address of its code; different neighbours leave different pointers. */
  readonly origin: bigint;
  readonly source: string;
  /** Its CS and DS, which FCS and FDS may carry over to the next guest. */
  readonly selectors: { readonly code: number; readonly data: number };
}

/** Two neighbours that differ in everything an x87 unit remembers: a value that follows the neighbour is a leak. */
export const NEIGHBOURS: readonly [Neighbour, Neighbour] = [
  {
    origin: 0x7f11_2233_4000n, selectors: { code: 0x33, data: 0x3b },
    source: 'fninit\n fld qword ptr [secret]\n movups xmm0, [secret]\n secret: dq 3.25, 1.5',
  },
  {
    origin: 0x7f55_6677_8000n, selectors: { code: 0x43, data: 0x4b },
    source: 'fninit\n fild dword ptr [secret]\n fld1\n movups xmm0, [secret]\n secret: dd 7, 11, 13, 17',
  },
];

export class World {
  readonly machine: Machine;
  readonly policy: Policy;
  readonly area: SaveArea;
  readonly #other: SaveArea;
  readonly #hostState: State;
  readonly #code: HostCode;
  /** What each other vCPU starts with, every time it is scheduled. */
  readonly #neighbourStates = new Map<Neighbour, State>();

  constructor(machine: Machine, policy: Policy) {
    this.machine = machine;
    this.policy = policy;
    this.#hostState = hostState(machine.cpu, HOST_STACK);
    this.#code = new HostCode(machine, HOST_CODE, `policy ${JSON.stringify(policy.id)}`, this.#symbols);
    this.area = new SaveArea(machine.memory, AREAS);
    this.#other = new SaveArea(machine.memory, AREAS + BigInt(AREA_BYTES));
    machine.memory.map(HOST_STACK - 0x1000n, 0x1000);
  }

  /** The vCPU's first schedule: its FPU is loaded from the area as allocated, and the guest is entered. */
  start(): void {
    const guest = this.#leave();
    for (const _ of this.policy.restore(this.#host(this.area)));
    this.#enter(guest);
  }

  /** One whole world switch at the guest's present boundary. */
  reschedule(neighbour: Neighbour = NEIGHBOURS[0]): void {
    for (const _ of this.switch(neighbour));
  }

  /** Takes the guest off the processor, runs `neighbour` with its own FPU state, and puts the guest back. */
  *switch(neighbour: Neighbour = NEIGHBOURS[0]): Generator<SwitchStep, void> {
    const guest = this.#leave();
    yield* this.#hypervisor(this.policy.save, this.area);
    yield* this.#hypervisor(this.policy.restore, this.#other);
    yield* this.#runNeighbour(neighbour);
    yield* this.#hypervisor(this.policy.save, this.#other);
    yield* this.#hypervisor(this.policy.restore, this.area);
    this.#enter(guest);
  }

  *#hypervisor(steps: Policy['save'], area: SaveArea): Generator<SwitchStep, void> {
    for (const step of steps(this.#host(area))) yield Object.assign(step, { lane: 'hypervisor' } as const);
  }

  *#runNeighbour(neighbour: Neighbour): Generator<SwitchStep, void> {
    const { machine } = this;
    const { bytes, end } = neighbourCode(neighbour);
    if (!machine.memory.page(neighbour.origin)) machine.memory.install(neighbour.origin, bytes);
    const state = this.#neighbourState(neighbour);
    const host = this.#leave();
    this.#enter(state);
    while (machine.state.rip !== end) {
      const rip = machine.state.rip;
      yield Object.assign(new Executed(machine.step(), rip), { lane: 'other' } as const);
    }
    this.#leave();
    this.#enter(host);
    machine.state.setByte(OFFSET.guestMode, 0);
  }

  #neighbourState(neighbour: Neighbour): State {
    const known = this.#neighbourStates.get(neighbour) ?? neighbourState(this.machine, neighbour);
    this.#neighbourStates.set(neighbour, known);
    return known;
  }

  /** Saves what VMX or SVM and SAVE_ALL save, and loads the host's. Extended state is left in the registers. */
  #leave(): State {
    const { state } = this.machine;
    const guest = new State(state.bytes);
    copyOutside(this.#hostState, state);
    state.setByte(OFFSET.guestMode, 0);
    this.#forgetTranslations();
    return guest;
  }

  #enter(guest: State): void {
    copyOutside(guest, this.machine.state);
    this.machine.state.setByte(OFFSET.guestMode, 1);
    this.#forgetTranslations();
  }

  /** VM entries and exits without VPIDs invalidate all translations. SDM vol. 3C, 28.3.3.1. */
  #forgetTranslations(): void {
    this.machine.paging.invalidate({ kind: 'all' });
  }

  #host(area: SaveArea): Host {
    return {
      area,
      cpu: this.machine.cpu,
      run: (strings, ...values) =>
        this.#code.run(
          sourceOf(strings, values.map((value): Interpolation => (value instanceof SaveArea ? String(value) : value))),
        ),
    };
  }

  /** Names for the addresses that host instructions use, for people. */
  readonly #symbols = (address: bigint): string | undefined => {
    for (const [name, area] of [['area', this.area], ["other vCPU's area", this.#other]] as const) {
      if (address === area.address) return name;
      if (address === area.environment) return `${name}.env`;
    }
    return undefined;
  };
}

/** A neighbour's bytes, and where its instructions end. */
function neighbourCode(neighbour: Neighbour): { bytes: Uint8Array; end: bigint } {
  const known = neighbourCodes.get(neighbour);
  if (known) return known;
  const { bytes, listing, origin } = assemble(neighbour.source, { mode: 64, origin: neighbour.origin });
  const instructions = listing.filter((line) => line.kind === 'instruction');
  const end = instructions.reduce((_, line) => line.address + BigInt(line.length), origin);
  const code = { bytes, end };
  neighbourCodes.set(neighbour, code);
  return code;
}
const neighbourCodes = new WeakMap<Neighbour, { bytes: Uint8Array; end: bigint }>();

/** Whether a linear address belongs to the hypervisor or to the other vCPU, not to the guest. */
export const outsideGuest = (linear: bigint): boolean =>
  (linear >= HYPERVISOR_BASE && linear < HYPERVISOR_BASE + HYPERVISOR_BYTES)
  || NEIGHBOURS.some(({ origin }) => linear >= origin && linear < origin + 0x1000n);

/**
 * Whether a world switch does the same to both: what the policy does depends on nothing else of a guest than what it is
 * responsible for.
 */
export function alikeToPolicies(a: Uint8Array, b: Uint8Array): boolean {
  for (const [start, end] of EXTENDED_STATE) {
    for (let n = start; n < end; n++) if (a[n] !== b[n]) return false;
  }
  return true;
}

/** Copies all of the state area but extended state. */
export function copyOutside(from: State, to: State): void {
  let start = 0;
  for (const [extended, end] of [...EXTENDED_STATE, [STATE_SIZE, STATE_SIZE] as const]) {
    to.bytes.set(from.bytes.subarray(start, extended), start);
    start = end;
  }
}

/** A 64-bit program of another guest, with selectors of its own. */
function neighbourState(machine: Machine, { origin, selectors }: Neighbour): State {
  const state = kernelState(machine.cpu, 64);
  state.setSegment(CS, flatSegment(selectors.code, FLAT.code64));
  state.setSegment(DS, flatSegment(selectors.data, FLAT.data3));
  state.rip = origin;
  return state;
}
