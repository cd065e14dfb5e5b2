/**
 * Three things that can happen in place of an ordinary result, as three types. Never one in place of another:
 *
 * - `Fault`: the architecture says that the processor raises an exception here.
 * - `Unmodelled`: a real processor would do something that this engine does not do yet. It says what.
 * - `Undefined`: the architecture allows several results. It carries them.
 */

import { hex } from '../numbers/bits.ts';
import type { Citation } from './citation.ts';

/** Exception vectors by mnemonic. SDM vol. 3A, table 6-1, December 2016. */
export const VECTORS = {
  '#DE': 0, '#DB': 1, '#BP': 3, '#OF': 4, '#BR': 5, '#UD': 6, '#NM': 7, '#DF': 8, '#TS': 10, '#NP': 11,
  '#SS': 12, '#GP': 13, '#PF': 14, '#MF': 16, '#AC': 17, '#MC': 18, '#XM': 19,
} as const;

export type FaultMnemonic = keyof typeof VECTORS;

/**
 * What kind of event an exception is: what it saves and which check the gate gets depend on it. SDM vol. 3A, 6.4 and
 * 6.5; vol. 3B, 17.3.1.1. `ICEBP` is opcode F1, which the manual now calls INT1.
 */
export type ExceptionKind = 'fault' | 'instruction breakpoint' | 'trap' | 'INT3' | 'INTO' | 'ICEBP';

const KINDS: Readonly<Partial<Record<FaultMnemonic, ExceptionKind>>> = { '#BP': 'INT3', '#OF': 'INTO' };

/**
 * An architectural exception, raised by the instruction at `rip`. No architectural state was written by it, but for
 * exception flags in MXCSR, which the handler of #XM reads, the elements that a gather has loaded, and what the
 * profile's processor does to x87 state before a store of it faults (`faultingMmxStore`, `xinuse`).
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly mnemonic: FaultMnemonic;
  readonly vector: number;
  /** Absent for vectors that push none. */
  readonly errorCode: number | undefined;
  /** The rule that was broken, in a sentence. */
  readonly reason: string;
  /** For #PF: the linear address, which goes to CR2. */
  readonly linearAddress: bigint | undefined;
  readonly kind: ExceptionKind;
  /** Address of the instruction, once the machine knows it. */
  rip: bigint | undefined;
  /** The instruction as printed, once the machine knows it. */
  instruction: string | undefined;

  constructor(
    mnemonic: FaultMnemonic, reason: string, errorCode?: number, linearAddress?: bigint,
    kind: ExceptionKind = KINDS[mnemonic] ?? 'fault',
  ) {
    super(reason);
    this.mnemonic = mnemonic;
    this.vector = VECTORS[mnemonic];
    this.errorCode = errorCode;
    this.reason = reason;
    this.linearAddress = linearAddress;
    this.kind = kind;
    this.describe();
  }

  /** `#GP(0)`, `#UD`. */
  get notation(): string {
    return this.errorCode === undefined
      ? this.mnemonic
      : `${this.mnemonic}(${this.errorCode === 0 ? '0' : hex(this.errorCode)})`;
  }

  at(rip: bigint, instruction: string): this {
    this.rip = rip;
    this.instruction = instruction;
    this.describe();
    return this;
  }

  private describe(): void {
    const where = this.rip === undefined ? '' : ` at ${hex(this.rip)}: ${this.instruction}`;
    this.message = `${this.notation}${where}: ${this.reason}`;
  }
}

/** Something a real processor does and this engine does not do yet. */
export class Unmodelled extends Error {
  override readonly name = 'Unmodelled';
  readonly what: string;

  constructor(what: string) {
    super(`not modelled yet: ${what}`);
    this.what = what;
  }
}

/** A result that the architecture leaves open. Thrown only where the caller asked to stop at one. */
export class Undefined extends Error {
  override readonly name = 'Undefined';
  /** What is open, by its manual name: `AF after SHL`. */
  readonly what: string;
  /** The values that the architecture allows; empty when any value of the field's width is allowed. */
  readonly allowed: readonly bigint[];
  readonly source: Citation | undefined;

  constructor(what: string, allowed: readonly bigint[], source?: Citation) {
    const values = allowed.length === 0 ? 'any value' : allowed.map(hex).join(' or ');
    super(`undefined by the architecture: ${what} (${values} is allowed)`);
    this.what = what;
    this.allowed = allowed;
    this.source = source;
  }
}
