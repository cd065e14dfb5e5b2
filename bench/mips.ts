import { asm64, cpus, Machine } from 'hidden-state';
import { digits, median, type Section } from './table.ts';

const ITERATIONS = 100_000;
const PER_ITERATION = 7;
const RUNS = 5;

/** Arithmetic, logic, an address, a shift, a compare and a branch: the mix of an ordinary integer loop. */
const guest = asm64`
        mov    ecx, 100000
        xor    eax, eax
        mov    ebx, 1
next:   add    rax, rbx
        lea    rbx, [rbx+rax*2]
        xor    rbx, rcx
        shr    rax, 1
        sub    rcx, 1
        cmp    rcx, 0
        jne    next
        hlt
`;

/** The same loop by hand, in the same bigint arithmetic: what an interpreter could reach if it cost nothing. */
function byHand(): bigint {
  let rax = 0n, rbx = 1n;
  for (let rcx = BigInt(ITERATIONS); rcx !== 0n;) {
    rax = BigInt.asUintN(64, rax + rbx);
    rbx = BigInt.asUintN(64, rbx + rax * 2n);
    rbx ^= rcx;
    rax >>= 1n;
    rcx = BigInt.asUintN(64, rcx - 1n);
  }
  return rax;
}

/** Millions of guest instructions a second. */
export function guestMips(): Section {
  const expected = byHand();
  const engine: number[] = [];
  const hand: number[] = [];
  let instructions = 0;
  for (let run = 0; run <= RUNS; run++) {
    const machine = new Machine(guest, { cpu: cpus.ivyBridge });
    let started = performance.now();
    ({ executed: instructions } = machine.run({ limit: 10_000_000 }));
    engine.push(performance.now() - started);
    if (machine.state.gpr[0] !== expected) throw new Error(`the guest computed ${machine.state.gpr[0]}, by hand it is ${expected}`);
    started = performance.now();
    byHand();
    hand.push(performance.now() - started);
  }
  // The first run of each warmed up.
  const [own, peer] = [median(engine.slice(1)), median(hand.slice(1))];
  const mips = (milliseconds: number): number => instructions / milliseconds / 1000;
  return {
    title: `Guest speed: an integer loop of ${(ITERATIONS * PER_ITERATION).toLocaleString('en')} instructions (median of ${RUNS} runs)`,
    rows: [{
      what: 'fetched, decoded and executed', value: `${digits(mips(own))} MIPS`,
      beside: `${digits(mips(peer))} MIPS written by hand in TypeScript`, ratio: `1/${digits(own / peer)}`,
    }],
  };
}
