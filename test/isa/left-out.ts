/**
 * Encodings of our instructions that another table has and ours does not, with the reason. Decoding one is
 * Unmodelled.
 */
export interface LeftOut {
  /** Names of iced's codes. */
  readonly codes: RegExp;
  readonly why: string;
}

export const LEFT_OUT: readonly LeftOut[] = [
  { codes: /^(Movsd|Cmpsd)_xmm/, why: 'Scalar SSE2 is not modelled; these MOVSD and CMPSD are not the string instructions.' },
  { codes: /^Prefetchreserved3/, why: 'A reserved hint that AMD processors take as PREFETCHW; the SDM does not list it.' },
  { codes: /^Pxor_mm_/, why: 'MMX arithmetic is not modelled.' },
  {
    codes: /^(Fstp_sti_DFD[08]|Fxch_st0_sti_D[DF]C8|Test_rm(8|16|32|64)_imm(8|16|32)_F[67]r1)$/,
    why: 'A second encoding that processors take and the SDM does not list (vol. 2D, tables A-6 and A-9 to A-22).',
  },
];
