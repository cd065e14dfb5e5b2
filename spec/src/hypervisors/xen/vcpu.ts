/**
 * The life of a vCPU's FPU under Xen: created, initialised, up, scheduled for the first time, descheduled, exported to
 * a toolstack and imported from one, and sent INIT and a start-up IPI by its guest. Each step executes the instructions
 * that Xen does, on the save area that Xen has.
 *
 * xen/arch/x86: domain.c (arch_vcpu_create, arch_set_info_guest), domctl.c (arch_get_info_guest), i387.c, xstate.c and
 * hvm/vlapic.c (vlapic_init_sipi_one).
 */

import type { CpuProfile } from '../../cpus/profile.ts';
import { type Interpolation, sourceOf } from '../../asm/template.ts';
import { LEGACY_BYTES } from '../../isa/xsave/legacy-region.ts';
import { kernelState } from '../../machine/initial.ts';
import { Machine } from '../../machine/machine.ts';
import { toBytes } from '../../numbers/bits.ts';
import { EXTENDED_STATE, OFFSET, RAX } from '../../state/fields.ts';
import type { State } from '../../state/state.ts';
import { HostCode } from '../host-code.ts';
import { copyOutside, hostState } from '../host-state.ts';
import { type Host, type HostStep, type Policy, type Steps, newRecord } from '../policy.ts';
import { AREA_BYTES, SaveArea } from '../save-area.ts';
import { AREAS, HOST_CODE, HOST_STACK } from '../world.ts';
import { type FpuContext, type VcpuPolicy, resetFpu, setupFpu, switchWide } from './vcpu-policies.ts';

const GUEST_CODE = 0xffff_f803_0000_1000n;
const GUEST_DATA = 0xffff_f803_0010_0000n;

/** Names that guest code may use: data of its own. */
const GUEST_SYMBOLS = {
  /** 16 bytes of ones. */
  ones: GUEST_DATA,
  /** 1.0 and 3.0 in double precision. */
  one: GUEST_DATA + 0x10n, three: GUEST_DATA + 0x18n,
  /** MXCSR with all exceptions masked, rounding up. */
  rounding: GUEST_DATA + 0x20n,
  /** An XSAVE area with XSTATE_BV 0: what a kernel gives a new task. */
  initial: GUEST_DATA + 0x400n,
  /** 1024 bytes to store into. */
  scratch: GUEST_DATA + 0x800n,
} as const;

/** A moment of a vCPU's life: an instruction, just executed, or what Xen or a toolstack did. */
export interface LifeStep extends HostStep {
  /** `other`: the toolstack, or another vCPU that has the processor in between. */
  readonly lane: 'guest' | 'hypervisor' | 'other';
}

export interface VcpuOptions {
  cpu: CpuProfile;
  policy: VcpuPolicy;
  /** How the FPU is switched. Default: `xenVcpu.switchWide`, which takes XSAVEOPT, XSAVE or FXSAVE by what there is. */
  switching?: Policy;
  /** Is told of every step, when it is done. */
  onStep?: (step: LifeStep, vcpu: Vcpu) => void;
}

/** What of a vCPU's life a snapshot keeps. */
export interface VcpuSnapshot {
  readonly state: Uint8Array;
  readonly guest: Uint8Array;
  readonly area: Uint8Array;
  readonly flags: number;
}

/** The save area with its extended region. What lies behind it in memory is scratch. */
const SNAPSHOT_BYTES = 0x340;
const EXTENDED_BYTES = EXTENDED_STATE.reduce((sum, [start, end]) => sum + end - start, 0);

/** Bits of `flags`. */
const INITIALISED = 1, UP = 2, RUNNING = 4, FPU_INITIALISED = 8;

export class Vcpu {
  readonly machine: Machine;
  readonly policy: VcpuPolicy;
  readonly area: SaveArea;
  readonly #cpu: CpuProfile;
  readonly #switching: Policy;
  readonly #onStep: VcpuOptions['onStep'];
  readonly #other: SaveArea;
  readonly #hostState: State;
  readonly #host: HostCode;
  readonly #guestCode: HostCode;
  /** What VMX or SVM keeps of the guest while it is not on the processor. */
  readonly #guest: State;
  #flags = 0;

