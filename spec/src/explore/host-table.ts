/** Kernels × what happens to them: the verdict table of hosts. */

import type { Program } from '../asm/assemble.ts';
import type { Kernel } from '../hypervisors/kvm/kernel.ts';
import { type Executions, exploreExecutions } from './executions.ts';
import { type Happening, type HostExecutionOptions, hostExecutions } from './host-executions.ts';
import type { PolicySummary, Verdict, VerdictTable, Window } from './verdict.ts';

/** A column: one thing that happens, once, at every boundary at which it can. */
export interface HostColumn extends Omit<HostExecutionOptions, 'kernel' | 'happenings' | 'step' | 'senders'> {
  readonly id: string;
  readonly name: string;
  readonly happening: Happening;
}

/** Explores every cell. Throws as `hostExecutions` and `exploreExecutions` do. */
export function tabulateHosts(
  { kernels, columns }: { kernels: readonly Kernel[]; columns: readonly HostColumn[] },
): VerdictTable {
  return {
    cpus: columns.map(({ id, name }) => ({ id, name })), across: 'events and processors',
    rows: kernels.map((kernel) =>
      ({ policy: summarise(kernel), cells: columns.map((column) => cell(kernel, column)) })),
  };
}

const summarise = ({ id, name, year, source, summary }: Kernel): PolicySummary =>
  ({ id, name, year, commit: source.kind === 'commit' ? source.commit : '', summary });

function cell(kernel: Kernel, column: HostColumn): Verdict {
  const { name, happening } = column;
  const { host, ...executions } = hostExecutions({ ...column, kernel, happenings: [happening] });
  const found = exploreExecutions(executions);
  const windows = windowsOf(found, happening, host().program);
  const fields = [...new Set(windows.map(({ outcome, harmless }) => outcome.split(', ').at(harmless ? -1 : 0)!))];
  return {
    transparent: windows.length === 0, cpu: name, policy: kernel.name,
    boundaries: found.trunk.filter(({ outcomes }) => outcomes[happening]).length,
    fields, ended: '', windows, timeline: { lanes: [], fields: [], steps: [] },
  };
}

/** Everything that does not end well, by outcome, in order of appearance. */
export function windowsOf({ trunk }: Executions, happening: string, program: Program): Window[] {
  const functions = functionsOf(program);
  const windows = new Map<string, Window>();
  for (const { rip, outcomes } of trunk) {
    for (const outcome of outcomes[happening] ?? []) {
      if (outcome === 'fine') continue;
      const window = windows.get(outcome)
        ?? { outcome, harmless: outcome.startsWith('fine'), boundaries: 0, where: [] };
      windows.set(outcome, window);
      window.boundaries++;
      const name = functions.find(({ address }) => address <= rip)?.name ?? 'elsewhere';
      const place = window.where.find((each) => each.name === name);
      if (place) place.boundaries++;
      else window.where.push({ name, boundaries: 1 });
    }
  }
  return [...windows.values()];
}

/** Functions by address, the highest first: labels that some CALL or gate names, not those within a function. */
function functionsOf({ symbols, listing }: Program): { name: string; address: bigint }[] {
  const called = new Set(listing.flatMap(({ text }) => /^(?:call|jmp)\s+(\w+)$/.exec(text)?.[1] ?? []));
  const entries = /_interrupt$|^(?:nmi|machine_check|user|guest_code|entry_syscall|vcpu_\w+|kvm_\w+)$/;
  return Object.entries(symbols)
    .filter(([name]) => !/_(?:is|waits|known|begun|ended|again|done)\b|_is_|_return$|^no_|^irq/.test(name))
    .filter(([name]) => called.has(name) || entries.test(name))
    .map(([name, address]) => ({ name, address }))
    .toSorted((a, b) => (a.address < b.address ? 1 : -1));
}
