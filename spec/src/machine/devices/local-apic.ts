/**
 * Local APIC: interrupts of one processor, from its own sources, the I/O APIC and other processors. SDM vol. 3A,
 * chapter 10.
 */

import type { Execution } from '../../isa/execution.ts';
import { APIC_BASE } from '../../isa/system/control-bits.ts';
import { OFFSET } from '../../state/fields.ts';
import { Unmodelled } from '../../state/outcomes.ts';
import { type ApicBus, type ApicMessage, type ApicReceiver, DELIVERY } from './apic-bus.ts';
import { ApicTimer, type ApicTimerState } from './apic-timer.ts';
import type { Clock } from './clock.ts';
import { Device } from './device.ts';
import {
  LVT_LEVEL, LVT_MASKED, LVT_REMOTE_IRR, LVT_WRITABLE, READABLE_MSRS, REGISTER, WRITABLE_MSRS,
} from './local-apic-registers.ts';
import { emptyVectors, hasVector, highestVector, putVector } from './vector-set.ts';

export const LOCAL_APIC_ADDRESS = 0xfee0_0000n;
/** Six LVT entries, version 14h. 10.4.8. */
const VERSION = 0x0005_0014;

const ENABLED = 0x100;
const TSC_DEADLINE = 0x6e0;
const TIMER_MODES = ['one-shot', 'periodic', 'deadline', 'deadline'] as const;
/** Error status: 10.5.3. */
const ERROR = { sendIllegalVector: 0x20, receiveIllegalVector: 0x40, illegalRegister: 0x80 } as const;
/** Numbers: they are looked at before every instruction. */
const GLOBAL_ENABLE = Number(APIC_BASE.EN), X2APIC = Number(APIC_BASE.EXTD);

interface LocalApicState {
  irr: number[];
  isr: number[];
  tmr: number[];
  /** Bits 3:0 of TPR, and the CR8 that they were written with: a write of CR8 clears them. */
  tprLow: number;
  tprCr8: number;
  ldr: number;
  dfr: number;
  svr: number;
  esr: number;
  /** Errors since ESR was written last. */
  errors: number;
  icr: bigint;
  /** LVT entries by register. */
  lvt: Record<number, number>;
  /** Levels of LINT0 and LINT1. */
  lint: [boolean, boolean];
  /** An ExtINT message waits. */
  external: boolean;
}

export interface LocalApicSnapshot extends LocalApicState { timer: ApicTimerState }

/** The pins of the processor that it sits on. */
export interface ProcessorSignals {
  nmi(): void;
  init(): void;
  startup(vector: number): void;
}

export interface LocalApicParts {
  readonly id: number;
  readonly clock: Clock;
  /** Hertz of the timer before it is divided. */
  readonly busFrequency: bigint;
  readonly bus: ApicBus;
  readonly processor: ProcessorSignals;
  /** Who gives the vector of an ExtINT. */
  readonly acknowledgeExternal: () => number;
}

const initial = (): LocalApicState => ({
  irr: emptyVectors(), isr: emptyVectors(), tmr: emptyVectors(), tprLow: 0, tprCr8: 0, ldr: 0, dfr: 0xffff_ffff,
  svr: 0xff, esr: 0, errors: 0, icr: 0n,
  lvt: Object.fromEntries(Object.keys(LVT_WRITABLE).map((register) => [register, LVT_MASKED])), lint: [false, false],
  external: false,
});

export class LocalApic extends Device<LocalApicState> implements ApicReceiver {
  readonly id: number;
  readonly #x: Execution;
  readonly #bus: ApicBus;
  readonly #processor: ProcessorSignals;
  readonly #acknowledgeExternal: () => number;
  readonly #timer: ApicTimer;
  /** The highest vectors of IRR and ISR: asked for before every instruction. */
  #requested = -1;
  #serving = -1;