  /** vcpu_create(): allocates the save area. */
  constructor({ cpu, policy, switching = switchWide, onStep }: VcpuOptions) {
    this.policy = policy;
    this.#cpu = cpu;
    this.#switching = switching;
    this.#onStep = onStep;
    this.machine = new Machine(undefined, { cpu });
    const { memory, state } = this.machine;
    memory.map(HOST_STACK - 0x1000n, 0x1000);
    this.#hostState = hostState(cpu, HOST_STACK);
    this.#host = new HostCode(this.machine, HOST_CODE, `policy ${JSON.stringify(switching.id)}`, this.#name);
    this.#guestCode = new HostCode(this.machine, GUEST_CODE, 'the guest', this.#name, { known: GUEST_SYMBOLS });
    this.area = new SaveArea(memory, AREAS);
    this.#other = new SaveArea(memory, AREAS + BigInt(AREA_BYTES));
    this.#fillOther();
    memory.install(GUEST_DATA, guestData());
    this.#guest = kernelState(cpu, 64);
    this.#guest.setByte(OFFSET.guestMode, 1);
    this.#guest.gpr[RAX] = 7n;
    state.restore(this.#hostState.bytes);
    this.#runHypervisor(this.#switching.restore, this.#other, undefined);
    this.area.clear();
    policy.allocate(this.area);
    this.#tell('hypervisor', 'vcpu_create');
  }

  get initialised(): boolean { return this.#is(INITIALISED); }
  get up(): boolean { return this.#is(UP); }
  get running(): boolean { return this.#is(RUNNING); }
  /** Xen's v->fpu_initialised, which the series removed. */
  get fpuInitialised(): boolean { return this.#is(FPU_INITIALISED); }

  /** VCPUOP_initialise of an HVM vCPU: registers and segments from the caller, nothing of the FPU. */
  initialise(): void {
    this.#set(INITIALISED);
    this.#tell('other', 'VCPUOP_initialise');
  }

  /** VCPUOP_up: from now on it may be scheduled. */
  bringUp(): void {
    if (!this.initialised) throw new RangeError('VCPUOP_up of a vCPU that is not initialised: -EINVAL');
    this.#set(UP);
    this.#tell('other', 'VCPUOP_up');
  }

  /** The vCPU gets the processor: vcpu_restore_fpu(), then VM entry. */
  schedule(): void {
    if (!this.up) throw new RangeError('a vCPU that is not up is never scheduled: initialise() and bringUp() first');
    if (this.running) throw new RangeError('the vCPU is on the processor already');
    this.#runHypervisor(this.#switching.restore, this.area, 'hypervisor');
    copyOutside(EXTENDED_STATE, this.#guest, this.machine.state);
    this.#set(RUNNING | FPU_INITIALISED);
    this.#tell('guest', 'VM entry');
  }

  /** VM exit, vcpu_save_fpu(), and another vCPU's FPU state is loaded. */
  deschedule(): void {
    this.#requireRunning('deschedule()');
    this.#tell('guest', 'VM exit');
    const { state } = this.machine;
    copyOutside(EXTENDED_STATE, state, this.#guest);
    copyOutside(EXTENDED_STATE, this.#hostState, state);
    state.setByte(OFFSET.guestMode, 0);
    this.#unset(RUNNING);
    this.#runHypervisor(this.#switching.save, this.area, 'hypervisor');
    this.#runHypervisor(this.#switching.restore, this.#other, 'other');
  }

  /**
   * The guest executes `source`, 64-bit kernel code. It may use `ones`, `one`, `three`, `rounding`, `initial` and
   * `scratch`; EDX:EAX is 7.
   */
  execute(source: string): void {
    this.#requireRunning('execute()');
    for (const step of this.#guestCode.run(source)) this.#tell('guest', step);
  }

  /** What the guest would see if it executed FXSAVE64 now: 512 bytes. It is not executed for good. */
  look(): Uint8Array {
    this.#requireRunning('look()');
    const { memory, state } = this.machine;
    const before = state.snapshot();
    memory.writeBytes(GUEST_SYMBOLS.scratch, new Uint8Array(LEGACY_BYTES));
    for (const _ of this.#guestCode.run('fxsave64 [scratch]'));
    state.restore(before);
    return memory.readBytes(GUEST_SYMBOLS.scratch, LEGACY_BYTES);
  }

  /** XEN_DOMCTL_getvcpucontext, of a vCPU that is paused: not on the processor. */
  getContext(): FpuContext {
    this.#requireParked('getContext()');
    const context = this.policy.getContext({ area: this.area, cpu: this.#cpu, fpuInitialised: this.fpuInitialised });
    this.#tell('other', 'getvcpucontext');
    return context;
  }

  /** XEN_DOMCTL_setvcpucontext: the 512 bytes where they are called valid, the state after RESET otherwise. */
  setContext({ bytes, valid }: FpuContext): void {
    this.#requireParked('setContext()');
    if (valid) setupFpu(this.area, bytes);
    else resetFpu(this.area);
    this.#set(INITIALISED);
    if (valid) this.#set(FPU_INITIALISED);
    else this.#unset(FPU_INITIALISED);
    this.#tell('other', 'setvcpucontext');
  }

  /** A new vCPU, on another host say, that is given nothing of this one but the block. */
  migrate(): void {
    const context = this.getContext();
    this.area.clear();
    this.policy.allocate(this.area);
    this.setContext(context);
  }

  /**
   * INIT and a start-up IPI from another vCPU of the guest. INIT leaves the FPU alone; the start-up IPI resets it,
   * which no processor does. That the guest then goes back to 64-bit mode, without touching its FPU, is taken for
   * granted.
   */
  initAndStartup(): void {
    if (this.running) this.deschedule();
    this.#tell('hypervisor', 'INIT, SIPI');
    resetFpu(this.area);
    this.#unset(FPU_INITIALISED);
    this.#tell('hypervisor', 'vcpu_reset_fpu');
  }

  snapshot(): VcpuSnapshot {
    const { state, memory } = this.machine;
    return {
      state: state.snapshot(), guest: this.#guest.snapshot(), flags: this.#flags,
      area: memory.readBytes(this.area.address, SNAPSHOT_BYTES),
    };
  }

  restore({ state, guest, flags, area }: VcpuSnapshot): void {
    this.machine.state.restore(state);
    this.#guest.restore(guest);
    this.#flags = flags;
    this.machine.memory.writeBytes(this.area.address, area);
  }

  /**
   * Everything of the FPU that decides what can happen next, as bytes to compare: extended state, the save area, and
   * what Xen notes of the vCPU. General-purpose registers are not in it.
   */
  fingerprint(): Uint8Array {
    const { state, memory } = this.machine;
    const bytes = new Uint8Array(Math.ceil((EXTENDED_BYTES + SNAPSHOT_BYTES + 1) / 4) * 4);
    let at = 0;
    for (const [start, end] of EXTENDED_STATE) {
      bytes.set(state.bytes.subarray(start, end), at);
      at += end - start;
    }
    bytes.set(memory.readBytes(this.area.address, SNAPSHOT_BYTES), at);
    bytes[bytes.length - 1] = this.#flags;
    return bytes;
  }

  #is(flag: number): boolean { return (this.#flags & flag) !== 0; }
  #set(flags: number): void { this.#flags |= flags; }
  #unset(flags: number): void { this.#flags &= ~flags; }

  #requireRunning(what: string): void {
    if (!this.running) throw new RangeError(`${what}: the vCPU is not on the processor, schedule() it first`);
  }

  #requireParked(what: string): void {
    if (this.running) throw new RangeError(`${what}: the vCPU is on the processor, deschedule() it first`);
  }

  #runHypervisor(steps: Policy['restore'], area: SaveArea, lane: LifeStep['lane'] | undefined): void {
    const host: Host = {
      area, cpu: this.#cpu, guest: this.#guest, memory: this.machine.memory, vcpu: newRecord(),
      run: (strings, ...values): Steps => this.#host.run(
        sourceOf(strings, values.map((value): Interpolation => (value instanceof SaveArea ? String(value) : value))),
      ),
    };
    for (const step of steps(host)) if (lane) this.#tell(lane, step);
  }

  #tell(lane: LifeStep['lane'], step: string | HostStep): void {
    if (!this.#onStep) return;
    const { text, rip } = typeof step === 'string' ? { text: step, rip: 0n } : step;
    this.#onStep({ lane, text, rip }, this);
  }

  /** Another vCPU's state, different in every register: what it leaves is what a missing restore would show. */
  #fillOther(): void {
    const image = new Uint8Array(LEGACY_BYTES);
    image.set(toBytes(0x27fn, 2), 0);
    image.set([0x00, 0x20, 0xf0], 2);
    image.set(toBytes(BigInt(0x5f80), 4), 24);
    for (let n = 0; n < 8; n++) image.set(toBytes(0x4000_c000_0000_0000_0000n + BigInt(n), 10), 32 + 16 * n);
    for (let n = 0; n < 16; n++) image.fill(0xc0 + n, 160 + 16 * n, 176 + 16 * n);
    setupFpu(this.#other, image);
  }

  readonly #name = (address: bigint): string | undefined => {
    if (address === this.area.address) return 'area';
    if (address === this.#other.address) return "other vCPU's area";
    return Object.entries(GUEST_SYMBOLS).find(([, at]) => at === address)?.[0];
  };
}

function guestData(): Uint8Array {
  const bytes = new Uint8Array(0x1000);
  const put = (name: keyof typeof GUEST_SYMBOLS, value: Uint8Array, offset = 0): void =>
    bytes.set(value, Number(GUEST_SYMBOLS[name] - GUEST_DATA) + offset);
  put('ones', new Uint8Array(16).fill(0xff));
  put('one', toBytes(0x3ff0_0000_0000_0000n, 8));
  put('three', toBytes(0x4008_0000_0000_0000n, 8));
  put('rounding', toBytes(0x5f80n, 4));
  put('initial', toBytes(0x37fn, 2));
  put('initial', toBytes(0x1f80n, 4), 24);
  return bytes;
}
