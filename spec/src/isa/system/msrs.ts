/** RDMSR and WRMSR. SDM vol. 3C, chapter 35. */

import { hex, isCanonical, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { FS, GS, OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { CR0 } from './control-bits.ts';

const RAX = 0, RCX = 1, RDX = 2;

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

export const MSRS: readonly InstructionDefinition[] = [RDMSR, WRMSR];
