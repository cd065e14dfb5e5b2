/**
 * One interrupt controller. Intel 8259A data sheet (231468-003, December 1988); the edge/level control register instead
 * of ICW1's LTIM bit is that of PC chip sets: Intel 82371SB data sheet (290550-002), 2.5.
 */

import { Unmodelled } from '../../state/outcomes.ts';
import { Device } from './device.ts';

export interface PicChipState {
  /** Levels of the eight inputs. */
  lines: number;
  /** Interrupt request, interrupt mask and in-service registers. */
  irr: number;
  imr: number;
  isr: number;
  /** Inputs that are level-triggered. */
  levelTriggered: number;
  /** The initialization command word that the next write to the odd port is; 0 when it is OCW1. */
  expects: 0 | 2 | 3 | 4;
  single: boolean;
  needsIcw4: boolean;
  vectorBase: number;
  /** ICW3: inputs with a slave, or a slave's own number. */
  cascade: number;
  icw4: number;
  /** The level of lowest priority: 7 unless rotated. */
  lowest: number;
  rotateOnAutoEoi: boolean;
  specialMask: boolean;
  readIsr: boolean;
  poll: boolean;
}

const AUTO_EOI = 2, MODE_8086 = 1, SPECIAL_FULLY_NESTED = 0x10;

const POWER_ON: PicChipState = {
  lines: 0, irr: 0, imr: 0xff, isr: 0, levelTriggered: 0, expects: 0, single: false, needsIcw4: false, vectorBase: 0,
  cascade: 0,
  icw4: 0, lowest: 7, rotateOnAutoEoi: false, specialMask: false, readIsr: false, poll: false,
};

export class PicChip extends Device<PicChipState> {
  /** Inputs that carry the INT of another chip: they follow it, as its pulses are shorter than an instruction. */
  readonly #cascaded: number;

  constructor(cascaded = 0) {
    super({ ...POWER_ON });
    this.#cascaded = cascaded;
  }

  // ---- inputs

  /** Sets input `level`. A request whose line goes low before it is acknowledged is gone. */
  setLine(level: number, high: boolean): void {
    const { state } = this;
    const bit = 1 << level;
    const rises = high && !(state.lines & bit);
    state.lines = high ? state.lines | bit : state.lines & ~bit;
    if (!high) state.irr &= ~bit;
    else if (rises || (state.levelTriggered | this.#cascaded) & bit) state.irr |= bit;
  }

  get levelTriggered(): number {
    return this.state.levelTriggered;
  }

  set levelTriggered(inputs: number) {
    this.state.levelTriggered = inputs;
    this.state.irr |= this.state.lines & inputs;
  }

  // ---- priorities

  /** Distance from the highest priority: 0 to 7. */
  #rank(level: number): number {
    return (level - this.state.lowest - 1) & 7;
  }

  /** The level of highest priority among the bits of `levels`, or undefined when there is none. */
  #highest(levels: number): number | undefined {
    for (let rank = 0; rank < 8; rank++) {
      const level = (this.state.lowest + 1 + rank) & 7;
      if (levels & (1 << level)) return level;
    }
    return undefined;
  }

  /**
   * The request that INT stands for. An in-service level keeps out itself and all below: unless it is masked under the
   * special mask; and with special full nesting a slave's level does not keep out that slave.
   */
  get request(): number | undefined {
    if (this.state.expects) return undefined;
    const level = this.#highest(this.state.irr & ~this.state.imr);
    const serving = this.#highest(this.#blocking);
    if (level === undefined || serving === undefined || this.#rank(level) < this.#rank(serving)) return level;
    return level === serving && this.state.icw4 & SPECIAL_FULLY_NESTED && this.#cascaded & (1 << level)
      ? level
      : undefined;
  }

  /** In-service levels, without those that are masked under the special mask. */
  get #blocking(): number {
    return this.state.specialMask ? this.state.isr & ~this.state.imr : this.state.isr;
  }

  // ---- acknowledgement

  /**
   * The first INTA pulse: the level, or undefined when the request went away. Then IR7's vector is given, and ISR is as
   * it was.
   */
  accept(): number | undefined {
    const level = this.request;
    if (level === undefined) return undefined;
    const bit = 1 << level;
    if (!((this.state.levelTriggered | this.#cascaded) & bit)) this.state.irr &= ~bit;
    if (!(this.state.icw4 & AUTO_EOI)) this.state.isr |= bit;
    else if (this.state.rotateOnAutoEoi) this.state.lowest = level;
    return level;
  }

  /** The second INTA pulse: the vector of `level`. */
  vector(level: number): number {
    if (!(this.state.icw4 & MODE_8086)) {
      throw new Unmodelled('an interrupt acknowledged by an 8259A in MCS-80/85 mode, which answers with a CALL');
    }
    return this.state.vectorBase | level;
  }

  // ---- commands

  read(odd: boolean): number {
    const { state } = this;
    if (state.poll) {
      state.poll = false;
      const level = this.accept();
      return level === undefined ? 0 : 0x80 | level;
    }
    return odd ? state.imr : state.readIsr ? state.isr : state.irr;
  }

  write(odd: boolean, value: number): void {
    if (odd) this.#writeOdd(value);
    else if (value & 0x10) this.#initialize(value);
    else if (value & 8) this.#operation3(value);
    else this.#operation2(value);
  }

  /** ICW1. An edge has to come anew; a level is there still. */
  #initialize(icw1: number): void {
    const { lines, levelTriggered, vectorBase, cascade } = this.state;
    this.state = {
      ...POWER_ON, lines, levelTriggered, vectorBase, cascade, imr: 0,
      irr: lines & (levelTriggered | this.#cascaded), expects: 2, single: (icw1 & 2) !== 0, needsIcw4: (icw1 & 1) !== 0,
    };
  }

  #writeOdd(value: number): void {
    const { state } = this;
    switch (state.expects) {
      case 0: state.imr = value; return;
      case 2:
        state.vectorBase = value & 0xf8;
        state.expects = !state.single ? 3 : state.needsIcw4 ? 4 : 0;
        return;
      case 3:
        state.cascade = value;
        state.expects = state.needsIcw4 ? 4 : 0;
        return;
      case 4:
        state.icw4 = value & 0x1f;
        state.expects = 0;
    }
  }

  /** OCW2: end of interrupt and rotation. */
  #operation2(value: number): void {
    const [rotate, specific, end] = [(value & 0x80) !== 0, (value & 0x40) !== 0, (value & 0x20) !== 0];
    const { state } = this;
    if (!end && !specific) {
      state.rotateOnAutoEoi = rotate;
      return;
    }
    // A level that is masked under the special mask is not ended by a non-specific EOI.
    const level = specific ? value & 7 : this.#highest(this.#blocking);
    if (level === undefined) return;
    if (end) state.isr &= ~(1 << level);
    if (rotate) state.lowest = level;
  }

  /** OCW3: special mask, poll, which register is read. */
  #operation3(value: number): void {
    if (value & 0x40) this.state.specialMask = (value & 0x20) !== 0;
    if (value & 4) this.state.poll = true;
    else if (value & 2) this.state.readIsr = (value & 1) !== 0;
  }
}
