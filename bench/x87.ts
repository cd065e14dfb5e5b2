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
      ...Object.entries(FUNCTIONS).flatMap(([what, loops]) => [
        row(`${what}, through 67 bits`, microseconds(loops)), row(`${what}, correctly rounded`, microseconds(loops, cpus.zen4)),
      ]),
    ],
  };
}
