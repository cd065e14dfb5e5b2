/** Instances of the forms on vector registers, for tests of what comes before their operations. */

import { type CpuProfile, Fault, Machine, type Program, cpus } from 'hidden-state';
import { sizeOf } from '../../spec/src/isa/decode.ts';
import { encode, operandSizes } from '../../spec/src/isa/encode.ts';
import type { Form, OperandForm } from '../../spec/src/isa/form.ts';
import { type Mode, featuresOf } from '../../spec/src/isa/instruction.ts';
import type { MemoryOperand, Operand } from '../../spec/src/isa/operand.ts';
import { FORMS } from '../isa/forms.ts';
import { DS } from '../../spec/src/state/fields.ts';

export const VECTOR_FORMS: readonly Form[] = FORMS.filter(({ definition }) => definition.exceptions !== undefined);

/** Where memory operands lie, by RBX and RDI: whole pages around it are mapped. */
export const DATA = 0x3000n;
const CODE = 0x1000n;
const RBX = 3, RDI = 7;

const memory = (size: number, vectorIndex: OperandForm['vectorIndex'], mode: Mode): MemoryOperand => ({
  kind: 'memory', segment: DS, segmentOverridden: false, base: RBX, index: vectorIndex ? 7 : -1, vectorIndex, scale: 1, displacement: 0n,
  ripRelative: false, addressSize: mode === 16 && vectorIndex ? 32 : mode, size, direct: false,
});

function operandOf(form: OperandForm, n: number, size: number, where: 'register' | 'memory', mode: Mode): Operand {
  const bits = sizeOf(form.size, size);
  if (form.place === 'immediate') return { kind: 'immediate', value: 0n, size: bits };
  if (form.memory && (where === 'memory' || !form.register)) return memory(bits, form.vectorIndex, mode);
  return { kind: 'register', file: form.file as 'xmm', index: form.place === 'implicit' ? form.value : n + 1, size: form.registerSize || bits, high: false };
}

/** Bytes of the form, with its memory operand or with registers; undefined where it takes no such, or not in this mode. */
export function instanceOf(form: Form, where: 'register' | 'memory', mode: Mode = 64): Uint8Array | undefined {
  if (form.only === (mode === 64 ? 'legacy' : '64')) return undefined;
  const rm = form.operands.find(({ place }) => place === 'rm');
  if (where === 'memory' ? !rm?.memory : rm && !rm.register) return undefined;
  const [size] = operandSizes(form, mode);
  if (size === undefined) return undefined;
  const bytes = encode({ form, mode, size, operands: form.operands.map((operand, n) => operandOf(operand, n, size, where, mode)) });
  if (typeof bytes === 'string') throw new Error(`${form.text}: ${bytes}`);
  return bytes;
}

const PROFILES: readonly CpuProfile[] = [cpus.sapphireRapids, cpus.zen4];
/** A profile that has the form. */
export function profileOf(form: Form): CpuProfile {
  const found = PROFILES.find((cpu) => featuresOf(form.definition).every((feature) => cpu.features.has(feature)));
  if (!found) throw new Error(`no profile has ${form.definition.mnemonic}`);
  return found;
}

const machines = new Map<string, { machine: Machine; start: ReturnType<Machine['snapshot']> }>();

/** A machine about to execute `bytes`, everything enabled that vector instructions ask for. */
export function machineWith(bytes: Uint8Array, cpu: CpuProfile, mode: 32 | 64 = 64): Machine {
  const key = `${cpu.id} ${mode}`;
  let made = machines.get(key);
  if (!made) {
    const program: Program = { mode, origin: CODE, bytes: new Uint8Array(16), symbols: {}, listing: [], source: '' };
    const machine = new Machine(program, { cpu });
    machine.memory.map(DATA - 0x1000n, 0x3000);
    const { state } = machine;
    // OSFXSR, OSXMMEXCPT, OSXSAVE; NE.
    state.cr4 |= 0x4_0600n;
    state.cr0 |= 0x20n;
    state.xcr0 = 7n;
    state.gpr[RBX] = state.gpr[RDI] = DATA;
    made = { machine, start: machine.snapshot() };
    machines.set(key, made);
  }
  made.machine.restore(made.start);
  made.machine.memory.writeBytes(CODE, bytes);
  made.machine.state.rip = CODE;
  return made.machine;
}

/** The fault that the next instruction raises, as `#UD`, or `none`. */
export function outcomeOf(machine: Machine): string {
  try {
    machine.step();
    return 'none';
  } catch (error) {
    if (error instanceof Fault) return error.mnemonic;
    throw error;
  }
}
