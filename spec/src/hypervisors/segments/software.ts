/** Two monitors that know what every register was loaded with: because they execute the guest, or its loads. */

import { DS, ES, FS, GS, SEGMENT_NAMES } from '../../state/fields.ts';
import { inferred } from '../../state/citation.ts';
import { findDescriptor, isNull } from '../../isa/segmentation/descriptor.ts';
import { CR0 } from '../../isa/system/control-bits.ts';
import type { Machine } from '../../machine/machine.ts';
import { ATTRIBUTE, type Segment, type State } from '../../state/state.ts';
import { REAL_MODE_SEGMENT } from '../host-state.ts';
import { type Host, type Policy, type Steps, type VcpuRecord, policy } from '../policy.ts';
import { happens, pushSelectors } from './steps.ts';

/** "Translation mode", as the mail has it: no instruction of the guest is left to the processor. */
export const interpreted: Policy = policy({
  id: 'interpreted',
  name: 'interpretation',
  year: 2006,
  summary: "The guest's registers are variables of the monitor, hidden parts included; the price is time.",
  source: inferred('the mail: "emulate each instruction"'),
  covers: 'nothing',
  execute(machine, vcpu) {
    vcpu.emulated++;
    return machine.step();
  },
  *save(host) {
    yield* happens('nothing of the guest is in the processor', host);
  },
  *restore(host) {
    yield* happens('nothing of the guest is in the processor', host);
  },
});

const DATA_SEGMENTS = [ES, DS, FS, GS];

/** What the processor has made of a selector, as the monitor works it out from the guest's memory. */
function loaded(machine: Machine, selector: number, before: Segment): Segment {
  const { state, execution } = machine;
  if (!(state.cr0 & CR0.PE)) {
    const attributes = before.attributes | ATTRIBUTE.present | ATTRIBUTE.codeOrData;
    return { ...before, selector, base: BigInt(selector * 16), attributes };
  }
  const descriptor = isNull(selector) ? undefined : findDescriptor(execution, selector);
  if (!descriptor) return { selector, base: 0n, limit: 0, attributes: 0 };
  const { base, limit, attributes } = descriptor;
  return { selector, base, limit, attributes: attributes | ATTRIBUTE.accessed };
}

/** Instructions that a binary translator puts code of its own in place of: those that load ES, DS, FS or GS. */
const LOADS: Readonly<Record<string, number>> = { LES: ES, LDS: DS, LFS: FS, LGS: GS };

/** To begin with, the registers are as the monitor made them. */
function know(vcpu: VcpuRecord, made: State): void {
  for (const segment of DATA_SEGMENTS) vcpu.segments[segment] ??= made.segment(segment);
}

/** Every load of the guest goes through the monitor, which looks into the guest's table at that moment. */
function executeAndTrack(machine: Machine, vcpu: VcpuRecord): ReturnType<Machine['step']> {
  const { state } = machine;
  know(vcpu, state);
  const i = machine.step();
  const { mnemonic } = i.definition;
  const first = i.operands[0];
  const named = (mnemonic === 'MOV' || mnemonic === 'POP') && first?.kind === 'register' && first.file === 'segment'
    ? first.index : LOADS[mnemonic];
  if (named !== undefined && DATA_SEGMENTS.includes(named)) {
    vcpu.segments[named] = loaded(machine, state.selector(named), vcpu.segments[named]!);
  }
  return i;
}

/** The eight bytes that describe `segment`. */
function descriptorOf({ base, limit, attributes }: Segment): bigint {
  const units = attributes & ATTRIBUTE.granular ? limit >>> 12 : limit;
  return BigInt(units & 0xffff) | ((base & 0xff_ffffn) << 16n) | (BigInt(attributes & 0xff) << 40n)
    | (BigInt(((units >>> 16) & 15) | ((attributes >> 8) & 0xf0)) << 48n) | ((base >> 24n) << 56n);
}

/** Offsets in the monitor's segment: the private descriptor, a GDT of two entries, the operand of LGDT, a selector. */
const SLOT = 0xe000, GDT = 0xe010, GDTR = 0xe020, SELECTOR = 0xe028;
const MONITOR = REAL_MODE_SEGMENT * 16;
/** Present, DPL 0, a local descriptor table. */
const LDT = 0x82n << 40n;

/** Writes the private descriptor, and tables in which `through` leads to it; answers whether that is the LDT. */
function prepareTables({ memory }: Host, wanted: Segment, through: number): boolean {
  const cell = (offset: number, bytes: number, value: bigint): void =>
    memory.write(BigInt(MONITOR + offset), bytes, value);
  const base = BigInt(MONITOR + SLOT - (through & 0xfff8)), limit = BigInt(through | 7);
  const local = (through & 4) !== 0;
  cell(SLOT, 8, descriptorOf(wanted));
  cell(GDT, 8, 0n);
  cell(GDT + 8, 8, LDT | (base << 16n) | limit);
  cell(GDTR, 2, local ? 15n : limit);
  cell(GDTR + 2, 4, local ? BigInt(MONITOR + GDT) : base);
  cell(SELECTOR, 2, BigInt(wanted.selector));
  return local;
}

/**
 * Loads one register so that its hidden part is what is remembered, whatever the guest's table says by now: in a moment
 * of protected mode, from a table in which the guest's own selector leads to a private descriptor. A register that the
 * guest loaded in real-address mode may have a selector that protected mode would refuse (a null one, or one with an
 * RPL), also long after; its base follows from the selector, so limit and attributes come by another selector and the
 * rest by a load in real-address mode.
 */
function* loadPrivately(host: Host, name: string, wanted: Segment): Steps {
  const { run } = host;
  const { selector, base, attributes } = wanted;
  const inTwo = base === BigInt(selector * 16) && (attributes & ATTRIBUTE.present) !== 0;
  const through = inTwo ? 8 : selector;
  const local = !isNull(through) && prepareTables(host, wanted, through);
  yield* run`lgdt   cs:[${GDTR}]
             mov    eax, cr0
             or     al, 1
             mov    cr0, eax`;
  if (local) {
    yield* run`mov    bx, 8
               lldt   bx`;
  }
  yield* run`mov    bx, ${through}
             mov    ${name}, bx
             and    al, 0xfe
             mov    cr0, eax`;
  if (inTwo) {
    yield* run`mov    bx, cs:[${SELECTOR}]
               mov    ${name}, bx`;
  }
}

/** What VMware calls segment reversibility, made out of its parts: known by translation, put back by a descriptor. */
export const privateDescriptor: Policy = policy({
  id: 'privateDescriptor',
  name: 'private descriptor',
  year: 2006,
  summary: "A descriptor of the monitor's own reproduces the hidden part, which it knows because it translates loads.",
  source: inferred("descriptions of VMware's monitor, from memory"),
  covers: 'data segment registers',
  mode: 16,
  execute: executeAndTrack,
  *save(host) {
    know(host.vcpu, host.guest);
    yield* pushSelectors(host);
  },
  *restore(host) {
    for (const segment of DATA_SEGMENTS) {
      yield* loadPrivately(host, SEGMENT_NAMES[segment]!.toLowerCase(), host.vcpu.segments[segment]!);
    }
  },
});
