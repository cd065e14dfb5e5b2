import { DOUBLE, SINGLE, add, compareTo, divide, fusedMultiplyAdd, multiply, simdControlOf, squareRoot } from '../spec/src/numbers/simd.ts';
import { asm64, cpus, Machine } from 'hidden-state';
import { digits, median, type Section } from './table.ts';

const OPERANDS = 1024, ROUNDS = 20, RUNS = 5;
const control = simdControlOf(0x1f80), signs = { negateProduct: false, negateAddend: false };

/** Numbers between 1 and 4, without a pattern: all results are normal, and nearly all inexact. */
const values = Float64Array.from({ length: OPERANDS + 2 }, (_, n) => 1 + ((n * 0.618_033_988_749_894_8) % 1) * 3);
const doubles = [...new BigUint64Array(values.buffer)];
const singles = [...new Uint32Array(Float32Array.from(values).buffer)].map(BigInt);

/** Nanoseconds an operation. What it answers is added up, so that nothing can be left out. */
function cost(operate: (n: number) => number): number {
  const times = Array.from({ length: RUNS + 1 }, () => {
    let sum = 0;
    const started = performance.now();
    for (let round = 0; round < ROUNDS; round++) for (let n = 0; n < OPERANDS; n++) sum += operate(n);
    if (Number.isNaN(sum)) throw new Error('a result is no number');
    return (performance.now() - started) / (ROUNDS * OPERANDS) * 1e6;
  });
  // The first run warmed up.
  return median(times.slice(1));
}

/** Name, the engine's operation, the host's on numbers. */
const OPERATIONS: readonly [string, (n: number) => { flags: number }, (x: number, y: number, z: number) => number][] = [
  ['ADDSS', (n) => add(SINGLE, singles[n]!, singles[n + 1]!, control), (x, y) => Math.fround(x + y)],
  ['ADDSD', (n) => add(DOUBLE, doubles[n]!, doubles[n + 1]!, control), (x, y) => x + y],
  ['MULSD', (n) => multiply(DOUBLE, doubles[n]!, doubles[n + 1]!, control), (x, y) => x * y],
  ['DIVSD', (n) => divide(DOUBLE, doubles[n]!, doubles[n + 1]!, control), (x, y) => x / y],
  ['SQRTSD', (n) => squareRoot(DOUBLE, doubles[n]!, control), (x) => Math.sqrt(x)],
  ['VFMADD213SD', (n) => fusedMultiplyAdd(DOUBLE, doubles[n]!, doubles[n + 1]!, doubles[n + 2]!, signs, control), (x, y, z) => x * y + z],
  ['CMPSD', (n) => compareTo(DOUBLE, doubles[n]!, doubles[n + 1]!, 1, control), (x, y) => Number(x < y)],
];

const guest = (instruction: string) => asm64`
        mov    ecx, 5000
        movaps xmm1, [ones]
next:   ${instruction}
        ${instruction}
        ${instruction}
        ${instruction}
        sub    ecx, 1
        jne    next
        hlt
        align  16
ones:   dd     1.1, 1.2, 1.3, 1.4
`;

/** Nanoseconds an instruction, loop and all. */
function instructionCost(instruction: string): number {
  const program = guest(instruction);
  const times = Array.from({ length: RUNS + 1 }, () => {
    const machine = new Machine(program, { cpu: cpus.haswell });
    const started = performance.now();
    const { executed } = machine.run({ limit: 1_000_000 });
    return (performance.now() - started) / executed * 1e6;
  });
  return median(times.slice(1));
}

/** What bit-exact floating point costs: its flags are why it is not the host's. */
export function floatingPoint(): Section {
  const lanes = OPERATIONS.map(([what, engine, host]) => {
    const own = cost((n) => engine(n).flags), peer = cost((n) => host(values[n]!, values[n + 1]!, values[n + 2]!));
    return { what: `${what}, a lane with its flags`, value: `${digits(own)} ns`, beside: `${digits(peer)} ns on the host, without`, ratio: `${digits(own / peer)}` };
  });
  const move = instructionCost('movaps xmm0, xmm1');
  const instructions = ['addss xmm0, xmm1', 'addps xmm0, xmm1', 'divps xmm0, xmm1', 'sqrtps xmm0, xmm1'].map((instruction) => {
    const own = instructionCost(instruction);
    return { what: `${instruction}, in a loop`, value: `${digits(own)} ns`, beside: `${digits(move)} ns for movaps`, ratio: digits(own / move) };
  });
  return { title: `Floating point of vectors (median of ${RUNS} runs)`, rows: [...lanes, ...instructions] };
}
