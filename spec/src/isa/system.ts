/** NOP, HLT, breakpoints, CPUID, control registers and MSRs. SDM vol. 1, 5.20 and 5.1.13. */

import { hex, isCanonical, u } from '../numbers/bits.ts';
import { cpuid } from '../cpus/cpuid.ts';
import { sdm } from '../state/citation.ts';
import { FS, GS, OFFSET } from '../state/fields.ts';
import { IF } from './flags.ts';
import type { Execution } from './execution.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';
import type { RegisterOperand } from './operand.ts';

const RAX = 0, RCX = 1, RDX = 2, RBX = 3;

const NOP = instruction({
  mnemonic: 'NOP',
  title: 'No operation',
  forms: ['90 | | b0', '0F 1F /0 | r/mv'],
  operation() {},
  source: sdm('2B', '4.3, NOP'),
});

const PAUSE = instruction({
  mnemonic: 'PAUSE',
  title: 'Spin loop hint',
  forms: ['F3 90 | | b0'],
  operation() {},
  source: sdm('2B', '4.3, PAUSE'),
});

const HLT = instruction({
  mnemonic: 'HLT',
  title: 'Halt',
  forms: ['F4'],
  operation(x) {
    x.requirePrivilege('HLT');
    x.state.halted = true;
  },
  source: sdm('2A', '3.2, HLT'),
});

const INT3 = instruction({
  mnemonic: 'INT3',
  title: 'Breakpoint',
  forms: ['CC'],
  operation(x) {
    x.fault('#BP', 'INT3 was executed');
  },
  source: sdm('2A', '3.2, INT n/INTO/INT 3'),
});

const UD2 = instruction({
  mnemonic: 'UD2',
  title: 'Undefined instruction',
  forms: ['0F 0B'],
  operation(x) {
    x.fault('#UD', 'UD2 was executed');
  },
  source: sdm('2C', '5.3, UD2'),
});

const CPUID = instruction({
  mnemonic: 'CPUID',
  title: 'CPU identification',
  forms: ['0F A2'],
  operation(x) {
    const [leaf, subleaf] = [RAX, RCX].map((index) => Number(u(32, x.state.gpr[index]!)));
    const result = cpuid(x.cpu, leaf!, subleaf!, x.state.xcr0, (x.state.cr4 & CR4.OSXSAVE) !== 0n);
    for (const [index, value] of [[RAX, result.eax], [RBX, result.ebx], [RCX, result.ecx], [RDX, result.edx]] as const) {
      x.state.gpr[index] = u(32, BigInt(value));
    }
  },
  source: sdm('2A', '3.2, CPUID'),
});

export const CR0 = { PE: 1n, MP: 2n, EM: 4n, TS: 8n, ET: 0x10n, NE: 0x20n, WP: 0x10000n, AM: 0x40000n, NW: 1n << 29n, CD: 1n << 30n, PG: 1n << 31n } as const;
export const CR4 = { TSD: 4n, DE: 8n, PSE: 0x10n, PAE: 0x20n, MCE: 0x40n, PGE: 0x80n, PCE: 0x100n, OSFXSR: 0x200n, OSXMMEXCPT: 0x400n, LA57: 0x1000n, FSGSBASE: 0x10000n, OSXSAVE: 0x40000n, SMEP: 0x100000n, SMAP: 0x200000n } as const;

const CONTROL_OFFSET: Readonly<Record<number, number>> = { 0: OFFSET.cr0, 2: OFFSET.cr2, 3: OFFSET.cr3, 4: OFFSET.cr4, 8: OFFSET.cr8 };

/** Offset in the state area; a number that is no control register was #UD when it was decoded. */
function controlRegister(x: Execution, operand: RegisterOperand): number {
  x.requirePrivilege('access to a control register');
  return CONTROL_OFFSET[operand.index]!;
}

const MOV_FROM_CONTROL = instruction({
  mnemonic: 'MOV',
  title: 'Move from a control register',
  forms: ['0F 20 /r | rm64, CRn | o64', '0F 20 /r | rm32, CRn | i64'],
  operation(x, i) {
    x.write(i.operands[0]!, x.state.quad(controlRegister(x, i.operands[1] as RegisterOperand)));
  },
  source: sdm('2B', '4.3, MOV—Move to/from Control Registers'),
});

