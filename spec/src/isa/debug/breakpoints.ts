/** The four breakpoints: which of them an access or an instruction meets. SDM vol. 3B, 17.2.4, 17.2.5 and 17.3.1. */

import { u } from '../../numbers/bits.ts';
import { OFFSET } from '../../state/fields.ts';
import type { State } from '../../state/state.ts';
import { CR4 } from '../system/control-bits.ts';
import { armed } from './status.ts';

/** What a breakpoint waits for: its R/W field. 2 is an I/O access where CR4.DE is 1, and undefined elsewhere. */
export const EXECUTE = 0, WRITE = 1, IO = 2, READ_OR_WRITE = 3;

/** Bytes by LEN field. */
const LENGTHS = [1, 2, 8, 4] as const;
/** B0 to B3. */
const FLAGS = [1n, 2n, 4n, 8n] as const;

interface Breakpoint {
  /** The B bit in DR6. */
  readonly flag: bigint;
  readonly enabled: boolean;
  readonly condition: number;
  /** First byte: the low bits of the address that the length covers do not count. */
  readonly first: bigint;
  readonly bytes: bigint;
}

function breakpoint(state: State, n: number): Breakpoint {
  const control = state.doubleword(OFFSET.dr7);
  const condition = (control >>> (16 + 4 * n)) & 3;
  const bytes = BigInt(LENGTHS[(control >>> (18 + 4 * n)) & 3]!);
  const address = state.quad(OFFSET.dr0 + 8 * n);
  return {
    flag: FLAGS[n]!, enabled: ((control >>> (2 * n)) & 3) !== 0, condition, first: u(64, address - (address % bytes)),
    bytes,
  };
}

const ALL = [0, 1, 2, 3] as const;

/**
 * B bits of an access of `bytes` bytes at `address`, 0 if it meets no enabled breakpoint. Where it meets one, a
 * disabled one that it meets as well is reported too, which the manual leaves open (17.2.3).
 */
function met(state: State, conditions: readonly number[], address: bigint, bytes: number): bigint {
  const here = ALL.map((n) => breakpoint(state, n)).filter(({ condition, first, bytes: length }) =>
    conditions.includes(condition) && (u(64, address - first) < length || u(64, first - address) < BigInt(bytes)));
  return here.some(({ enabled }) => enabled) ? here.reduce((all, { flag }) => all | flag, 0n) : 0n;
}

const READING = [READ_OR_WRITE], WRITING = [WRITE, READ_OR_WRITE], EXECUTING = [EXECUTE], TRANSFERRING = [IO];

export const metByRead = (state: State, linear: bigint, bytes: number): bigint => met(state, READING, linear, bytes);
export const metByWrite = (state: State, linear: bigint, bytes: number): bigint => met(state, WRITING, linear, bytes);
/** The address of the first byte of an instruction decides, prefixes included. */
export const metByInstruction = (state: State, linear: bigint): bigint => met(state, EXECUTING, linear, 1);
export const metByTransfer = (state: State, port: number, bytes: number): bigint =>
  (state.cr4 & CR4.DE ? met(state, TRANSFERRING, BigInt(port), bytes) : 0n);

/** What was met waits for the end of the instruction. */
export const pend = (state: State, met: bigint): void =>
  state.setQuad(OFFSET.pendingDebug, state.quad(OFFSET.pendingDebug) | met);

/** Some enabled breakpoint waits for an access to memory or to a port. */
export const watchesAccesses = (state: State): boolean => armed(state) && ALL.some((n) => {
  const { enabled, condition } = breakpoint(state, n);
  return enabled && condition !== EXECUTE;
});
