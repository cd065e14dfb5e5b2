/** Control registers: their bits, what may be written, MOV, CLTS, SMSW and LMSW. SDM vol. 3A, 2.5. */

import { hex, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import type { Feature } from '../../cpus/features.table.ts';
import { CS, OFFSET, TR } from '../../state/fields.ts';
import { ATTRIBUTE } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import type { RegisterOperand } from '../operand.ts';
import { driveFerr } from '../x87/unit.ts';
import { CR0, CR4, EFER } from './control-bits.ts';
import { loadPageDirectoryBase, readPdptes, setPdptes, usesPdptes } from './page-directory-base.ts';
import { preventInUserMode } from './umip.ts';

/** Bits of CR4 that a processor reserves unless it has the feature. */
const CR4_FEATURES: readonly (readonly [bit: bigint, feature: Feature])[] = [
  [CR4.VME, 'VME'], [CR4.PVI, 'VME'], [CR4.PSE, 'PSE'], [CR4.LA57, 'LA57'], [CR4.FSGSBASE, 'FSGSBASE'],
  [CR4.PCIDE, 'PCID'], [CR4.OSXSAVE, 'XSAVE'],
  [CR4.SMEP, 'SMEP'], [CR4.SMAP, 'SMAP'], [CR4.PKE, 'PKU'], [CR4.UMIP, 'UMIP'],
];

const CR4_CET = 0x80_0000n;
/** Bits that would start what the engine lacks, and the state components of IA32_XSS of which a processor has one. */
const CR4_LACKING: readonly (readonly [bit: bigint, components: bigint, what: string])[] = [
  [CR4_CET, 0x1800n, 'shadow stacks and tracking of indirect branches (CR4.CET)'],
  [0x200_0000n, 0x4000n, 'user interrupts (CR4.UINTR)'],
];

const CONTROL_OFFSET: Readonly<Record<number, number>> = {
  0: OFFSET.cr0, 2: OFFSET.cr2, 3: OFFSET.cr3, 4: OFFSET.cr4, 8: OFFSET.cr8,
};

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
    switch (target.index) {
      case 0: writeCr0(x, value); break;
      case 3: loadPageDirectoryBase(x, value); break;
      case 4: writeCr4(x, value); break;
      default: {
        if (target.index === 8 && value > 15n) {
          x.fault('#GP', `CR8 bits 63:4 are reserved, the value is ${hex(value)}`, 0);
        }
        x.state.setQuad(offset, value);
      }
    }
  },
  source: sdm('2B', '4.3, MOV—Move to/from Control Registers'),
});

const CR0_BITS = Object.values(CR0).reduce((all, flag) => all | flag, 0n);

/** Writes CR0; reserved bits below 32 are ignored. PG enters and leaves IA-32e mode where IA32_EFER.LME says so. */
function writeCr0(x: Execution, written: bigint): void {
  const { state } = x;
  const value = (written & CR0_BITS) | CR0.ET;
  const changed = value ^ state.cr0;
  if (written >> 32n) x.fault('#GP', 'bits 63:32 of CR0 are reserved', 0);
  if (value & CR0.PG && !(value & CR0.PE)) x.fault('#GP', 'CR0.PG needs CR0.PE', 0);
  if (value & CR0.NW && !(value & CR0.CD)) x.fault('#GP', 'CR0.NW needs CR0.CD', 0);
  const toggled = (changed & CR0.PG) !== 0n;
  const long = toggled && (value & CR0.PG) !== 0n && (state.efer & EFER.LME) !== 0n;
  if (long) checkEnteringLongMode(x);
  if (toggled && !(value & CR0.PG)) checkLeavingPaging(x);
  const reloads = (changed & (CR0.PG | CR0.CD | CR0.NW)) !== 0n && !long && usesPdptes(x, value, state.cr4);
  const pdptes = reloads ? readPdptes(x, state.quad(OFFSET.cr3)) : undefined;
  if (pdptes) setPdptes(x, pdptes);
  if (toggled) {
    state.efer = long ? state.efer | EFER.LMA : state.efer & ~EFER.LMA;
    state.setByte(OFFSET.flatMapping, 0);
  }
  state.cr0 = value;
  if (toggled) x.paging.invalidate({ kind: 'all' });
  else x.paging.changed();
  if (changed & CR0.NE) driveFerr(x);
}

