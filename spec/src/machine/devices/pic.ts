/**
 * The PC's pair of 8259A interrupt controllers: the slave's INT is input 2 of the master. IBM PC AT Technical
 * Reference, 1-22.
 */

import type { PortDevice } from '../ports.ts';
import { type Line } from './device.ts';
import { PicChip, type PicChipState } from './pic-chip.ts';

export interface PicSnapshot {
  readonly master: PicChipState;
  readonly slave: PicChipState;
}

/**
 * Inputs that are edge-triggered whatever is written: IRQ 0, 1 and 2; 8 and 13. 82371SB data sheet, 2.5.10 and 2.5.11.
 */
const ALWAYS_EDGE = [0x07, 0x21] as const;
const CASCADE = 2;

export class Pic implements PortDevice {
  /** One access a byte: the chips are on an 8-bit bus. */
  readonly width = 1;
  /** Called when INT, the output to the processor or to LINT0, may have changed. */
  output: Line = () => {};
  readonly #master = new PicChip(1 << CASCADE);
  readonly #slave = new PicChip();

  /** Ports: 20h, 21h, A0h, A1h, and the edge/level control registers 4D0h and 4D1h. */
  static readonly PORTS = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1] as const;

  /** INT of the master. */
  pending(): boolean {
    return this.#master.request !== undefined;
  }

  /** The processor's interrupt-acknowledge cycle: a vector; that of IRQ 7 or 15 when the request has gone away. */
  acknowledge(): number {
    const level = this.#master.accept();
    const cascaded = level === CASCADE;
    const accepted = cascaded ? this.#slave.accept() : level;
    const vector = (cascaded ? this.#slave : this.#master).vector(accepted ?? 7);
    this.#changed();
    return vector;
  }

  /** Sets interrupt request line `irq`, 0 to 15. */
  setLine(irq: number, level: boolean): void {
    if (irq === CASCADE) return;
    if (irq < 8) this.#master.setLine(irq, level);
    else this.#slave.setLine(irq - 8, level);
    this.#changed();
  }

  read(port: number): number {
    if (port >= 0x4d0) return this.#chip(port & 1).levelTriggered;
    const value = this.#chip(port >> 7).read((port & 1) !== 0);
    this.#changed(); // reading acknowledges in poll mode
    return value;
  }

  write(port: number, _bytes: number, value: number): void {
    if (port >= 0x4d0) this.#chip(port & 1).levelTriggered = value & ~ALWAYS_EDGE[port & 1]!;
    else this.#chip(port >> 7).write((port & 1) !== 0, value);
    this.#changed();
  }

  #chip(slave: number): PicChip {
    return slave ? this.#slave : this.#master;
  }

  #changed(): void {
    this.#master.setLine(CASCADE, this.#slave.request !== undefined);
    this.output(this.pending());
  }

  snapshot(): PicSnapshot {
    return { master: this.#master.snapshot(), slave: this.#slave.snapshot() };
  }

  restore(snapshot: PicSnapshot): void {
    this.#master.restore(snapshot.master);
    this.#slave.restore(snapshot.slave);
  }
}