const MOV_TO_CONTROL = instruction({
  mnemonic: 'MOV',
  title: 'Move to a control register',
  forms: ['0F 22 /r | CRn, rm64 | o64', '0F 22 /r | CRn, rm32 | i64'],
  operation(x, i) {
    const target = i.operands[0] as RegisterOperand;
    const offset = controlRegister(x, target);
    const value = x.read(i.operands[1]!);
    if (target.index === 0) checkCr0(x, value);
    if (target.index === 3) x.unmodelled('loading CR3: paging structures are not walked, memory is mapped flat');
    if (target.index === 4) checkCr4(x, value);
    if (target.index === 8 && value > 15n) x.fault('#GP', `CR8 bits 63:4 are reserved, the value is ${hex(value)}`, 0);
    x.state.setQuad(offset, target.index === 0 ? value | CR0.ET : value);
  },
  source: sdm('2B', '4.3, MOV—Move to/from Control Registers'),
});

function checkCr0(x: Execution, value: bigint): void {
  if (value >> 32n) x.fault('#GP', 'bits 63:32 of CR0 are reserved', 0);
  if (value & CR0.PG && !(value & CR0.PE)) x.fault('#GP', 'CR0.PG needs CR0.PE', 0);
  if (value & CR0.NW && !(value & CR0.CD)) x.fault('#GP', 'CR0.NW needs CR0.CD', 0);
  if ((value ^ x.state.cr0) & CR0.PG) x.unmodelled('changing CR0.PG (paging structures are not walked yet)');
  if (!(value & CR0.PE) && x.longMode) x.fault('#GP', 'CR0.PE cannot be cleared in IA-32e mode', 0);
}

function checkCr4(x: Execution, value: bigint): void {
  const known = Object.values(CR4).reduce((all, flag) => all | flag, 0n);
  const has = x.cpu.features;
  const absent = (has.has('XSAVE') ? 0n : CR4.OSXSAVE) | (has.has('FSGSBASE') ? 0n : CR4.FSGSBASE) | (has.has('SMEP') ? 0n : CR4.SMEP)
    | (has.has('SMAP') ? 0n : CR4.SMAP) | (has.has('LA57') ? 0n : CR4.LA57);
  if (value >> 32n || value & absent) x.fault('#GP', `CR4 value ${hex(value)} sets a bit that this processor reserves`, 0);
  if (value & ~known) x.unmodelled(`CR4 bits ${hex(value & ~known)}`);
  if ((value ^ x.state.cr4) & (CR4.PAE | CR4.LA57)) {
    if (x.state.efer & 0x400n) x.fault('#GP', 'CR4.PAE and CR4.LA57 cannot change in IA-32e mode', 0);
    x.unmodelled('changing CR4.PAE or CR4.LA57');
  }
}

/** MSRs that are plain cells of the state area. */
const MSR_OFFSET: Readonly<Record<number, number>> = {
  0x174: OFFSET.sysenterCs, 0x175: OFFSET.sysenterEsp, 0x176: OFFSET.sysenterEip, 0x1a0: OFFSET.miscEnable, 0x277: OFFSET.pat,
  0xc000_0080: OFFSET.efer, 0xc000_0081: OFFSET.star, 0xc000_0082: OFFSET.lstar, 0xc000_0083: OFFSET.cstar, 0xc000_0084: OFFSET.fmask,
  0xc000_0100: OFFSET.segments + 32 * FS + 16, 0xc000_0101: OFFSET.segments + 32 * GS + 16, 0xc000_0102: OFFSET.kernelGsBase,
  0xc000_0103: OFFSET.tscAux,
};
/** Those that hold a linear address: a value that is not canonical is #GP(0). SDM vol. 2C, WRMSR. */
const CANONICAL_MSRS: ReadonlySet<number> = new Set([0x175, 0x176, 0xc000_0082, 0xc000_0083, 0xc000_0100, 0xc000_0101, 0xc000_0102]);

function msrOffset(x: Execution, mnemonic: string): [number, number] {
  x.requirePrivilege(mnemonic);
  const msr = Number(u(32, x.state.gpr[RCX]!));
  const offset = MSR_OFFSET[msr];
  return [msr, offset ?? x.unmodelled(`MSR ${hex(msr)}`)];
}

