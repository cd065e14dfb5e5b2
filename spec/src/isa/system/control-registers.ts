/** Control registers: their bits, what may be written, MOV, CLTS, SMSW and LMSW. SDM vol. 3A, 2.5. */

import { hex, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import type { RegisterOperand } from '../operand.ts';

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

export const CONTROL_REGISTERS: readonly InstructionDefinition[] = [MOV_FROM_CONTROL, MOV_TO_CONTROL, CLTS, SMSW, LMSW];
