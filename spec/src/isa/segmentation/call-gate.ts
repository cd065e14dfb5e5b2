/**
 * Call gates of 16, 32 and 64 bits, with the change of level and stack. SDM vol. 3A, 5.8.3 to 5.8.5.1; vol. 2A, CALL.
 */

import { hex, u } from '../../numbers/bits.ts';
import { CS, RSP, SS } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { is64Bit, isLongAndBig, requireWithin } from './code-segment.ts';
import {
  type Descriptor, findUpperHalf, isCode, isConforming, isNull, markAccessed, readDescriptor, requireMarkable,
  requirePresent, requireVisible, selectorCode,
} from './descriptor.ts';
import { type Transfer, enter } from './enter.ts';
import { type Stack, innerStack, pushOn, requireRoom, stackInMode } from './stack.ts';

interface CallGate {
  readonly selector: number;
  readonly offset: bigint;
  /** Bits of what is pushed. */
  readonly size: 16 | 32 | 64;
  /** Words or doublewords copied from the caller's stack; none in IA-32e mode. */
  readonly parameters: number;
}

/** The gate behind `descriptor`. In IA-32e mode it has 16 bytes, the upper eight with a type of 0. */
function readGate(x: Execution, { selector, attributes, raw }: Descriptor): CallGate {
  const field = (low: number, bits: number): bigint => u(bits, raw >> BigInt(low));
  const size = x.longMode ? 64 : attributes & 8 ? 32 : 16;
  const upper = x.longMode ? findUpperHalf(x, selector) : 0n;
  if (upper === undefined) {
    x.fault('#GP', 'the upper half of the call gate is not in its table, or is not of type 0', selectorCode(selector));
  }
  const offset = u(32, field(0, 16) | u(32, (size === 16 ? 0n : field(48, 16)) << 16n));
  return {
    selector: Number(field(16, 16)), size, parameters: x.longMode ? 0 : Number(field(32, 5)),
    offset: u(64, offset | u(64, upper << 32n)),
  };
}

export function throughCallGate(x: Execution, kind: Transfer, descriptor: Descriptor): void {
  const gate = readGate(x, descriptor);
  requireVisible(x, descriptor, 'call gate');
  requirePresent(x, descriptor, 'call gate');
  const target = gateTarget(x, kind, gate);
  const inner = !isConforming(target.attributes) && target.dpl < x.cpl;
  if (inner) callInner(x, gate, target);
  else enter(x, { ...gate, kind, code: target, stack: sameStack(x) });
}

/** Behind a gate in IA-32e mode is 64-bit code, whose stack pointer has 64 bits already. */
const sameStack = (x: Execution): Stack => stackInMode(x, x.longMode);

/** The code segment that the gate names. A jump does not change the level. */
function gateTarget(x: Execution, kind: Transfer, { selector }: CallGate): Descriptor {
  if (isNull(selector)) x.fault('#GP', 'the call gate holds a null selector', 0);
  const target = readDescriptor(x, selector);
  const code = selectorCode(selector);
  const { attributes, dpl } = target;
  const level = dpl > x.cpl || (kind === 'jump' && !isConforming(attributes) && dpl !== x.cpl);
  if (!isCode(attributes)) x.fault('#GP', `the call gate's selector ${hex(selector)} names no code segment`, code);
  if (level) x.fault('#GP', `a ${kind} through a call gate from CPL ${x.cpl} cannot reach DPL ${dpl}`, code);
  if (x.longMode && (!is64Bit(x, attributes) || isLongAndBig(x, attributes))) {
    x.fault('#GP', 'a call gate in IA-32e mode leads to 64-bit code', code);
  }
  requirePresent(x, target, 'code segment of the call gate');
  return target;
}

/** SDM vol. 2A, CALL: MORE-PRIVILEGE. The parameters keep their order on the new stack. */
function callInner(x: Execution, { offset, size, parameters }: CallGate, target: Descriptor): void {
  const level = target.dpl;
  const stack = innerStack(x, level);
  requireRoom(x, stack, size, 4 + parameters);
  requireWithin(x, offset, target);
  requireMarkable(x, target);
  const copied = Array.from({ length: parameters }, (_, n) => x.peek(size, (parameters - 1 - n) * (size / 8)));
  const caller = [BigInt(x.state.selector(SS)), x.state.gpr[RSP]!];
  pushOn(x, stack, size, [...caller, ...copied, BigInt(x.state.selector(CS)), x.next]);
  x.state.setSegment(CS, { ...markAccessed(x, target), selector: (target.selector & 0xfffc) | level });
  x.next = offset;
}
