import { assemble, cpus, explore, type ExploreOptions, type Program, xen } from 'hidden-state';
import { Exploration } from '../spec/src/explore/exploration.ts';
import { digits, median, seconds, type Section } from './table.ts';

const RUNS = 3;

/** A guest that computes with the FPU for as long as it is told, and keeps its results. */
const guest = (iterations: number): Program => assemble(`
        mov    ecx, ${iterations}
        fninit
next:   fld    qword ptr [value]
        fmul   qword ptr [factor]
        fstp   qword ptr [value]
        movups xmm0, [value]
        movups [copy], xmm0
        dec    ecx
        jnz    next
        hlt
        align  16
value:  dq     1.0, 2.0
factor: dq     1.0009765625
        align  16
copy:   resb   16
`, { mode: 64 });

/** FCS and FDS do not exist on this processor, so the guest is transparent: every boundary is tried to its end. */
const options: ExploreOptions = { cpu: cpus.haswell, policy: xen.fipWidth8 };

/** Instruction boundaries tried a second, and how that compares with starting the guest anew for each. */
export function boundariesExplored(): Section {
  const rows = [32, 256].map((iterations) => {
    const program = guest(iterations);
    const verdict = explore(program, options);
    if (!verdict.transparent) throw new Error(`the measured guest is not transparent: ${verdict.counterexample?.label}`);
    const { boundaries } = verdict;
    // What makes a figure of the run is not part of exploring it.
    const trunk = time(() => exploreTrunk(program, boundaries));
    const anew = time(() => reExecute(program, boundaries), 1);
    return {
      what: `${boundaries.toLocaleString('en')} boundaries`,
      value: `${digits(boundaries / trunk * 1000)} /s (${seconds(trunk)})`,
      beside: `${digits(boundaries / anew * 1000)} /s, from the start each (${seconds(anew)})`,
      ratio: `${digits(anew / trunk)} ×`,
    };
  });
  return { title: `Exploration: a world switch at every boundary (median of ${RUNS} runs)`, rows };
}

function exploreTrunk(program: Program, boundaries: number): void {
  const run = new Exploration(program, options);
  for (let boundary = 0; boundary < boundaries; boundary++) tryAndAdvance(run);
}

/** The machine is put back to the guest's first instruction for each boundary, which is cheaper than making a new one. */
function reExecute(program: Program, boundaries: number): void {
  const run = new Exploration(program, options);
  run.tryBoundary();
  const start = run.machine.snapshot();
  for (let boundary = 0; boundary < boundaries; boundary++) {
    run.machine.restore(start);
    for (let step = 0; step < boundary; step++) run.advance();
    tryAndAdvance(run);
  }
}

function tryAndAdvance(run: Exploration): void {
  if (run.tryBoundary().differences.length > 0) throw new Error('the measured guest is not transparent');
  run.advance();
}

function time(job: () => void, runs = RUNS): number {
  return median(Array.from({ length: runs }, () => {
    const started = performance.now();
    job();
    return performance.now() - started;
  }));
}
