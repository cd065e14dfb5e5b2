import { readFileSync, readdirSync } from 'node:fs';
import * as hiddenState from 'hidden-state';
import type { Policy, kvm } from 'hidden-state';

/** A policy of the engine with the source text of its steps, as `PolicyDiff` shows it. */
export interface PolicySource {
  name: string;
  /** By step: `save`, `restore`; for a policy that translates segments, its rules and what they name. */
  steps: Record<string, string>;
  year?: number;
  commit?: string;
}

/** All steps that a policy may have; kernels carry their functions as text. */
const STEPS = ['save', 'restore', 'allocate', 'getContext'] as const;
/** Where each namespace of policies is declared: a folder, all files of it. Trampolines (`pv`) are bytes, not source. */
const NAMESPACES: Readonly<Record<string, string>> = { xen: 'xen', xenVcpu: 'xen', segments: 'segments', kvm: 'kvm' };

/** Whether a name such as `xen.fipWidth4` is one of a policy of the engine. */
export const namesPolicy = (name: string): boolean => Object.hasOwn(NAMESPACES, name.split('.')[0]!);
/** The mode that the steps run in, where a policy says it; and the rules of `throughVirtual8086`. */
const MODE = 'mode', RULES = ['set', 'note', 'shown'] as const;

/** `xen.fipWidth4` and its steps, as the engine's own source has them. A step that it shares is looked up where it is from. */
export function policySource(name: string, root = process.cwd()): PolicySource {
  const [namespace, id] = name.split('.') as [string, string];
  const policies = (hiddenState as Record<string, unknown>)[namespace] as Record<string, unknown>;
  const kernel = policies[id] as kvm.Kernel | undefined;
  if (kernel?.vcpuEnterGuest) return kernelSource(kernel);
  const policy = policies[id] as Policy & Record<string, unknown> | undefined;
  const names = STEPS.filter((step) => policy?.[step]);
  if (!policy || names.length === 0) throw new Error(`there is no policy \`${name}\`; there are ${Object.keys(policies).join(', ')}`);
  const text = sourceAt(`${root}/spec/src/hypervisors/${NAMESPACES[namespace]!}`);
  const rules = rulesSource(text, id);
  const steps = rules ?? Object.fromEntries(names.map((step) => [step, stepSource(text, id, step)]));
  const mode = policy.mode === undefined ? undefined : stepSource(text, id, MODE);
  return {
    name: policy.name, steps: { ...(mode !== undefined && { mode }), ...steps }, year: policy.year,
    commit: policy.source.kind === 'commit' ? policy.source.commit : '',
  };
}

/** A kernel carries its functions as text. */
function kernelSource({ name, year, source, ...members }: kvm.Kernel): PolicySource {
  const steps = Object.fromEntries(Object.entries(members)
    .filter(([, text]) => typeof text === 'string' && text.includes('\n'))
    .map(([step, text]) => [step, `${step}: asm\`\n${narrow(String(text))}\n\``]));
  return { name, steps, year, commit: source.kind === 'commit' ? source.commit : '' };
}

/** Assembly as two columns beside each other have room for it. */
const narrow = (text: string): string =>
  text.replace(/^\n+|\s+$/g, '').replace(/^ {8}/gm, '    ').replace(/(?<=\S) {2,};/g, '  ;');

const sourceAt = (place: string): string =>
  readdirSync(place).filter((file) => file.endsWith('.ts')).map((file) => readFileSync(`${place}/${file}`, 'utf8')).join('\n');

function declaration(text: string, id: string): string {
  const body = new RegExp(`^export const ${id}: \\w+ = \\w+\\(\\{\\n([\\s\\S]*?)^\\}\\);`, 'm').exec(text)?.[1];
  if (body === undefined) throw new Error(`policy \`${id}\` is not declared as \`export const ${id}: Policy = policy({ … });\``);
  return body;
}

/** The member `step` of the declaration of `id`, or of the policy that it spreads. */
function stepSource(text: string, id: string, step: string): string {
  const body = declaration(text, id);
  const own = new RegExp(`^ {2}\\*?${step}\\([\\s\\S]*?^ {2}\\},$|^ {2}${step}: .*,$`, 'm').exec(body)?.[0];
  if (own !== undefined) return own.replace(/^ {2}/gm, '').replace(/,$/, '');
  const base = /^ {2}\.\.\.(\w+),$/m.exec(body)?.[1];
  if (base === undefined) throw new Error(`policy \`${id}\` has no step \`${step}\` and spreads no other policy`);
  return stepSource(text, base, step);
}

/** The rules that `id` hands to `throughVirtual8086`, each with the constant that it names. */
function rulesSource(text: string, id: string): Record<string, string> | undefined {
  const body = /^ {2}\.\.\.throughVirtual8086\(\{\n([\s\S]*?)^ {2}\}\),$/m.exec(declaration(text, id))?.[1];
  if (body === undefined) return undefined;
  return Object.fromEntries(RULES.flatMap((rule) => {
    const own = new RegExp(`^ {4}${rule}: [\\s\\S]*?,\\n(?= {4}\\w|$(?![\\s\\S]))`, 'm').exec(body)?.[0];
    if (own === undefined) return [];
    const named = /^ {4}\w+: (\w+),\n$/.exec(own)?.[1];
    const constant = named && new RegExp(`^const ${named} = [\\s\\S]*?;\\n(?=\\n)`, 'm').exec(text)?.[0].trimEnd();
    return [[rule, own.replace(/^ {4}/gm, '').trimEnd().replace(/,$/, '') + (constant ? `\n${constant}` : '')]];
  }));
}
