/**
 * A hypervisor around a machine: leaves the guest, lets another vCPU run, comes back.
 *
 * Everything but what the policy covers is kept exactly, as VMX and SVM and a push of the general-purpose registers do
 * it. What it covers (extended state, or data segment registers with their hidden parts) stays in the registers, and is
 * the policy's affair.
 */

import { type Interpolation, sourceOf } from '../asm/template.ts';
import type { Instruction, Mode } from '../isa/instruction.ts';
import type { Machine } from '../machine/machine.ts';
import type { Memory } from '../machine/memory/physical.ts';
import { LDTR, OFFSET } from '../state/fields.ts';
import { Fault } from '../state/outcomes.ts';
import { State } from '../state/state.ts';
import { Executed, HostCode } from './host-code.ts';
import { REAL_MODE_SEGMENT, copyOutside, hostState } from './host-state.ts';
import {
  type Neighbour, type Neighbours, neighbourCode, neighbourState, neighboursFor, neighboursOwn,
} from './neighbours.ts';
import { COVERED, type Host, type HostStep, type Policy, type VcpuRecord, copyRecord, newRecord } from './policy.ts';
import { AREA_BYTES, SaveArea } from './save-area.ts';

/** Hypervisor memory: where Xen's direct map begins. What lies here is not the guest's. */
const HYPERVISOR_BASE = 0xffff_8300_0000_0000n;
const HYPERVISOR_BYTES = 0x100_0000n;
/** Save areas, one behind the other. */
export const AREAS = HYPERVISOR_BASE + 0x20_0000n;
/**
 * The same of a 32-bit monitor, at the top of the linear address space as a 32-bit Xen, and of one in real-address
 * mode, in one segment of 64 KiB below the BIOS, which no guest has either.
 */
const HYPERVISOR_BASE_32 = 0xfc00_0000n, HYPERVISOR_BYTES_32 = 0x40_0000n;
const HYPERVISOR_BASE_16 = BigInt(REAL_MODE_SEGMENT * 16), HYPERVISOR_BYTES_16 = 0x1_0000n;

/** By mode: where the hypervisor's code goes, as an offset in its CS, and where its stack begins. */
const PLACES: Readonly<Record<Mode, { readonly code: bigint; readonly stack: bigint; readonly base: bigint }>> = {
  64: { code: HYPERVISOR_BASE + 0x10_0000n, stack: HYPERVISOR_BASE + 0x30_0000n, base: 0n },
  32: { code: HYPERVISOR_BASE_32 + 0x10_0000n, stack: HYPERVISOR_BASE_32 + 0x30_0000n, base: 0n },
  16: { code: 0n, stack: 0xf000n, base: HYPERVISOR_BASE_16 },
};

/** Where a 64-bit hypervisor's code is, and the top of its stack. */
export const HOST_CODE = PLACES[64].code, HOST_STACK = PLACES[64].stack;

/** A moment of a world switch: an instruction of the hypervisor or of the other vCPU, just executed. */
export interface SwitchStep extends HostStep {
  readonly lane: 'hypervisor' | 'other';
}

export class World {
  readonly machine: Machine;
  readonly policy: Policy;
  readonly area: SaveArea;
  /** Who runs in between: two, that leave different values behind. */
  readonly neighbours: Neighbours;
  /** What the hypervisor remembers of the guest. Plain data. */
  vcpu: VcpuRecord = newRecord();
  readonly #covered: (typeof COVERED)[keyof typeof COVERED];
  readonly #other: SaveArea;
  readonly #hostState: State;
  readonly #code: HostCode;
  /** A step of the policy has looked at more of the guest than what the policy covers. */
  #looked = false;
  /** What each other vCPU starts with, every time it is scheduled. */
  readonly #neighbourStates = new Map<Neighbour, State>();

  constructor(machine: Machine, policy: Policy) {
    this.machine = machine;
    this.policy = policy;
    const coverage = policy.covers ?? 'extended state', mode = policy.mode ?? 64;
    const { code, stack, base } = PLACES[mode];
    this.neighbours = neighboursFor(coverage);
    this.#covered = COVERED[coverage];
    this.#hostState = hostState(machine.cpu, stack, mode);
    this.#code = new HostCode(machine, code, `policy ${JSON.stringify(policy.id)}`, this.#symbols, { mode, base });
    this.area = new SaveArea(machine.memory, AREAS);
    this.#other = new SaveArea(machine.memory, AREAS + BigInt(AREA_BYTES));
    machine.memory.map(base + stack - 0x1000n, 0x1000);
  }