/** SDM vol. 3A, 9.8.5. */
function checkEnteringLongMode(x: Execution): void {
  if (!(x.state.cr4 & CR4.PAE)) x.fault('#GP', 'IA-32e mode needs CR4.PAE', 0);
  if (x.state.attributes(CS) & ATTRIBUTE.long) x.fault('#GP', 'IA-32e mode cannot be entered while CS.L is 1', 0);
  if (isSixteenBitTss(x.state.attributes(TR))) {
    x.fault('#GP', 'IA-32e mode cannot be entered with a 16-bit task state segment in TR', 0);
  }
}

const isSixteenBitTss = (attributes: number): boolean => (attributes & 0x9d) === 0x81;

function checkLeavingPaging(x: Execution): void {
  if (x.mode === 64) x.fault('#GP', 'paging cannot be turned off in 64-bit mode', 0);
  if (x.state.cr4 & CR4.PCIDE) x.fault('#GP', 'paging cannot be turned off while CR4.PCIDE is 1', 0);
}

/** Changes of CR4 that invalidate all translations. SDM vol. 3A, 4.10.4.1; LA57 cannot change while there are any. */
const FLUSHING = CR4.PSE | CR4.PAE | CR4.PGE | CR4.PCIDE | CR4.SMEP;

function writeCr4(x: Execution, value: bigint): void {
  const { state } = x;
  const changed = value ^ state.cr4;
  const known = Object.values(CR4).reduce((all, flag) => all | flag, 0n);
  const absent = CR4_FEATURES.reduce((all, [bit, feature]) => (x.cpu.features.has(feature) ? all : all | bit), 0n)
    | CR4_LACKING.reduce((all, [bit, components]) => ((x.cpu.xss ?? 0n) & components ? all : all | bit), 0n);
  if (value >> 32n || value & absent) {
    x.fault('#GP', `CR4 value ${hex(value)} sets a bit that this processor reserves`, 0);
  }
  if (value & CR4_CET && !(state.cr0 & CR0.WP)) x.fault('#GP', 'CR4.CET needs CR0.WP', 0);
  for (const [bit, , what] of CR4_LACKING) if (value & bit) x.unmodelled(what);
  if (value & ~known) x.unmodelled(`CR4 bits ${hex(value & ~known)}`);
  if (x.longMode && changed & (CR4.PAE | CR4.LA57)) {
    x.fault('#GP', 'CR4.PAE and CR4.LA57 cannot change in IA-32e mode', 0);
  }
  if (changed & value & CR4.PCIDE) checkIdentifiers(x);
  const reloads = (changed & (CR4.PAE | CR4.PGE | CR4.PSE | CR4.SMEP)) !== 0n && usesPdptes(x, state.cr0, value);
  const pdptes = reloads ? readPdptes(x, state.quad(OFFSET.cr3)) : undefined;
  if (pdptes) setPdptes(x, pdptes);
  state.cr4 = value;
  if (changed & FLUSHING) x.paging.invalidate({ kind: 'all' });
  else x.paging.changed();
}

/** Process-context identifiers can be turned on in IA-32e mode while the current one is 0. SDM vol. 3A, 4.10.1. */
function checkIdentifiers(x: Execution): void {
  if (!x.longMode) x.fault('#GP', 'CR4.PCIDE needs IA-32e mode', 0);
  if (x.state.quad(OFFSET.cr3) & 0xfffn) x.fault('#GP', 'CR4.PCIDE cannot be set while CR3[11:0] is not 0', 0);
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
    preventInUserMode(x, 'SMSW');
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

export const CONTROL_REGISTERS: readonly InstructionDefinition[] = [MOV_FROM_CONTROL, MOV_TO_CONTROL, CLTS, SMSW, LMSW];
