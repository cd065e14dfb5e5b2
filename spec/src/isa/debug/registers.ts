/** MOV from and to the debug registers. SDM vol. 2B, MOV—Move to/from Debug Registers; vol. 3B, 17.2. */

import { hex } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import type { RegisterOperand } from '../operand.ts';
import { CR4 } from '../system/control-bits.ts';
import { DR6, DR7, asDr6, asDr7, raiseDebug } from './status.ts';

/** DR4 and DR5 are other names of DR6 and DR7, unless CR4.DE takes them away. SDM vol. 3B, 17.2.2. */
const DEBUG_OFFSET = [
  OFFSET.dr0, OFFSET.dr1, OFFSET.dr2, OFFSET.dr3, OFFSET.dr6, OFFSET.dr7, OFFSET.dr6, OFFSET.dr7,
] as const;

/** Offset in the state area, once the access is allowed. The order of the three checks is that of KVM's emulator. */
function debugRegister(x: Execution, { index }: RegisterOperand): number {
  x.requirePrivilege('access to a debug register');
  if ((index === 4 || index === 5) && x.state.cr4 & CR4.DE) {
    x.fault('#UD', `DR${index} does not exist while CR4.DE is 1`);
  }
  if (x.state.quad(OFFSET.dr7) & DR7.GD) {
    raiseDebug(x, DR6.BD, 'fault', 'a debug register is accessed while DR7.GD is 1');
  }
  return DEBUG_OFFSET[index]!;
}

/** A value as the register keeps it; in 64-bit mode DR6 and DR7 do not take one that sets bits 63:32. */
function kept(x: Execution, offset: number, value: bigint): bigint {
  const status = offset === OFFSET.dr6;
  if (!status && offset !== OFFSET.dr7) return value;
  if (value >> 32n) {
    x.fault('#GP', `bits 63:32 of ${status ? 'DR6' : 'DR7'} are reserved, the value is ${hex(value)}`, 0);
  }
  return status ? asDr6(value) : asDr7(value);
}

const MOV_FROM_DEBUG = instruction({
  mnemonic: 'MOV',
  title: 'Move from a debug register',
  forms: ['0F 21 /r | rm64, DRn | o64', '0F 21 /r | rm32, DRn | i64'],
  operation(x, i) {
    x.write(i.operands[0]!, x.state.quad(debugRegister(x, i.operands[1] as RegisterOperand)));
  },
  source: sdm('2B', '4.3, MOV—Move to/from Debug Registers'),
});

const MOV_TO_DEBUG = instruction({
  mnemonic: 'MOV',
  title: 'Move to a debug register',
  forms: ['0F 23 /r | DRn, rm64 | o64', '0F 23 /r | DRn, rm32 | i64'],
  operation(x, i) {
    const offset = debugRegister(x, i.operands[0] as RegisterOperand);
    x.state.setQuad(offset, kept(x, offset, x.read(i.operands[1]!)));
  },
  source: sdm('2B', '4.3, MOV—Move to/from Debug Registers'),
});

export const DEBUG_REGISTERS: readonly InstructionDefinition[] = [MOV_FROM_DEBUG, MOV_TO_DEBUG];