  constructor(x: Execution, parts: LocalApicParts) {
    super(initial());
    this.id = parts.id;
    this.#x = x;
    this.#bus = parts.bus;
    this.#processor = parts.processor;
    this.#acknowledgeExternal = parts.acknowledgeExternal;
    this.#timer = new ApicTimer(
      parts.clock, parts.busFrequency, () => x.state.quad(OFFSET.tscOffset), () => this.#local(REGISTER.timer),
    );
    parts.bus.attach(this);
  }

  /**
   * RESET, INIT (but for the identifier, which does not change here), and the end of being enabled. 10.4.7 and
   * 10.12.5.1.
   */
  reset(): void {
    const { lint } = this.state;
    this.state = { ...initial(), lint };
    this.#x.state.setQuad(OFFSET.cr8, 0n);
    this.#timer.reset();
    this.restored();
  }

  /**
   * As firmware leaves the processor that boots: enabled, LINT0 for the PIC, LINT1 for NMI. MultiProcessor
   * Specification 1.4, 3.6.2.2.
   */
  enableVirtualWire(): void {
    this.state.svr |= ENABLED;
    this.state.lvt[REGISTER.lint0] = DELIVERY.external << 8;
    this.state.lvt[REGISTER.lint1] = DELIVERY.nmi << 8;
  }

  override snapshot(): LocalApicSnapshot {
    return { ...super.snapshot(), timer: this.#timer.snapshot() };
  }

  override restore({ timer, ...state }: LocalApicSnapshot): void {
    super.restore(state);
    this.#timer.restore(timer);
  }

  protected override restored(): void {
    this.#requested = highestVector(this.state.irr);
    this.#serving = highestVector(this.state.isr);
  }

  // ---- state of the APIC as a whole

  get #base(): number {
    return this.#x.state.doubleword(OFFSET.apicBase);
  }

  get enabled(): boolean {
    return (this.#base & GLOBAL_ENABLE) !== 0;
  }

  get x2apic(): boolean {
    return (this.#base & (GLOBAL_ENABLE | X2APIC)) === (GLOBAL_ENABLE | X2APIC);
  }

  /** Enabled as a whole and by the spurious-interrupt vector register. */
  get #softwareEnabled(): boolean {
    return this.enabled && (this.state.svr & ENABLED) !== 0;
  }

  get #tpr(): number {
    const cr8 = this.#x.state.doubleword(OFFSET.cr8);
    return (cr8 << 4) | (cr8 === this.state.tprCr8 ? this.state.tprLow : 0);
  }

  get processorPriority(): number {
    const tpr = this.#tpr, serving = Math.max(this.#serving, 0);
    return (tpr & 0xf0) >= (serving & 0xf0) ? tpr : serving & 0xf0;
  }

  // ---- the processor asks

  pending(): boolean {
    return (this.#requested >= 0 && this.#requested >> 4 > this.processorPriority >> 4) || this.#externalPending;
  }

  /** LINT0 passes the PIC's INTR on in ExtINT mode; without an APIC it is INTR. */
  get #externalPending(): boolean {
    if (this.state.external) return true;
    if (!this.state.lint[0]) return false;
    const entry = this.state.lvt[REGISTER.lint0]!;
    return !this.enabled || (!(entry & LVT_MASKED) && ((entry >> 8) & 7) === DELIVERY.external);
  }

  acknowledge(): number {
    const vector = this.#requested;
    if (vector >= 0 && vector >> 4 > this.processorPriority >> 4) {
      putVector(this.state.irr, vector, false);
      putVector(this.state.isr, vector, true);
      this.restored();
      return vector;
    }
    const external = this.#externalPending;
    this.state.external = false;
    return external ? this.#acknowledgeExternal() : this.state.svr & 0xff;
  }

  // ---- messages

  /** 10.6.2.1 and 10.6.2.2; in x2APIC mode 10.12.9 and 10.12.10. */
  matches(destination: number, logical: boolean): boolean {
    if (!this.enabled) return false;
    if (!logical) return destination === this.id;
    const ldr = this.#logicalId;
    if (this.x2apic) return destination >>> 16 === ldr >>> 16 && (destination & ldr & 0xffff) !== 0;
    const mine = ldr >>> 24;
    if (this.state.dfr >>> 28 === 15) return (destination & mine) !== 0;
    return (destination >> 4 === 15 || destination >> 4 === mine >> 4) && (destination & mine & 15) !== 0;
  }

  get #logicalId(): number {
    return this.x2apic ? ((this.id >>> 4) << 16) | (1 << (this.id & 15)) : this.state.ldr;
  }

  receive({ mode, vector, level }: ApicMessage): void {
    switch (mode) {
      case DELIVERY.fixed: case DELIVERY.lowestPriority: this.#accept(vector, level); return;
      case DELIVERY.nmi: this.#processor.nmi(); return;
      case DELIVERY.init:
        this.reset();
        this.#processor.init();
        return;
      case DELIVERY.startup: this.#processor.startup(vector); return;
      case DELIVERY.external: this.state.external = true; return;
      default: throw new Unmodelled(`an interrupt message of delivery mode ${mode}, which is reserved`);
    }
  }

  /** A request. While software has disabled the APIC none is taken. 10.4.7.2. */
  #accept(vector: number, level: boolean): void {
    if (!this.#softwareEnabled) return;
    if (vector < 16) {
      this.#report(ERROR.receiveIllegalVector);
      return;
    }
    putVector(this.state.irr, vector, true);
    putVector(this.state.tmr, vector, level);
    this.restored();
  }

  /** An interrupt from an LVT entry. 10.5.1. */
  #local(register: number): void {
    const entry = this.state.lvt[register]!;
    if (entry & LVT_MASKED) return;
    const own = register === REGISTER.timer || register === REGISTER.error;
    const mode = own ? DELIVERY.fixed : (entry >> 8) & 7;
    const level = !own && mode === DELIVERY.fixed && (entry & LVT_LEVEL) !== 0;
    if (level) this.state.lvt[register] = entry | LVT_REMOTE_IRR;
    this.receive({ mode, vector: entry & 0xff, level, destination: this.id, logical: false });
  }

  /** Sets pin LINT0 or LINT1. */
  setLint(pin: 0 | 1, level: boolean): void {
    const rises = level && !this.state.lint[pin];
    this.state.lint[pin] = level;
    const register = REGISTER.lint0 + pin;
    const entry = this.state.lvt[register]!;
    if (!level || !this.enabled || ((entry >> 8) & 7) === DELIVERY.external) return;
    if (entry & LVT_LEVEL ? !(entry & LVT_REMOTE_IRR) : rises) this.#local(register);
  }

  #report(error: number): void {
    const isNew = (this.state.errors & error) === 0;
    this.state.errors |= error;
    // The vector of the error entry itself may be what is wrong.
    if (isNew) this.#local(REGISTER.error);
  }

  /** 10.8.5: the end of the interrupt served; that of a level-triggered one is told to the I/O APICs. */
  #end(): void {
    const vector = this.#serving;
    if (vector < 0) return;
    putVector(this.state.isr, vector, false);
    this.restored();
    if (!hasVector(this.state.tmr, vector)) return;
    for (const pin of [0, 1] as const) {
      const register = REGISTER.lint0 + pin;
      const entry = this.state.lvt[register]!;
      if (!(entry & LVT_REMOTE_IRR) || (entry & 0xff) !== vector) continue;
      this.state.lvt[register] = entry & ~LVT_REMOTE_IRR;
      this.setLint(pin, this.state.lint[pin]);
    }
    this.#bus.end(vector);
  }

  // ---- registers

  /** Memory-mapped registers: doublewords at multiples of 16. 10.4.1. */
  read(offset: number, bytes: number): bigint {
    this.#checkAccess(offset, bytes);
    return BigInt(this.readRegister(offset >> 4) >>> 0);
  }

  write(offset: number, bytes: number, value: bigint): void {
    this.#checkAccess(offset, bytes);
    this.writeRegister(offset >> 4, Number(BigInt.asUintN(32, value)));
  }

  #checkAccess(offset: number, bytes: number): void {
    if (bytes !== 4 || offset & 15) {
      throw new Unmodelled(
        `an access to the local APIC of ${bytes} bytes at offset ${offset.toString(16)}h: its registers are `
          + 'doublewords at multiples of 16',
      );
    }
  }

  readRegister(register: number): number {
    const { state } = this;
    if (register in state.lvt) return state.lvt[register]!;
    for (const [base, words] of [
      [REGISTER.isr, state.isr], [REGISTER.tmr, state.tmr], [REGISTER.irr, state.irr],
    ] as const) {
      if (register >= base && register < base + 8) return words[register - base]!;
    }
    switch (register) {
      case REGISTER.id: return this.x2apic ? this.id : this.id << 24;
      case REGISTER.version: return VERSION;
      case REGISTER.tpr: return this.#tpr;
      case REGISTER.apr: case REGISTER.eoi: return 0;
      case REGISTER.ppr: return this.processorPriority;
      case REGISTER.ldr: return this.#logicalId;
      case REGISTER.dfr: return state.dfr;
      case REGISTER.svr: return state.svr;
      case REGISTER.esr: return state.esr;
      case REGISTER.icr: return Number(BigInt.asUintN(32, state.icr));
      case REGISTER.icrHigh: return Number(state.icr >> 32n);
      case REGISTER.initialCount: return this.#timer.initialCount;
      case REGISTER.currentCount: return this.#timer.currentCount;
      case REGISTER.divide: return this.#timer.divide;
      default:
        this.#report(ERROR.illegalRegister);
        return 0;
    }
  }

  writeRegister(register: number, value: number): void {
    const { state } = this;
    if (register in LVT_WRITABLE) {
      this.#writeLvt(register, value);
      return;
    }
    switch (register) {
      case REGISTER.id: case REGISTER.version: case REGISTER.ppr: case REGISTER.currentCount: return;
      case REGISTER.tpr:
        state.tprLow = value & 15;
        state.tprCr8 = (value >> 4) & 15;
        this.#x.state.setQuad(OFFSET.cr8, BigInt(state.tprCr8));
        return;
      case REGISTER.eoi: this.#end(); return;
      case REGISTER.ldr: state.ldr = (value & 0xff00_0000) >>> 0; return;
      case REGISTER.dfr: state.dfr = (value | 0x0fff_ffff) >>> 0; return;
      case REGISTER.svr: this.#writeSvr(value); return;
      case REGISTER.esr:
        state.esr = state.errors;
        state.errors = 0;
        return;
      case REGISTER.icr: this.#sendIcr((state.icr >> 32n << 32n) | BigInt(value)); return;
      case REGISTER.icrHigh: state.icr = BigInt.asUintN(32, state.icr) | (BigInt(value >>> 24) << 56n); return;
      case REGISTER.initialCount: this.#timer.initialCount = value; return;
      case REGISTER.divide: this.#timer.divide = value; return;
      default: this.#report(ERROR.illegalRegister);
    }
  }

  /** While software has disabled the APIC, mask bits are 1. 10.4.7.2. */
  #writeLvt(register: number, value: number): void {
    const mask = this.state.svr & ENABLED ? 0 : LVT_MASKED;
    this.state.lvt[register] = (value & LVT_WRITABLE[register]!) | mask | (this.state.lvt[register]! & LVT_REMOTE_IRR);
    if (register === REGISTER.timer) {
      this.#timer.configure(TIMER_MODES[(value >> 17) & 3]!, ((value | mask) & LVT_MASKED) !== 0);
    }
  }

  #writeSvr(value: number): void {
    this.state.svr = value & 0x3ff;
    if (value & ENABLED) return;
    for (const register of Object.keys(LVT_WRITABLE)) {
      this.#writeLvt(Number(register), this.state.lvt[Number(register)]!);
    }
  }

  /** 10.6.1. */
  #sendIcr(icr: bigint): void {
    this.state.icr = icr & 0xffff_ffff_000c_cfffn;
    const low = Number(BigInt.asUintN(32, icr));
    const mode = (low >> 8) & 7, vector = low & 0xff, shorthand = (low >> 18) & 3;
    // The INIT level de-assert of old processors: nothing on those since the Pentium 4.
    if (mode === DELIVERY.init && low & 0x8000 && !(low & 0x4000)) return;
    if (vector < 16 && (mode === DELIVERY.fixed || mode === DELIVERY.lowestPriority)) {
      this.#report(ERROR.sendIllegalVector);
      return;
    }
    const to = this.x2apic ? Number(icr >> 32n) : Number(icr >> 56n);
    const everyone = to === (this.x2apic ? 0xffff_ffff : 0xff);
    const message = {
      mode, vector, level: false, destination: everyone || shorthand >= 2 ? 'all' as const : to,
      logical: (low & 0x800) !== 0,
    };
    if (shorthand === 1) this.receive({ ...message, destination: this.id });
    else this.#bus.send(message, shorthand === 3 ? this : undefined);
  }

  // ---- x2APIC: MSRs 800h to 8FFh, and IA32_TSC_DEADLINE. 10.12.1.2.

  readMsr(msr: number): bigint {
    if (msr === TSC_DEADLINE) return this.#timer.deadline;
    const register = msr - 0x800;
    if (!READABLE_MSRS.has(register)) this.#x.fault('#GP', `x2APIC register ${msr.toString(16)}h cannot be read`, 0);
    return register === REGISTER.icr ? this.state.icr : BigInt(this.readRegister(register) >>> 0);
  }

  writeMsr(msr: number, value: bigint): void {
    if (msr === TSC_DEADLINE) {
      this.#timer.deadline = value;
      return;
    }
    const register = msr - 0x800;
    const allowed = WRITABLE_MSRS[register];
    if (allowed === undefined) this.#x.fault('#GP', `x2APIC register ${msr.toString(16)}h cannot be written`, 0);
    if (value & ~allowed) this.#x.fault('#GP', `x2APIC register ${msr.toString(16)}h: reserved bits are set`, 0);
    if (register === REGISTER.icr) this.#sendIcr(value);
    else if (register === REGISTER.selfIpi) this.#sendIcr((1n << 18n) | value);
    else this.writeRegister(register, Number(value));
  }
}
