/**
 * How Xen saved and restored FPU state, by year. Each shares with its neighbours everything but the step that differs.
 */

import { inferred, xenCommit } from '../../state/citation.ts';
import { type Policy, policy } from '../policy.ts';
import {
  high, isAmd, looks32Bit, noneUnmasked, pointersPassedOver, restoreByWordSize, saveNarrow, saveWide, scrub,
  takeSelectors, x87Saved,
} from './fpu.ts';

/** Before the leak was known: the 2006 policy without its scrub. */
export const unscrubbed: Policy = policy({
  id: 'unscrubbed',
  name: 'always REX.W, no scrub',
  year: 2006,
  summary: 'FXSAVE64 and FXRSTOR64, and nothing else: what was there before CVE-2006-1056 was fixed.',
  source: inferred('60395c1ca9, by leaving out what it adds for AMD'),
  *save({ run, area }) {
    yield* run`fxsave64 [${area}]`;
  },
  *restore({ run, area }) {
    yield* run`fxrstor64 [${area}]`;
  },
});

/** FXSAVE with REX.W, always; on AMD the pointers are overwritten after a save that did not include them. */
export const alwaysWide: Policy = policy({
  ...unscrubbed,
  id: 'alwaysWide',
  name: 'always REX.W',
  summary: 'Keeps 64-bit FIP and FDP, loses FCS and FDS on every switch.',
  source: xenCommit('60395c1ca9', '2006-04-26', 'REX.W always, and a scrub after saves on AMD (CVE-2006-1056)'),
  *save({ run, area, cpu }) {
    yield* run`fxsave64 [${area}]`;
    if (isAmd(cpu) && !(area.fsw & 0x80)) {
      yield* run`emms
                 fild dword ptr [${area}]`;
    }
  },
});

/** XSAVE with REX.W and no scrub: Xen with XSAVE before XSA-52. */
export const xsaveUnscrubbed: Policy = policy({
  id: 'xsaveUnscrubbed',
  name: 'XSAVE, always REX.W, no scrub',
  year: 2012,
  summary: 'The AMD leak again, on the new XSAVE path.',
  source: inferred('8dcf9f0113, by leaving out what it adds'),
  *save(host) {
    yield* saveWide(host);
    host.area.wordSize = 8;
  },
  restore: restoreByWordSize,
});

/** The scrub moves to the restore side and covers XSAVE. */
export const xsaveScrubbed: Policy = policy({
  ...xsaveUnscrubbed,
  id: 'xsaveScrubbed',
  name: 'XSAVE, always REX.W',
  year: 2013,
  summary: 'No leak; FCS and FDS are lost on every switch.',
  source: xenCommit('8dcf9f0113', '2013-06-04', 'the scrub on the restore side, for XSAVE too (XSA-52, CVE-2013-2076)'),
  *restore(host) {
    if (x87Saved(host) && pointersPassedOver(host)) yield* scrub(host);
    yield* restoreByWordSize(host);
  },
});

/** The wide form, and when both high halves are zero the selectors on top of it: a guess that this is 32-bit code. */
export const guessByHighHalf: Policy = policy({
  ...xsaveScrubbed,
  id: 'guessByHighHalf',
  name: 'guess by the high half',
  summary: 'Keeps either the high halves or the selectors, by looking whether the high halves are zero.',
  source: xenCommit('10f9691500', '2013-06-04', 'selectors preserved where both high halves are zero'),
  *save(host) {
    const { area } = host;
    yield* saveWide(host);
    if (!x87Saved(host) || pointersPassedOver(host)) return;
    if (looks32Bit(host)) {
      yield* takeSelectors(host);
      area.wordSize = 4;
    } else area.wordSize = 8;
  },
});

/** XSAVEOPT may not write the x87 part: the selectors of the last save must not be taken for a high half then. */
export const guessAndPutBack: Policy = policy({
  ...guessByHighHalf,
  id: 'guessAndPutBack',
  name: 'guess, selectors put back',
  summary: 'The guess, with the selector fields zeroed before XSAVEOPT and put back where it wrote nothing.',
  source: xenCommit(
    'c58d9f2f48', '2013-08-05', 'selector fields zeroed before XSAVEOPT, put back where it writes nothing',
  ),
  *save(host) {
    const { area } = host;
    const { fcs, fds } = area;
    const narrow = area.wordSize === 4;
    if (narrow) area.fcs = area.fds = 0;
    yield* saveWide(host);
    if (!x87Saved(host) || pointersPassedOver(host)) {
      if (narrow) Object.assign(area, { fcs, fds });
      return;
    }
    if (looks32Bit(host)) {
      yield* takeSelectors(host);
      area.wordSize = 4;
    } else area.wordSize = 8;
  },
});

/** The knob of 2016, set to 8: the wide form, whatever the guest. */
export const fipWidth8: Policy = policy({
  ...guessAndPutBack,
  id: 'fipWidth8',
  name: 'width 8',
  year: 2016,
  summary: 'Keeps 64-bit FIP and FDP, loses FCS and FDS.',
  source: xenCommit('879b44b041', '2016-02-26', 'a width for each domain: 0, 4 or 8'),
  *save(host) {
    yield* saveWide(host);
    host.area.wordSize = 8;
  },
});

/** The knob set to 4: the narrow form, whatever the guest. */
export const fipWidth4: Policy = policy({
  ...fipWidth8,
  id: 'fipWidth4',
  name: 'width 4',
  summary: 'Keeps FCS and FDS, loses the high halves of FIP and FDP.',
  *save(host) {
    yield* saveNarrow(host);
    host.area.wordSize = 4;
  },
});

/** The knob set to 0: the guess of 2013. */
export const fipWidthAuto: Policy = policy({
  ...guessAndPutBack,
  id: 'fipWidthAuto',
  name: 'width 0 (auto)',
  year: 2016,
  source: fipWidth8.source,
});

/**
 * Neither all zeros nor all ones above bit 47 or 56, so no processor can have written it: not as FIP, not as FCS:FIP.
 */
export const POISON = 0x6a3f_5c4b_13a5_33f6n;

/** The guess, with a poisoned FIP that tells whether the save wrote the pointers at all. */
export const poisonedFip: Policy = policy({
  ...fipWidthAuto,
  id: 'poisonedFip',
  name: 'width 0, poisoned FIP',
  summary: 'The guess, made safe against a save that writes nothing: the form in use today for width 0.',
  source: xenCommit('e869abd77a', '2016-03-18', 'FIP poisoned before the save, to see whether it was written'),
  *save(host) {
    const { area } = host;
    const before = area.fip;
    area.fip = POISON;
    yield* saveWide(host);
    if (area.fip === POISON) {
      area.fip = before;
      return;
    }
    if (!high(area.fip | area.fdp)) {
      yield* takeSelectors(host);
      area.wordSize = 4;
    } else area.wordSize = 8;
  },
});

/** XSA-172: FSW.ES of an image that a guest supplied proves nothing; the flags and masks do. */
export const scrubByFlags: Policy = policy({
  ...poisonedFip,
  id: 'scrubByFlags',
  name: 'width 0, scrub by flags',
  summary: 'As today: the scrub looks at the exception flags and masks, not at FSW.ES.',
  source: xenCommit(
    '7bd9dc3adf', '2016-03-29', 'the scrub decides by flags and masks (XSA-172, CVE-2016-3158 and -3159)',
  ),
  *restore(host) {
    if (x87Saved(host) && noneUnmasked(host)) yield* scrub(host);
    yield* restoreByWordSize(host);
  },
});
