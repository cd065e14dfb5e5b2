/** FADD, FSUB, FMUL, FDIV and their relatives: one shape, four operations and two reversals. SDM vol. 2A, 3.2. */

import {
  type Control, type Outcome, type Source, add, divide, divideReversed, fromFloat32, fromFloat64, fromInteger, multiply,
  subtract, subtractReversed,
} from '../../numbers/float80.ts';
import { sdm } from '../../state/citation.ts';
import type { Execution } from '../execution.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';
import { control, indexOf, isEmpty, pop, setSt, signal, stOperand, underflow, x87Instruction } from './unit.ts';

type Compute = (destination: Source, source: Source, control: Control) => Outcome;

/** ST(`to`) := ST(`to`) op source, with the stack checks and the exception response. */
function deliver(x: Execution, to: number, empty: boolean, compute: () => Outcome): boolean {
  const outcome = empty ? underflow(x.state) : compute();
  signal(x.state, outcome.flags, outcome.c1);
  if (outcome.written) setSt(x.state, to, outcome.value);
  return outcome.written;
}

interface Family {
  mnemonic: string;
  title: string;
  /** Digit of the memory forms and of D8 C0+i; digit of DC and DE with a register destination. */
  digit: number;
  reversedDigit: number;
  compute: Compute;
  source: ReturnType<typeof sdm>;
}

const row = (digit: number): string => (0xc0 + digit * 8).toString(16).toUpperCase();

function family({ mnemonic, title, digit, reversedDigit, compute, source }: Family): InstructionDefinition[] {
  const withMemory = (
    name: string, forms: string[], convert: (i: Instruction, bits: bigint) => Source,
  ): InstructionDefinition => x87Instruction({
    mnemonic: name,
    title,
    forms,
    kind: 'arithmetic',
    operation(x, i) {
      const memory = i.operands[0] as MemoryOperand;
      const bits = x.load(memory, memory.size / 8);
      deliver(x, 0, isEmpty(x.state, 0), () => compute(stOperand(x.state, 0), convert(i, bits), control(x.state)));
    },
    source,
  });
  const withRegisters = (name: string, forms: string[], pops: boolean): InstructionDefinition => x87Instruction({
    mnemonic: name,
    title: pops ? `${title} and pop` : title,
    forms,
    kind: 'arithmetic',
    operation(x, i) {
      const [to, from] = [indexOf(i), indexOf(i, 1)];
      const empty = isEmpty(x.state, to) || isEmpty(x.state, from);
      const written = deliver(x, to, empty, () =>
        compute(stOperand(x.state, to), stOperand(x.state, from), control(x.state)));
      if (pops && written) pop(x.state);
    },
    source,
  });
  return [
    withMemory(mnemonic, [`D8 /${digit} | m32fp`, `DC /${digit} | m64fp`], (i, bits) =>
      (i.operands[0] as MemoryOperand).size === 32 ? fromFloat32(bits) : fromFloat64(bits)),
    withRegisters(mnemonic, [`D8 ${row(digit)}+i | ST(0), ST(i)`, `DC ${row(reversedDigit)}+i | ST(i), ST(0)`], false),
    withRegisters(`${mnemonic}P`, [`DE ${row(reversedDigit)}+i | ST(i), ST(0)`], true),
    withMemory(`FI${mnemonic.slice(1)}`, [`DA /${digit} | m32int`, `DE /${digit} | m16int`], (i, bits) =>
      fromInteger((i.operands[0] as MemoryOperand).size as 16 | 32, bits)),
  ];
}

export const X87_ARITHMETIC: readonly InstructionDefinition[] = [
  ...family({
    mnemonic: 'FADD', title: 'Add floating point', digit: 0, reversedDigit: 0, compute: add,
    source: sdm('2A', '3.2, FADD/FADDP/FIADD'),
  }),
  ...family({
    mnemonic: 'FMUL', title: 'Multiply floating point', digit: 1, reversedDigit: 1, compute: multiply,
    source: sdm('2A', '3.2, FMUL/FMULP/FIMUL'),
  }),
  ...family({
    mnemonic: 'FSUB', title: 'Subtract floating point', digit: 4, reversedDigit: 5, compute: subtract,
    source: sdm('2A', '3.2, FSUB/FSUBP/FISUB'),
  }),
  ...family({
    mnemonic: 'FSUBR', title: 'Reverse subtract floating point', digit: 5, reversedDigit: 4, compute: subtractReversed,
    source: sdm('2A', '3.2, FSUBR/FSUBRP/FISUBR'),
  }),
  ...family({
    mnemonic: 'FDIV', title: 'Divide floating point', digit: 6, reversedDigit: 7, compute: divide,
    source: sdm('2A', '3.2, FDIV/FDIVP/FIDIV'),
  }),
  ...family({
    mnemonic: 'FDIVR', title: 'Reverse divide floating point', digit: 7, reversedDigit: 6, compute: divideReversed,
    source: sdm('2A', '3.2, FDIVR/FDIVRP/FIDIVR'),
  }),
];
