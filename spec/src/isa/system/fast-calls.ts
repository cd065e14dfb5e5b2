/**
 * SYSCALL, SYSRET, SYSENTER and SYSEXIT. SDM vol. 3A, 5.8.7 and 5.8.8; AMD APM vol. 2, 6.1. None of them reads a
 * descriptor: the hidden parts get fixed values. Which modes have them, and what is left of SS, the profile says.
 */

import { hex, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { CS, OFFSET, R11, RCX, RDX, RSP, SS } from '../../state/fields.ts';
import { FLAT, flatSegment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { IF, RF, VM } from '../flags.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { EFER } from './control-bits.ts';

const RPL_3 = 3, DPL_3 = 3 << 5;
/** Bits that RFLAGS takes from R11. SDM vol. 2B, SYSRET. */
const FROM_R11 = 0x3c_7fd7, ALWAYS_1 = 2;

function loadCode(x: Execution, selector: number, attributes: number): void {
  x.state.setSegment(CS, flatSegment(selector & 0xffff, attributes));
}

function loadStack(x: Execution, selector: number, level: number): void {
  x.state.setSegment(SS, flatSegment(selector & 0xffff, FLAT.data | (level << 5)));
}

/** Writes RIP; what the new code segment's width leaves out becomes 0. */
const jump = (x: Execution, target: bigint, bits: number): void => {
  x.next = u(bits, target);
};

/** RIP is loaded by its current width, whatever the processor could have. */
function requireTarget(x: Execution, name: string, value: bigint): void {
  if (!x.canonical(value)) x.fault('#GP', `${hex(value)} in ${name} is not canonical`, 0);
}

function requireSyscall(x: Execution, mnemonic: string): void {
  if (!(x.state.efer & EFER.SCE)) x.fault('#UD', `IA32_EFER.SCE is 0: there is no ${mnemonic}`);
  if (x.cpu.fastCalls.syscall === '64-bit mode' && x.mode !== 64) {
    x.fault('#UD', `${x.cpu.name} has ${mnemonic} only in 64-bit mode`);
  }
}

const SYSCALL = instruction({
  mnemonic: 'SYSCALL',
  title: 'Fast system call',
  forms: ['0F 05'],
  cpuid: 'SYSCALL',
  operation(x) {
    requireSyscall(x, 'SYSCALL');
    const { state } = x;
    const star = state.quad(OFFSET.star);
    const selector = Number(u(16, star >> 32n)) & 0xfffc;
    const { longMode } = x;
    const entry = !longMode ? u(32, star) : state.quad(x.mode === 64 ? OFFSET.lstar : OFFSET.cstar);
    const masked = longMode ? Number(u(32, state.quad(OFFSET.fmask))) & ~ALWAYS_1 : IF;
    state.gpr[RCX] = longMode ? x.next : u(32, x.next);
    state.gpr[R11] = longMode ? BigInt(x.flags & ~RF) : state.gpr[R11]!;
    x.setFlags(masked | RF | VM, 0);
    x.singleStepByNewFlags();
    loadCode(x, selector, longMode ? FLAT.code64 : FLAT.code32);
    loadStack(x, selector + 8, 0);
    jump(x, entry, longMode ? 64 : 32);
  },
  source: sdm('2B', '4.3, SYSCALL'),
});

/** The operand size says where to: 64 bits to 64-bit mode, else to 32-bit code. */
const sysret = (mnemonic: string, form: string, size: 32 | 64): InstructionDefinition => instruction({
  mnemonic,
  title: 'Return from fast system call',
  forms: [form],
  cpuid: 'SYSCALL',
  operation(x) {
    requireSyscall(x, mnemonic);
    const { state } = x;
    if (x.addressing !== 'protected') x.fault('#GP', `${mnemonic} needs protected mode`, 0);
    x.requirePrivilege(mnemonic);
    const target = state.gpr[RCX]!;
    const early = x.cpu.fastCalls.sysretNotCanonical === 'faults at SYSRET';
    if (size === 64 && early) requireTarget(x, 'RCX', target);
    const selector = Number(u(16, state.quad(OFFSET.star) >> 48n));
    const restored = Number(u(32, state.gpr[R11]!)) & FROM_R11;
    // In legacy mode SYSCALL saved no flags: interrupts are on again.
    x.setFlags(x.longMode ? -1 : RF | IF, x.longMode ? restored | ALWAYS_1 : IF);
    x.singleStepByNewFlags();
    loadCode(x, (size === 64 ? selector + 16 : selector) | RPL_3, (size === 64 ? FLAT.code64 : FLAT.code32) | DPL_3);
    returnStack(x, (selector + 8) | RPL_3);
    jump(x, target, size);
  },
  source: sdm('2B', '4.3, SYSRET'),
});

/**
 * Where SYSRET loads the selector alone, the hidden part stays what an interrupt or the kernel left there. Its DPL
 * alone becomes 3: AMD's processors keep the CPL elsewhere, here the DPL of SS says it.
 */
function returnStack(x: Execution, selector: number): void {
  const before = x.state.segment(SS);
  if (x.cpu.fastCalls.sysretStack === 'loads SS') loadStack(x, selector, 3);
  else x.state.setSegment(SS, { ...before, selector: selector & 0xffff, attributes: before.attributes | DPL_3 });
}

/** The value of IA32_SYSENTER_CS, which is not null. */
function requireSysenter(x: Execution, mnemonic: string): number {
  if (x.cpu.fastCalls.sysenter === 'outside IA-32e mode' && x.longMode) {
    x.fault('#UD', `${x.cpu.name} has no ${mnemonic} in IA-32e mode`);
  }
  if (x.addressing === 'real') x.fault('#GP', `${mnemonic} needs protected mode`, 0);
  const selector = Number(u(16, x.state.quad(OFFSET.sysenterCs)));
  return selector & 0xfffc ? selector : x.fault('#GP', 'IA32_SYSENTER_CS holds a null selector', 0);
}

const SYSENTER = instruction({
  mnemonic: 'SYSENTER',
  title: 'Fast system call',
  forms: ['0F 34'],
  cpuid: 'SEP',
  operation(x) {
    const selector = requireSysenter(x, 'SYSENTER') & 0xfffc;
    const bits = x.longMode ? 64 : 32;
    x.setFlags(VM | IF | RF, 0);
    x.state.gpr[RSP] = u(bits, x.state.quad(OFFSET.sysenterEsp));
    loadCode(x, selector, x.longMode ? FLAT.code64 : FLAT.code32);
    loadStack(x, selector + 8, 0);
    jump(x, x.state.quad(OFFSET.sysenterEip), bits);
  },
  source: sdm('2B', '4.3, SYSENTER'),
});

const sysexit = (mnemonic: string, form: string, size: 32 | 64): InstructionDefinition => instruction({
  mnemonic,
  title: 'Fast return from fast system call',
  forms: [form],
  cpuid: 'SEP',
  operation(x) {
    // First of all: an AMD Zen 4 in IA-32e mode, where SYSEXIT does not exist, answers #GP(0) at CPL 3.
    x.requirePrivilege(mnemonic);
    const base = requireSysenter(x, mnemonic);
    const stack = x.general(RCX, size), target = x.general(RDX, size);
    if (size === 64) {
      requireTarget(x, 'RCX', stack);
      requireTarget(x, 'RDX', target);
    }
    const selector = (base + (size === 64 ? 32 : 16)) | RPL_3;
    x.state.gpr[RSP] = stack;
    loadCode(x, selector, (size === 64 ? FLAT.code64 : FLAT.code32) | DPL_3);
    loadStack(x, selector + 8, 3);
    jump(x, target, size);
  },
  source: sdm('2B', '4.3, SYSEXIT'),
});

export const FAST_CALLS: readonly InstructionDefinition[] = [
  SYSCALL, sysret('SYSRETQ', 'REX.W + 0F 07', 64), sysret('SYSRET', '0F 07', 32),
  SYSENTER, sysexit('SYSEXITQ', 'REX.W + 0F 35', 64), sysexit('SYSEXIT', '0F 35', 32),
];
