import {
  assemble, cpus, explore, exploreExecutions, externalInterrupt, type ExploreOptions, type Program, xen,
} from 'hidden-state';
import { Exploration } from '../spec/src/explore/exploration.ts';
import { flatKernel } from '../test/explore/kernel.ts';
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

/** A guest that leaves the FPU alone for as long as it is told, after it has used it once. */
const integerGuest = (iterations: number): Program => assemble(`
        fninit
        fld    qword ptr [value]
        mov    ecx, ${iterations}
next:   add    rax, rcx
        rol    rax, 7
        mov    [value], rax
        dec    ecx
        jnz    next
        hlt
value:  dq     1.0
`, { mode: 64 });

/** FCS and FDS do not exist on this processor, so the guest is transparent: every boundary is tried to its end. */
const options: ExploreOptions = { cpu: cpus.haswell, policy: xen.fipWidth8 };

/** Instruction boundaries tried a second, and how that compares with starting the guest anew for each. */
export function boundariesExplored(): Section {
  const rows = [
    { what: 'a world switch, guest with FPU', program: guest(256) },
    { what: 'a world switch, guest without', program: integerGuest(400) },
  ].map(({ what, program }) => {
    const verdict = explore(program, options);
    if (!verdict.transparent) throw new Error(`the measured guest is not transparent: ${verdict.counterexample?.label}`);
    const { boundaries } = verdict;
    // What makes a figure of the run is not part of exploring it.
    return row(what, boundaries, time(() => exploreTrunk(program, boundaries)), time(() => reExecute(program, boundaries), 1));
  });
  return { title: `Exploration: what happens at every boundary (median of ${RUNS} runs)`, rows: [...rows, interrupts()] };
}

const row = (what: string, boundaries: number, trunk: number, anew: number): Section['rows'][number] => ({
  what: `${what}, ${boundaries.toLocaleString('en')} boundaries`,
  value: `${digits(boundaries / trunk * 1000)} /s (${seconds(trunk)})`,
  beside: `${digits(boundaries / anew * 1000)} /s, from the start each (${seconds(anew)})`,
  ratio: `${digits(anew / trunk)} ×`,
});

/** An interrupt at every boundary of a kernel, whose handler leaves no trace. */
function interrupts(): Section['rows'][number] {
  const body = 'mov ecx, 400\nnext: add [x], rcx\n rol qword ptr [x], 3\n dec ecx\n jnz next';
  const handler = 'push rax\n push rcx\n mov ecx, 4\nspin: add rax, rcx\n loop spin\n pop rcx\n pop rax\n iretq';
  const { start, program } = flatKernel(body, { 0x40: handler });
  const irq = externalInterrupt(0x40);
  const outcome: Parameters<typeof exploreExecutions>[0]['outcome'] = ({ machines }) =>
    String(machines[0]!.memory.read(program.symbols['x']!, 8));
  const found = exploreExecutions({ start, occurrences: [irq], outcome });
  if (found.executions.length !== 1) throw new Error('the measured handler leaves a trace');
  const boundaries = found.trunk.length;
  const trunk = time(() => { exploreExecutions({ start, occurrences: [irq], outcome }); });
  const anew = time(() => {
    const first = start(), [machine] = first.machines, before = machine!.snapshot();
    for (let boundary = 0; boundary < boundaries; boundary++) {
      machine!.restore(before);
      machine!.run({ limit: boundary });
      if (irq.possible(machine!)) irq.happen(machine!);
      machine!.run();
      if (outcome(first) !== found.trunkOutcome) throw new Error('the measured handler leaves a trace');
    }
  }, 1);
  return row('an interrupt', boundaries, trunk, anew);
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
