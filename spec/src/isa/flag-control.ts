/** Carry, and RFLAGS as a whole. SDM vol. 1, 5.1.11 and 3.4.3. */

import { u } from '../numbers/bits.ts';
import { laterSdm, sdm } from '../state/citation.ts';
import { RAX } from '../state/fields.ts';
import {
  loadVirtualFlags, requireIopl3, requireVirtualFlags, usesVirtualFlag, virtualImage,
} from './events/virtual-8086.ts';
import { AC, AF, CF, DF, ID, IF, IOPL, NT, PF, RF, SF, STATUS, TF, VM, ZF } from './flags.ts';
import type { Execution } from './execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from './instruction.ts';
import { type RegisterOperand, generalRegister } from './operand.ts';

const AH: RegisterOperand = { ...generalRegister(RAX, 8), high: true };

const CLC = instruction({
  mnemonic: 'CLC',
  title: 'Clear carry flag',
  forms: ['F8'],
  operation(x) {
    x.setFlags(CF, 0);
  },
  source: sdm('2A', '3.2, CLC'),
});

const STC = instruction({
  mnemonic: 'STC',
  title: 'Set carry flag',
  forms: ['F9'],
  operation(x) {
    x.setFlags(CF, CF);
  },
  source: sdm('2B', '4.3, STC'),
});

const CMC = instruction({
  mnemonic: 'CMC',
  title: 'Complement carry flag',
  forms: ['F5'],
  operation(x) {
    x.setFlags(CF, ~x.readFlags(CF));
  },
  source: sdm('2A', '3.2, CMC'),
});

/** In 64-bit mode these two have a CPUID bit: the first 64-bit processors lacked them. */
function requireAhTransfer(x: Execution, mnemonic: string): void {
  if (x.mode === 64 && !x.cpu.features.has('LAHF64')) x.fault('#UD', `${x.cpu.name} has no ${mnemonic} in 64-bit mode`);
}

const LOW_STATUS = SF | ZF | AF | PF | CF;

const LAHF = instruction({
  mnemonic: 'LAHF',
  title: 'Load status flags into AH register',
  forms: ['9F'],
  operation(x) {
    requireAhTransfer(x, 'LAHF');
    x.write(AH, BigInt((x.readFlags(LOW_STATUS) & LOW_STATUS) | 2));
  },
  source: sdm('2A', '3.2, LAHF'),
});

const SAHF = instruction({
  mnemonic: 'SAHF',
  title: 'Store AH into flags',
  forms: ['9E'],
  operation(x) {
    requireAhTransfer(x, 'SAHF');
    x.setFlags(LOW_STATUS, Number(x.read(AH)));
  },
  source: sdm('2B', '4.3, SAHF'),
});

/** VM and RF are 0 in the image. SDM vol. 2B, PUSHF. */
function pushFlags(x: Execution, i: Instruction): void {
  const flags = x.readFlags(STATUS) & ~(VM | RF);
  const virtual = requireFlagAccess(x, i);
  x.push(i.size, u(i.size, BigInt(virtual ? virtualImage(flags) : flags)));
}

/** What POPF changes. SDM vol. 2B, POPF/POPFD/POPFQ, table 4-16. */
function popFlags(x: Execution, i: Instruction): void {
  const virtual = requireFlagAccess(x, i);
  const value = Number(u(32, x.peek(i.size)));
  if (virtual) requireVirtualFlags(x, value);
  x.release(i.size / 8);
  if (virtual) loadVirtualFlags(x, value);
  else loadPoppedFlags(x, i.size, value);
  // RF is cleared, whatever was popped.
  x.setFlags(RF, 0);
}

function loadPoppedFlags(x: Execution, size: number, value: number): void {
  const byPrivilege = (x.cpl === 0 ? IOPL : 0) | (x.cpl <= x.iopl ? IF : 0);
  x.setFlags(STATUS | TF | DF | NT | (size === 16 ? 0 : AC | ID) | byPrivilege, value);
}

/** Virtual-8086 mode below IOPL 3: #GP(0), or with CR4.VME the 16-bit forms on VIF (true). */
function requireFlagAccess(x: Execution, i: Instruction): boolean {
  const virtual = usesVirtualFlag(x) && i.size === 16;
  if (!virtual) requireIopl3(x, i.definition.mnemonic);
  return virtual;
}

/** The mnemonic says the operand size. The 16-bit form is looked at first: in 64-bit mode 66 selects it. */
const SIZES = [['', '| s16 d64'], ['D', '| s32 i64'], ['Q', '| o64 f64']] as const;

const PUSHF = SIZES.map(([suffix, flags]) => instruction({
  mnemonic: `PUSHF${suffix}`,
  ...(suffix === '' ? { aliases: ['PUSHFW'] } : {}),
  title: 'Push flags register onto the stack',
  forms: [`9C | ${flags}`],
  operation: pushFlags,
  source: sdm('2B', '4.3, PUSHF/PUSHFD/PUSHFQ'),
}));

const POPF = SIZES.map(([suffix, flags]) => instruction({
  mnemonic: `POPF${suffix}`,
  ...(suffix === '' ? { aliases: ['POPFW'] } : {}),
  title: 'Pop stack into flags register',
  forms: [`9D | ${flags}`],
  operation: popFlags,
  source: sdm('2B', '4.3, POPF/POPFD/POPFQ'),
}));

/** Later manuals print it; in the edition read D6 is a blank of table A-2, and processors execute it. */
const SALC = instruction({
  mnemonic: 'SALC',
  aliases: ['SETALC'],
  title: 'Set AL if carry',
  forms: ['D6 | | i64'],
  operation(x) {
    x.setGeneral(RAX, 8, x.readFlags(CF) & CF ? 0xffn : 0n);
  },
  source: laterSdm('2D', 'A.3, table A-2'),
});

export const FLAG_CONTROL: readonly InstructionDefinition[] = [SALC, CLC, STC, CMC, LAHF, SAHF, ...PUSHF, ...POPF];