  /** The vCPU's first schedule: its FPU is loaded from the area as allocated, and the guest is entered. */
  start(): void {
    if (!this.#keepsExtended) return;
    const guest = this.#leave();
    for (const _ of this.policy.restore(this.#host(this.area, guest)));
    this.#enter(guest);
  }

  /** One instruction of the guest, as it is executed under this hypervisor. Throws `Fault` as `machine.step` does. */
  step(): Instruction {
    const { execute } = this.policy;
    return execute ? execute(this.machine, this.vcpu) : this.machine.step();
  }

  /**
   * The guest's registers as the guest has them by now: what the hypervisor would save. Differs from the machine's
   * where the processor runs the guest in another mode than the guest believes to be in.
   */
  view(): State {
    if (this.vcpu.virtual8086 === undefined) return new State(this.machine.state.bytes);
    const before = this.machine.state.snapshot(), record = copyRecord(this.vcpu);
    const guest = this.#leave();
    for (const _ of this.policy.save(this.#host(this.area, guest)));
    this.machine.state.restore(before);
    this.vcpu = record;
    return guest;
  }

  /** One whole world switch at the guest's present boundary. */
  reschedule(neighbour: Neighbour = this.neighbours[0]): void {
    for (const _ of this.switch(neighbour));
  }

  /** Takes the guest off the processor, runs `neighbour` with its own state, and puts the guest back. */
  *switch(neighbour: Neighbour = this.neighbours[0]): Generator<SwitchStep, void> {
    const guest = this.#leave();
    yield* this.#hypervisor(this.policy.save, this.area, guest);
    if (this.#keepsExtended) {
      yield* this.#hypervisor(this.policy.restore, this.#other, guest);
      yield* this.#runNeighbour(neighbour);
      yield* this.#hypervisor(this.policy.save, this.#other, guest);
    } else {
      // What the other vCPU finds in its segment registers is not the question; what it leaves there is.
      yield* this.#runNeighbour(neighbour);
    }
    yield* this.#hypervisor(this.policy.restore, this.area, guest);
    this.#enter(guest);
  }

  /**
   * Whether a world switch does the same to both, as far as switches until now tell: the policy covers extended state,
   * they do not differ in that, and no step of it has looked at anything else.
   */
  treatsAlike(a: Uint8Array, b: Uint8Array): boolean {
    if (this.#looked || !this.#keepsExtended) return false;
    for (const [start, end] of this.#covered) {
      for (let n = start; n < end; n++) if (a[n] !== b[n]) return false;
    }
    return true;
  }

  /**
   * The fault that the guest's state makes the hypervisor raise in `action`: a selector that it cannot load. Any other
   * is the policy's own mistake, and thrown.
   */
  faultIn(action: () => void): Fault | undefined {
    try {
      action();
      return undefined;
    } catch (error) {
      const provoked = this.policy.covers === 'data segment registers' && error instanceof Fault
        && error.mnemonic !== '#UD';
      if (!provoked) throw error;
      return error;
    }
  }

  /** The policy is one for extended state. */
  get #keepsExtended(): boolean {
    return (this.policy.covers ?? 'extended state') === 'extended state';
  }

  *#hypervisor(steps: Policy['save'], area: SaveArea, guest: State): Generator<SwitchStep, void> {
    for (const step of steps(this.#host(area, guest))) yield Object.assign(step, { lane: 'hypervisor' } as const);
  }

  *#runNeighbour(neighbour: Neighbour): Generator<SwitchStep, void> {
    const { machine } = this;
    const { bytes, end } = neighbourCode(neighbour);
    if (!machine.memory.page(neighbour.origin)) machine.memory.install(neighbour.origin, bytes);
    const host = this.#leave(), state = this.#neighbourState(neighbour);
    // Its segment registers are as it needs them; extended state is what the policy has just restored.
    if (!this.#keepsExtended) machine.state.restore(state.bytes);
    this.#enter(state);
    while (machine.state.rip !== end) {
      const rip = machine.state.rip;
      yield Object.assign(new Executed(machine.step(), rip), { lane: 'other' } as const);
    }
    this.#enter(host);
    machine.state.setByte(OFFSET.guestMode, 0);
  }

  #neighbourState(neighbour: Neighbour): State {
    const known = this.#neighbourStates.get(neighbour) ?? neighbourState(this.machine, neighbour);
    this.#neighbourStates.set(neighbour, known);
    return known;
  }

  /**
   * Saves what VMX or SVM and SAVE_ALL save, and loads the host's. What the policy covers is left in the registers.
   * A hypervisor that reloads selectors has the guest's descriptor tables in place.
   */
  #leave(): State {
    const { state } = this.machine;
    const guest = new State(state.bytes);
    copyOutside(this.#covered, this.#hostState, state);
    if (this.policy.covers === 'data segment registers') {
      state.setQuad(OFFSET.gdtrBase, guest.quad(OFFSET.gdtrBase));
      state.setWord(OFFSET.gdtrLimit, guest.word(OFFSET.gdtrLimit));
      state.setSegment(LDTR, guest.segment(LDTR));
    }
    state.setByte(OFFSET.guestMode, 0);
    this.#forgetTranslations();
    return guest;
  }

  #enter(guest: State): void {
    copyOutside(this.#covered, guest, this.machine.state);
    this.machine.state.setByte(OFFSET.guestMode, 1);
    this.#forgetTranslations();
  }

  /** VM entries and exits without VPIDs invalidate all translations. SDM vol. 3C, 28.3.3.1. */
  #forgetTranslations(): void {
    this.machine.paging.invalidate({ kind: 'all' });
  }

  #host(area: SaveArea, guest: State): Host {
    const looked = <T>(value: T): T => {
      this.#looked = true;
      return value;
    };
    const { vcpu, machine: { memory } } = this;
    return {
      area,
      get guest(): State { return looked(guest); },
      get vcpu(): VcpuRecord { return looked(vcpu); },
      get memory(): Memory { return looked(memory); },
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

const HYPERVISOR_RANGES = [
  [HYPERVISOR_BASE, HYPERVISOR_BYTES], [HYPERVISOR_BASE_32, HYPERVISOR_BYTES_32],
  [HYPERVISOR_BASE_16, HYPERVISOR_BYTES_16],
] as const;

/** Whether a linear address belongs to the hypervisor or to the other vCPU, not to the guest. */
export const outsideGuest = (linear: bigint): boolean =>
  HYPERVISOR_RANGES.some(([base, bytes]) => linear >= base && linear < base + bytes) || neighboursOwn(linear);
