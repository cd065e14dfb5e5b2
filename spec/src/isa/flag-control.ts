/** Carry, and RFLAGS as a whole. SDM vol. 1, 5.1.11 and 3.4.3. */

import { u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { AC, AF, CF, DF, ID, IF, NT, PF, RF, SF, STATUS, TF, VM, ZF } from './flags.ts';
import type { Execution } from './execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from './instruction.ts';

const IOPL = 0x3000, IOPL_SHIFT = 12;
const AH = { kind: 'register', file: 'gpr', index: 0, size: 8, high: true } as const;

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

const iopl = (x: Execution): number => (x.flags & IOPL) >> IOPL_SHIFT;

/** Virtual-8086 mode below IOPL 3: #GP(0), or with CR4.VME the 16-bit forms on VIF. */
function requireIopl(x: Execution, i: Instruction): void {
  const { mnemonic } = i.definition;
  const refused = (x.flags & VM) !== 0 && iopl(x) < 3;
  if (refused && i.size === 16 && x.state.cr4 & 1n) x.unmodelled(`${mnemonic} with virtual-8086 mode extensions`);
  if (refused) x.fault('#GP', `${mnemonic} in virtual-8086 mode needs IOPL 3, it is ${iopl(x)}`, 0);
}

function pushFlags(x: Execution, i: Instruction): void {
  requireIopl(x, i);
  x.push(i.size, u(i.size, BigInt(x.readFlags(STATUS) & ~(VM | RF))));
}

function popFlags(x: Execution, i: Instruction): void {
  requireIopl(x, i);
  const popped = Number(u(32, x.peek(i.size)));
  const byPrivilege = (x.cpl === 0 ? IOPL : 0) | (x.cpl <= iopl(x) ? IF : 0);
  const always = STATUS | TF | DF | NT | (i.size === 16 ? 0 : AC | ID | RF);
  x.release(i.size / 8);
  // RF is cleared, whatever was popped.
  x.setFlags(always | byPrivilege, popped & ~RF);
}

/** The mnemonic says the operand size. The 16-bit form is looked at first: in 64-bit mode 66 selects it. */
const SIZES = [['', '| s16 d64'], ['D', '| s32 i64'], ['Q', '| o64 f64']] as const;

const PUSHF = SIZES.map(([suffix, flags]) => instruction({
  mnemonic: `PUSHF${suffix}`,
  title: 'Push flags register onto the stack',
  forms: [`9C | ${flags}`],
  operation: pushFlags,
  source: sdm('2B', '4.3, PUSHF/PUSHFD/PUSHFQ'),
}));

const POPF = SIZES.map(([suffix, flags]) => instruction({
  mnemonic: `POPF${suffix}`,
  title: 'Pop stack into flags register',
  forms: [`9D | ${flags}`],
  operation: popFlags,
  source: sdm('2B', '4.3, POPF/POPFD/POPFQ'),
}));

export const FLAG_CONTROL: readonly InstructionDefinition[] = [CLC, STC, CMC, LAHF, SAHF, ...PUSHF, ...POPF];
