import { add, controlOf, divide, multiply, type Outcome, squareRoot } from '../spec/src/numbers/float80.ts';
import { asm64, cpus, type CpuProfile, Machine } from 'hidden-state';
import { digits, median, type Section } from './table.ts';

const ITERATIONS = 5000;
const RUNS = 7;

/** ln 2 is ST(0) and π is ST(1) before each iteration, and behind it. */
const guest = (body: string) => asm64`
        fninit
        fldpi
        fldln2
        mov    ecx, ${ITERATIONS}
next:   ${body}
        dec    ecx
        jne    next
        hlt
data:   dq     0, 0
`;

/** An instruction of the stack, with copies of its operands; and the same without it. */
const unary = (instruction: string) => ({ body: `fld st(0)\n ${instruction}\n fstp st(0)`, without: 'fld st(0)\n fstp st(0)' });
const popping = (instruction: string) =>
  ({ body: `fld st(1)\n fld st(1)\n ${instruction}\n fstp st(0)`, without: 'fld st(1)\n fld st(1)\n fstp st(0)\n fstp st(0)' });
const pushing = (instruction: string) =>
  ({ body: `fld st(0)\n ${instruction}\n fstp st(0)\n fstp st(0)`, without: 'fld st(0)\n fld st(0)\n fstp st(0)\n fstp st(0)' });

const BASIC = {
  'FADD': unary('fadd st(0), st(1)'), 'FMUL': unary('fmul st(0), st(1)'), 'FDIV': unary('fdiv st(0), st(1)'), 'FSQRT': unary('fsqrt'),
  'FRNDINT': unary('frndint'), 'FPREM': unary('fprem'), 'FBLD and FBSTP': { body: 'fbld [data]\n fbstp [data]', without: '' },
};
const FUNCTIONS = {
  F2XM1: unary('f2xm1'), FYL2X: popping('fyl2x'), FYL2XP1: popping('fyl2xp1'), FPATAN: popping('fpatan'), FSIN: unary('fsin'),
  FPTAN: pushing('fptan'),
};

/** Numbers between 1 and 4 as registers hold them, without a pattern. */
const NUMBERS = Array.from({ length: 64 }, (_, n) =>
  (BigInt(0x3fff + (n & 1)) << 64n) | 1n << 63n | (BigInt(n + 1) * 0x1e37_79b9_7f4a_7c15n & ((1n << 63n) - 1n)));
const control = controlOf(0x37f);
/** What is left of an instruction without the machine around it. */
const ARITHMETIC: Readonly<Record<string, (x: bigint, y: bigint) => Outcome>> = {
  'FADD': (x, y) => add(x, y, control), 'FMUL': (x, y) => multiply(x, y, control), 'FDIV': (x, y) => divide(x, y, control),
  'FSQRT': (x) => squareRoot(x, control),
};

/** Microseconds of one operation of the library of numbers. */
function arithmeticAlone(operate: (x: bigint, y: bigint) => Outcome): number {
  const times = Array.from({ length: RUNS + 2 }, () => {
    let flags = 0;
    const started = performance.now();
    for (let n = 0; n < ITERATIONS; n++) flags |= operate(NUMBERS[n & 63]!, NUMBERS[(n + 1) & 63]!).flags;
    if (flags === 0) throw new Error('none of these results is inexact');
    return performance.now() - started;
  });
  return median(times.slice(2)) * 1000 / ITERATIONS;
}

/** Milliseconds of a loop; the first runs of each warm up. */
function milliseconds(body: string, cpu: CpuProfile): number {
  const program = guest(body);
  return median(Array.from({ length: RUNS + 2 }, () => {
    const machine = new Machine(program, { cpu });
    const started = performance.now();
    machine.run({ limit: 1_000_000 });
    return performance.now() - started;
  }).slice(2));
}

const microseconds = ({ body, without }: { body: string; without: string }, cpu: CpuProfile = cpus.ivyBridge): number =>
  Math.max(0, milliseconds(body, cpu) - milliseconds(without, cpu)) * 1000 / ITERATIONS;

/** What x87 instructions cost, beside an addition of integers in the same engine. */
export function x87Operations(): Section {
  // Once for nothing: the engine is compiled while it runs.
  microseconds(BASIC.FADD);
  const addition = microseconds({ body: 'add rax, rbx\n'.repeat(10), without: '' }) / 10;
  const row = (what: string, cost: number) =>
    ({ what, value: `${digits(cost)} µs`, beside: `ADD of two registers ${digits(addition)} µs`, ratio: digits(cost / addition) });
  return {
    title: `x87 instructions, without their loop (median of ${RUNS} runs of ${ITERATIONS.toLocaleString('en')})`,
    rows: [
      ...Object.entries(BASIC).map(([what, loops]) => row(what, microseconds(loops))),
      ...Object.entries(ARITHMETIC).map(([what, operate]) => row(`${what}, its arithmetic alone`, arithmeticAlone(operate))),
      ...Object.entries(FUNCTIONS).flatMap(([what, loops]) => [
        row(`${what}, through 67 bits`, microseconds(loops)), row(`${what}, correctly rounded`, microseconds(loops, cpus.zen4)),
      ]),
    ],
  };
}
