/**
 * What is checked before an instruction on vector registers, by the classes of the manual: SDM vol. 2A, 2.4, for SSE
 * and AVX; vol. 3B, 22.25.3, for what has MMX registers.
 */

import type { Execution } from '../execution.ts';
import type { Instruction } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';
import { requireAlignedVector } from '../save-area.ts';
import { CR0, CR4 } from '../system/control-bits.ts';
import { FSW, raisePending } from '../x87/unit.ts';

/**
 * 1: memory operands are aligned in any encoding. 2 and 4: of 128 bits they are without a VEX prefix, save those of `4,
 * unaligned`. 3 and 5: smaller operands. 6: VEX alone, and `6, masked` what touches a part of memory. 7: no memory
 * operand. 8: VZEROALL and VZEROUPPER. 9: MXCSR. 11: conversions of half precision. 12: gathers. 2 and 3 (and 11) raise
 * #XM, the others never do. `MMX`: on MMX registers alone; `MMX and SSE`: CR4.OSFXSR has to be 1 too.
 */
export type ExceptionClass =
  1 | 2 | 3 | 4 | '4, unaligned' | 5 | 6 | '6, masked' | 7 | 8 | 9 | 11 | 12 | 'MMX' | 'MMX and SSE';

/** AMD's misaligned SSE mode. APM vol. 2, 3.1.1. */
const MXCSR_MM = 1 << 17;

/** XCR0[2:1]: the operating system manages XMM and YMM registers. */
const SSE_AND_AVX = 6n;

/**
 * Raises what `exceptions` demands of the processor's state and of memory operands' addresses, in the manual's order.
 */
export function requireVector(x: Execution, i: Instruction, exceptions: ExceptionClass): void {
  if (i.form.vex) requireVex(x, i);
  else requireLegacy(x, exceptions);
  if (x.state.cr0 & CR0.TS) x.fault('#NM', 'CR0.TS is 1');
  if (usesMmx(i)) {
    raisePending(x);
    if (i.operands[0]!.kind === 'memory') beforeMmxStore(x);
  }
  for (const operand of i.operands) {
    // Masked moves and gathers touch a part of their operand, and check that.
    const whole = operand.kind === 'memory' && exceptions !== '6, masked' && exceptions !== 12;
    // Conversions to half precision check their destination when they have converted.
    const later = exceptions === 11 && operand === i.operands[0];
    if (whole && !later) requireAligned(x, i, operand, exceptions);
  }
}

/** On some processors a fault of a store finds TOP at 0 already. That is no use of x87 state: XINUSE stays. */
function beforeMmxStore(x: Execution): void {
  if (x.cpu.faultingMmxStore === 'leaves TOP at 0') {
    x.state.xmodified |= x.state.fsw & FSW.TOP ? 1n : 0n;
    x.state.fsw &= ~FSW.TOP;
  }
}

/**
 * Instructions of these classes never report #AC: VMASKMOV and VPMASKMOV, half precision, gathers. SDM vol. 2C, 5.3,
 * VMASKMOV, VCVTPH2PS and VGATHERDPS.
 */
export const reportsAlignment = (exceptions: ExceptionClass): boolean =>
  exceptions !== '6, masked' && exceptions !== 11 && exceptions !== 12;

/** An MMX register takes part: the x87 state is at stake. */
export const usesMmx = (i: Instruction): boolean =>
  i.operands.some((operand) => operand.kind === 'register' && operand.file === 'mm');

function requireLegacy(x: Execution, exceptions: ExceptionClass): void {
  if (x.state.cr0 & CR0.EM) x.fault('#UD', 'CR0.EM is 1');
  if (exceptions !== 'MMX' && !(x.state.cr4 & CR4.OSFXSR)) x.fault('#UD', 'CR4.OSFXSR is 0');
}

/** CR0.EM means nothing to what has a VEX prefix. SDM vol. 2A, 2.4. */
function requireVex(x: Execution, i: Instruction): void {
  x.requireProtected(i.definition.mnemonic);
  if (!(x.state.cr4 & CR4.OSXSAVE)) x.fault('#UD', 'CR4.OSXSAVE is 0');
  if ((x.state.xcr0 & SSE_AND_AVX) !== SSE_AND_AVX) x.fault('#UD', 'XCR0 does not enable SSE and AVX state');
}

/**
 * #GP(0) for what has to be aligned; #AC, where that is switched on, for the 128 bits that MXCSR.MM spares the #GP on
 * AMD's processors. Of up to 64 bits the access itself raises it; for 128 and 256 bits a Sapphire Rapids class Xeon
 * raises none, by any instruction.
 */
export function requireAligned(
  x: Execution, i: Instruction, operand: MemoryOperand, exceptions: ExceptionClass,
): void {
  const bytes = operand.size / 8;
  // Of what has MMX registers only CVTPD2PI and CVTTPD2PI have 16 bytes of memory.
  const whole = exceptions === 2 || exceptions === 4 || exceptions === 'MMX and SSE';
  const packed = whole && bytes === 16 && !i.form.vex;
  const spared = (x.state.mxcsr & MXCSR_MM) !== 0;
  if (exceptions === 1 || (packed && !spared)) requireAlignedVector(x, operand, bytes);
  if (packed && spared) checkAlignment(x, operand, bytes);
}

/**
 * #AC for an operand that is not aligned on `alignment` bytes, where CR0.AM and RFLAGS.AC ask for it at level 3.
 */
function checkAlignment(x: Execution, operand: MemoryOperand, alignment: number): void {
  const misaligned = (x.linearUnchecked(operand.segment, x.offset(operand)) & BigInt(alignment - 1)) !== 0n;
  if (x.alignment !== undefined && misaligned) {
    x.linear(operand.segment, x.offset(operand), operand.size / 8, false);
    x.fault('#AC', `an operand of ${operand.size / 8} bytes is not aligned`, 0);
  }
}
