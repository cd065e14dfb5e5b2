/**
 * Encodings of our instructions that another table has and ours does not, with the reason. Decoding one is
 * Unmodelled.
 */
export interface LeftOut {
  /** Names of iced's codes. */
  readonly codes: RegExp;
  readonly why: string;
}

export const LEFT_OUT: readonly LeftOut[] = [];

/**
 * CPUID features of processors that no profile is of: VIA's and Centaur's, AMD's of the Bulldozer line, and Intel's and AMD's after Sapphire Rapids
 * and Zen 4. Their encodings are holes of the opcode map, #UD: a Zen 4 was asked for each that has no VEX prefix.
 */
export const OF_OTHER_PROCESSORS = /XOP|TBM|LWP|PADLOCK|FRED|LKGS|MSRLIST|WRMSRNS|RAO_INT|CMPCCXADD|HRESET|KL|TSE|RMPQUERY|IA64|FMA4|AVX_VNNI_INT|AVX_NE_CONVERT|AVX_IFMA|SHA512|SM[34]|AMX_(FP16|COMPLEX)/;
