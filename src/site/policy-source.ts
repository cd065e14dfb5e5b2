import { readFileSync } from 'node:fs';
import * as hiddenState from 'hidden-state';
import type { Policy } from 'hidden-state';

/** A policy of the engine with the source text of its steps, as `PolicyDiff` shows it. */
export interface PolicySource {
  name: string;
  /** By step: `save`, `restore`. */
  steps: Record<string, string>;
  year?: number;
  commit?: string;
}

/** Where each namespace of policies is declared, and the steps that its policies have. */
const NAMESPACES: Readonly<Record<string, { file: string; steps: readonly string[] }>> = {
  xen: { file: 'xen/policies.ts', steps: ['save', 'restore'] },
  xenVcpu: { file: 'xen/vcpu-policies.ts', steps: ['allocate', 'getContext'] },
};

/** Whether a name such as `xen.fipWidth4` is one of a policy of the engine. */
export const namesPolicy = (name: string): boolean => Object.hasOwn(NAMESPACES, name.split('.')[0]!);

/** `xen.fipWidth4` and its steps, as the engine's own source has them. A step that it shares is looked up where it is from. */
export function policySource(name: string, root = process.cwd()): PolicySource {
  const [namespace, id] = name.split('.') as [string, string];
  const { file, steps: names } = NAMESPACES[namespace]!;
  const policies = (hiddenState as Record<string, unknown>)[namespace] as Record<string, unknown>;
  const policy = policies[id] as Policy & Record<string, unknown> | undefined;
  if (!policy?.[names[0]!]) throw new Error(`there is no policy \`${name}\`; there are ${Object.keys(policies).join(', ')}`);
  const text = readFileSync(`${root}/spec/src/hypervisors/${file}`, 'utf8');
  const steps = Object.fromEntries(names.map((step) => [step, stepSource(text, id, step)]));
  return { name: policy.name, steps, year: policy.year, commit: policy.source.kind === 'commit' ? policy.source.commit : '' };
}

/** The member `step` of the declaration of `id`, or of the policy that it spreads. */
function stepSource(text: string, id: string, step: string): string {
  const body = new RegExp(`^export const ${id}: \\w+ = \\w+\\(\\{\\n([\\s\\S]*?)^\\}\\);`, 'm').exec(text)?.[1];
  if (body === undefined) throw new Error(`policy \`${id}\` is not declared as \`export const ${id}: Policy = policy({ … });\``);
  const own = new RegExp(`^ {2}\\*?${step}\\([\\s\\S]*?^ {2}\\},$|^ {2}${step}: .*,$`, 'm').exec(body)?.[0];
  if (own !== undefined) return own.replace(/^ {2}/gm, '').replace(/,$/, '');
  const base = /^ {2}\.\.\.(\w+),$/m.exec(body)?.[1];
  if (base === undefined) throw new Error(`policy \`${id}\` has no step \`${step}\` and spreads no other policy`);
  return stepSource(text, base, step);
}
