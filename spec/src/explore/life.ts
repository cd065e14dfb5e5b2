/** Recording a vCPU's life for figures: registers and save area after every step. */

import { LEGACY_FIELDS, type LegacyField, legacyField } from '../hypervisors/legacy-fields.ts';
import { type LifeStep, Vcpu, type VcpuOptions } from '../hypervisors/xen/vcpu.ts';
import { fieldNamed } from '../state/fields.ts';
import { readField } from '../state/state.ts';
import type { FieldValue, Timeline, TimelineStep } from './verdict.ts';

/** Registers that every life shows, each with the same bytes of the save area below it, in brackets. */
const SHOWN: readonly LegacyField[] = LEGACY_FIELDS.filter(({ name }) => ['FCW', 'FTW', 'XMM0'].includes(name));
const inMemory = (name: string): string => `[${name}]`;
/** After these the registers are to be what memory says. */
const TAKEN_FROM_MEMORY: ReadonlySet<string> = new Set(['vcpu_reset_fpu', 'setvcpucontext']);

/** A vCPU that notes every step; `timeline()` is what `<Lanes>` draws. */
export class RecordedVcpu extends Vcpu {
  readonly #recorder: Recorder;

  constructor(options: Omit<VcpuOptions, 'onStep'>) {
    const recorder = new Recorder();
    super({ ...options, onStep: (step, vcpu) => recorder.add(step, vcpu) });
    this.#recorder = recorder;
  }

  timeline(): Timeline {
    return {
      lanes: [
        { id: 'guest', name: 'guest', kind: 'guest' },
        { id: 'hypervisor', name: 'Xen', kind: 'host' },
        { id: 'other', name: 'toolstack, other vCPU', kind: 'guest' },
      ],
      fields: [
        ...SHOWN.flatMap(({ name, width }) => [{ name, width }, { name: inMemory(name), width }]),
        { name: 'XSTATE_BV', width: 8 },
      ],
      steps: this.#recorder.steps,
    };
  }
}

class Recorder {
  readonly steps: TimelineStep[] = [];
  #before: Record<string, FieldValue> = {};
  /** The guest's registers when it was last on the processor, until something else is to be loaded. */
  #guest: Record<string, FieldValue> | undefined;

  add({ lane, text, rip }: LifeStep, vcpu: Vcpu): void {
    const values = valuesOf(vcpu);
    const changed = Object.keys(values).filter((name) => values[name] !== this.#before[name]);
    if (vcpu.running) this.#guest = values;
    else if (TAKEN_FROM_MEMORY.has(text)) this.#guest = undefined;
    const guest = vcpu.running ? undefined : this.#guest;
    const wrong = SHOWN.filter(({ name }) => guest && guest[name] !== values[inMemory(name)]);
    const expected = Object.fromEntries(wrong.map(({ name }) => [inMemory(name), guest![name]!]));
    this.steps.push({ lane, text, rip, values, changed, wrong: Object.keys(expected), expected });
    this.#before = values;
  }
}

function valuesOf({ machine, area }: Vcpu): Record<string, FieldValue> {
  const image = area.legacyRegion();
  const pairs = SHOWN.flatMap((field): [string, FieldValue][] => [
    [field.name, readField(machine.state, fieldNamed(field.name))], [inMemory(field.name), legacyField(image, field)],
  ]);
  return Object.fromEntries([...pairs, ['XSTATE_BV', Number(area.xstateBv)]]);
}
