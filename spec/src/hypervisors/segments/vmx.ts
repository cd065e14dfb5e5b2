/** Hypervisors on VMX and SVM: what the hardware keeps, and what was done about real-address mode before it could. */

import { inferred, sdm, sourceOfRelease, xenCommit } from '../../state/citation.ts';
import { virtual8086Segment } from '../../isa/segmentation/load.ts';
import { CS, SS } from '../../state/fields.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import { type Policy, policy } from '../policy.ts';
import { happens } from './steps.ts';
import { throughVirtual8086 } from './virtual-8086.ts';

/** What a load in real-address mode finds in CS and elsewhere after RESET: accessed, present, DPL 0. */
const REAL_MODE_CODE = 0x9b, REAL_MODE_DATA = 0x93;
const realMode = (segment: number): number => (segment === CS ? REAL_MODE_CODE : REAL_MODE_DATA);

/** The selector that gives the base in virtual-8086 mode, as far as it has 20 bits and is at a paragraph. */
const paragraph = ({ base }: Segment): number => Number((base >> 4n) & 0xffffn);

/** The virtual-8086 segment that is nearest. */
const madeToFit = (wanted: Segment): Segment =>
  virtual8086Segment(paragraph(wanted));

/** Xen puts in what has a base of 20 bits, at a paragraph, a limit of FFFFh or more, and is present. */
const setWhereItFits = (wanted: Segment): Segment | undefined =>
  fitsXen(wanted) ? madeToFit(wanted) : undefined;

const fitsXen = ({ base, limit, attributes }: Segment): boolean =>
  base < 0x10_0000n && (base & 15n) === 0n && limit >= 0xffff && (attributes & ATTRIBUTE.present) !== 0;

/** Xen always shows the selector that gives the base. */
const bySelector = (note: Segment): Segment =>
  ({ ...note, selector: paragraph(note) });

/** VMX with "unrestricted guest", or SVM: the VMCS and the VMCB have a field for every hidden part. */
export const hardware: Policy = policy({
  id: 'hardware',
  name: 'VMX unrestricted, SVM',
  year: 2009,
  summary: 'Selector, base, limit and attributes go to memory and come back as they were.',
  source: xenCommit('115e860529', '2009-05-28', 'real mode as native code, where there is "unrestricted guest"'),
  covers: 'nothing',
  *save(host) {
    yield* happens('VM exit', host);
  },
  *restore(host) {
    yield* happens('VM entry', host);
  },
});

/** Virtual-8086 mode and no memory: what the processor holds is taken for what the guest has. */
export const virtual8086: Policy = policy({
  id: 'virtual8086',
  name: 'virtual-8086, no memory',
  year: 2005,
  summary: 'Every real-address segment is cut to a base of 20 bits and a limit of FFFFh, and stays so.',
  source: sdm('3C', '26.3.1.2'),
  ...throughVirtual8086({
    set: madeToFit,
    note: (seen, _, segment) => ({ ...seen, attributes: realMode(segment) }),
  }),
});

/** A base that fits is enough to hold the segment, and a base that has not changed to keep what was remembered. */
export const xenGuess: Policy = policy({
  ...virtual8086,
  id: 'xenGuess',
  name: 'Xen, guess by the base',
  year: 2008,
  summary: 'The same base: the guest has not reloaded it. Another base, or SS: it has, and the limit is FFFFh.',
  source: xenCommit('8d4638d15e', '2008-12-09', 'hidden parts remembered, a reload guessed by the base'),
  ...throughVirtual8086({
    set: setWhereItFits,
    note: (seen, remembered, segment) =>
      seen.base !== remembered.base || segment === SS
        ? { ...seen, attributes: realMode(segment) }
        : remembered,
    shown: bySelector,
  }),
});


/** The same guess with the exception for SS taken back. */
export const xenGuessKeepingSs: Policy = policy({
  ...xenGuess,
  id: 'xenGuessKeepingSs',
  name: 'the same, SS as the others',
  summary: 'What the rule would be without the exception for SS.',
  source: inferred('8d4638d15e, by leaving out what it says of SS'),
  ...throughVirtual8086({
    set: setWhereItFits,
    note: (seen, remembered, segment) =>
      seen.base !== remembered.base
        ? { ...seen, attributes: realMode(segment) }
        : remembered,
    shown: bySelector,
  }),
});

/** KVM's rule is the processor's: another selector is another base, and limit and attributes stay. */
const keepsLimit = (seen: Segment, remembered: Segment): Segment => {
  const { selector, base } = seen;
  return selector === remembered.selector
    ? remembered
    : { ...remembered, selector, base };
};

/** Whatever the segment is, it is made to fit: KVM with emulate_invalid_guest_state off. */
export const kvmMadeToFit: Policy = policy({
  ...virtual8086,
  id: 'kvmMadeToFit',
  name: 'KVM, made to fit',
  year: 2013,
  summary: 'Every base is cut to 20 bits and a paragraph; limit and attributes are remembered, also across reloads.',
  source: sourceOfRelease('Linux', '3.12', 'arch/x86/kvm/vmx.c, fix_rmode_seg without emulate_invalid_guest_state'),
  ...throughVirtual8086({
    set: madeToFit,
    note: keepsLimit,
  }),
});

/** As KVM does by default: what does not fit exactly is not run, but interpreted until it fits. */
export const kvm: Policy = policy({
  ...kvmMadeToFit,
  id: 'kvm',
  name: 'KVM, emulate what does not fit',
  summary: 'While any segment is not as virtual-8086 mode has it, KVM executes the guest itself.',
  source: sourceOfRelease('Linux', '3.12', 'arch/x86/kvm/vmx.c, rmode_segment_valid and vmx_get_segment'),
  ...throughVirtual8086({
    set: (wanted, segment) =>
      fitsExactly(wanted, segment)
        ? virtual8086Segment(wanted.selector)
        : undefined,
    note: keepsLimit,
  }),
});

/** As KVM compares: DPL taken as 3, and the type of CS as that of data. */
function fitsExactly({ selector, base, limit, attributes }: Segment, segment: number): boolean {
  const rights = segment === CS ? (attributes & ~0xf) | 3 : attributes;
  return base === BigInt(selector * 16) && limit === 0xffff && (rights | 0x60) === 0xf3;
}
