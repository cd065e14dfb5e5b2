/** FXSAVE and FXRSTOR. SDM vol. 2A, 3.2. */

import { sdm } from '../../state/citation.ts';
import type { Execution } from '../execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';
import { type Area, areaAt, areaParts, requireArea, writeContents } from '../save-area.ts';
import { CR0, EFER } from '../system/control-bits.ts';
import { touch } from '../x87/unit.ts';
import {
  CONTROL, FIRST_XMM, LEGACY_BYTES, checkedMxcsr, loadX87, loadXmm, mxcsrPiece, wideForm, x87Pieces, xmmPiece,
} from './legacy-region.ts';
import { useSse } from './tracking.ts';

/** Of the control words, what is read before MXCSR is. */
const FIRST_BYTES = 4;

/** #NM, then a memory operand that is aligned on 16 bytes. */
function areaOf(x: Execution, i: Instruction, write: boolean): Area {
  if (x.state.cr0 & (CR0.EM | CR0.TS)) x.fault('#NM', 'CR0.EM or CR0.TS is 1');
  const last = { at: LEGACY_BYTES - 1, bytes: 1 };
  const area = areaAt(x, i.operands[0] as MemoryOperand);
  requireArea(x, area, LEGACY_BYTES, 16, write, last);
  return area;
}

/** AMD's fast form: at CPL 0 in 64-bit mode the XMM registers are left out. APM vol. 2, 3.1.7. */
const withoutXmm = (x: Execution): boolean => (x.state.efer & EFER.FFXSR) !== 0n && x.cpl === 0 && x.mode === 64;

const saving = (mnemonic: string, form: string): InstructionDefinition => instruction({
  mnemonic,
  title: 'Save x87 FPU, MMX technology and SSE state',
  forms: [form],
  cpuid: 'FXSR',
  operation(x, i) {
    writeContents(x, areaOf(x, i, true), LEGACY_BYTES, [
      ...x87Pieces(x, wideForm(x, i.rexW)), mxcsrPiece(x), ...(withoutXmm(x) ? [] : [xmmPiece(x)]),
    ]);
  },
  source: sdm('2A', '3.2, FXSAVE'),
});

const restoring = (mnemonic: string, form: string): InstructionDefinition => instruction({
  mnemonic,
  title: 'Restore x87 FPU, MMX, XMM and MXCSR state',
  forms: [form],
  cpuid: 'FXSR',
  operation(x, i) {
    const part = areaParts(x, areaOf(x, i, false), LEGACY_BYTES);
    part(CONTROL.at, FIRST_BYTES);
    const mxcsr = checkedMxcsr(x, part);
    // What these have brought in stays where a later one faults: measured on a Sapphire Rapids class Xeon.
    part(CONTROL.at, CONTROL.bytes);
    x.state.mxcsr = mxcsr;
    touch(x);
    loadX87(x, part, wideForm(x, i.rexW));
    if (!withoutXmm(x)) part(FIRST_XMM.at, FIRST_XMM.bytes);
    useSse(x);
    if (!withoutXmm(x)) loadXmm(x, part);
  },
  source: sdm('2A', '3.2, FXRSTOR'),
});

export const FXSAVE_FAMILY: readonly InstructionDefinition[] = [
  saving('FXSAVE64', 'NP REX.W + 0F AE /0 | m | o64'), saving('FXSAVE', 'NP 0F AE /0 | m'),
  restoring('FXRSTOR64', 'NP REX.W + 0F AE /1 | m | o64'), restoring('FXRSTOR', 'NP 0F AE /1 | m'),
];
