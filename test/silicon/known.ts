/** What a processor is known to do otherwise than its profile: each with the reason for which it stays so. */

export interface KnownDifference {
  /** Of the profile whose processor it is. */
  readonly id: string;
  readonly mnemonics: RegExp;
  /** What differs, as `judge` says it, all of it. */
  readonly differences: RegExp;
  readonly why: string;
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    id: 'sapphireRapids', mnemonics: /^(F2XM1|FYL2X|FYL2XP1|FPATAN|FPTAN|FSIN|FCOS|FSINCOS)$/,
    differences: /^(FSW|ST\d|XSAVE|memory)/,
    why: 'the last bit of a transcendental function, and C1 with it, is the processor’s own in one result of a hundred: test/x87',
  },
];