const RDMSR = instruction({
  mnemonic: 'RDMSR',
  title: 'Read from model specific register',
  forms: ['0F 32'],
  cpuid: 'MSR',
  operation(x) {
    const value = x.state.quad(msrOffset(x, 'RDMSR')[1]);
    x.state.gpr[RAX] = u(32, value);
    x.state.gpr[RDX] = value >> 32n;
  },
  source: sdm('2B', '4.3, RDMSR'),
});

const WRMSR = instruction({
  mnemonic: 'WRMSR',
  title: 'Write to model specific register',
  forms: ['0F 30'],
  cpuid: 'MSR',
  operation(x) {
    const [msr, offset] = msrOffset(x, 'WRMSR');
    const value = u(64, x.state.gpr[RDX]! << 32n) | u(32, x.state.gpr[RAX]!);
    if (CANONICAL_MSRS.has(msr) && !isCanonical(value, x.cpu.linearAddressBits)) x.fault('#GP', `${hex(value)} is not canonical`, 0);
    if (msr === 0xc000_0080) checkEfer(x, value);
    x.state.setQuad(offset, value);
  },
  source: sdm('2C', '5.3, WRMSR'),
});

function checkEfer(x: Execution, value: bigint): void {
  if (value & ~0xd01n) x.fault('#GP', `IA32_EFER value ${hex(value)} sets a reserved bit`, 0);
  if ((value ^ x.state.efer) & 0x100n && x.state.cr0 & CR0.PG) x.fault('#GP', 'IA32_EFER.LME cannot change while CR0.PG is 1', 0);
  if ((value ^ x.state.efer) & 0x400n) x.unmodelled('writing IA32_EFER.LMA with another value');
}

const CLTS = instruction({
  mnemonic: 'CLTS',
  title: 'Clear task-switched flag in CR0',
  forms: ['0F 06'],
  operation(x) {
    x.requirePrivilege('CLTS');
    x.state.cr0 &= ~CR0.TS;
  },
  source: sdm('2A', '3.2, CLTS'),
});

const SMSW = instruction({
  mnemonic: 'SMSW',
  title: 'Store machine status word',
  forms: ['0F 01 /4 | rmv', '0F 01 /4 | m16'],
  operation(x, i) {
    x.write(i.operands[0]!, i.operands[0]!.kind === 'memory' ? u(16, x.state.cr0) : u(i.size, x.state.cr0));
  },
  source: sdm('2B', '4.3, SMSW'),
});

/** Loads CR0.PE, MP, EM and TS; it can set PE and never clears it. */
const LMSW = instruction({
  mnemonic: 'LMSW',
  title: 'Load machine status word',
  forms: ['0F 01 /6 | r/m16'],
  operation(x, i) {
    x.requirePrivilege('LMSW');
    const value = x.read(i.operands[0]!) & 0xfn;
    x.state.cr0 = (x.state.cr0 & ~0xen) | value;
  },
  source: sdm('2A', '3.2, LMSW'),
});

/** CLI and STI need CPL <= IOPL; the virtual interrupt flag of VME and PVI is not modelled. */
function requireIopl(x: Execution, mnemonic: string): void {
  const iopl = (x.flags >> 12) & 3;
  if (x.addressing === 'virtual-8086' && iopl < 3) x.fault('#GP', `${mnemonic} in virtual-8086 mode needs IOPL 3, it is ${iopl}`, 0);
  if (x.cpl > iopl) x.fault('#GP', `${mnemonic} needs CPL <= IOPL; they are ${x.cpl} and ${iopl}`, 0);
}

const CLI = instruction({
  mnemonic: 'CLI',
  title: 'Clear interrupt flag',
  forms: ['FA'],
  operation(x) {
    requireIopl(x, 'CLI');
    x.setFlags(IF, 0);
  },
  source: sdm('2A', '3.2, CLI'),
});

/** Interrupts stay blocked until the end of the next instruction, if they were off before. */
const STI = instruction({
  mnemonic: 'STI',
  title: 'Set interrupt flag',
  forms: ['FB'],
  operation(x) {
    requireIopl(x, 'STI');
    x.state.setByte(OFFSET.stiShadow, x.flags & IF ? 0 : 1);
    x.setFlags(IF, IF);
  },
  source: sdm('2B', '4.3, STI'),
});

export const SYSTEM: readonly InstructionDefinition[] = [
  CLTS, SMSW, LMSW, CLI, STI, NOP, PAUSE, HLT, INT3, UD2, CPUID, MOV_FROM_CONTROL, MOV_TO_CONTROL, RDMSR, WRMSR,
];
