/** Which forms a live run covers, and why it does not cover the others. */

import type { CpuProfile } from 'hidden-state';
import type { Form } from '../../spec/src/isa/form.ts';
import { FORMS } from '../isa/forms.ts';
import type { Mode } from './generate/draft.ts';
import { featuresOf } from './generate/extended.ts';
import { exclusionOf } from './generate/forms.ts';
import { MODES, available } from './generate/index.ts';
import { type Options, isWanted } from './options.ts';
import { hasFeature } from './profile.ts';
import type { Runner } from './runner.ts';

export interface Plan {
  readonly pairs: readonly { readonly form: Form; readonly mode: Mode }[];
  readonly wanted: number;
  readonly covered: number;
  /** Mnemonics by the reason for which a form of theirs is not covered, with the number of such forms. */
  readonly leftOut: ReadonlyMap<string, { readonly forms: number; readonly mnemonics: ReadonlySet<string> }>;
}

/** A feature that only one of the two has would be all that is seen of it. */
export function reasonAgainst(form: Form, modes: readonly Mode[], cpu: CpuProfile, { cpuid, fences }: Pick<Runner, 'cpuid' | 'fences'>): string | undefined {
  const { mnemonic } = form.definition;
  const exclusion = exclusionOf(form);
  if (exclusion) return exclusion.why;
  if (/^RDTSCP?$/.test(mnemonic) && !fences.rdtscOff) return 'the kernel does not let RDTSC be fenced';
  for (const feature of featuresOf(form)) {
    const here = hasFeature(cpuid, feature) ?? true, there = cpu.features.has(feature);
    if (!here && there) return `this processor, or the hypervisor below, has no ${feature}`;
    if (here && !there) return `the profile ${cpu.name} has no ${feature}`;
  }
  return modes.some((mode) => available(form, mode)) ? undefined : 'it does not exist in this kind of code';
}

export function planFor(options: Options, cpu: CpuProfile, runner: Runner): Plan {
  const modes = options.mode ? [options.mode] : MODES;
  const wanted = FORMS.filter((form) => isWanted(options, form));
  const leftOut = new Map<string, { forms: number; mnemonics: Set<string> }>();
  const taken = wanted.filter((form) => {
    const reason = reasonAgainst(form, modes, cpu, runner);
    if (reason === undefined) return true;
    const before = leftOut.get(reason) ?? { forms: 0, mnemonics: new Set<string>() };
    before.mnemonics.add(form.definition.mnemonic);
    leftOut.set(reason, { forms: before.forms + 1, mnemonics: before.mnemonics });
    return false;
  });
  const pairs = modes.flatMap((mode) => taken.filter((form) => available(form, mode)).map((form) => ({ form, mode })));
  return { pairs, wanted: wanted.length, covered: taken.length, leftOut };
}

/** What a plan covers, in words; `count` instances were run. */
export function coverageText({ pairs, wanted, covered, leftOut }: Plan, count: number): string {
  const reasons = [...leftOut].sort(([, a], [, b]) => b.forms - a.forms)
    .map(([why, { forms, mnemonics }]) => `  ${String(forms).padStart(4)}  ${why}: ${[...mnemonics].join(', ')}`);
  const few = count < pairs.length ? ` (${count} instances are too few for all of them: see --count)` : '';
  return [`forms covered: ${covered} of ${wanted}${few}`, ...(reasons.length ? ['forms not covered:', ...reasons] : [])].join('\n');
}
