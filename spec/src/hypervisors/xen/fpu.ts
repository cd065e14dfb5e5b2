/** The steps that Xen's policies for the FPU share. xen/arch/x86/i387.c and xstate.c, from 2006 to today. */

import type { CpuProfile } from '../../cpus/profile.ts';
import type { Host, Steps } from '../policy.ts';

export const isAmd = (cpu: CpuProfile): boolean => cpu.vendor === 'AuthenticAMD';
/** X86_FEATURE_NO_FPU_SEL is CPUID.7.0:EBX[13]. */
const hasSelectors = (cpu: CpuProfile): boolean => !cpu.features.has('FPCSDS');
export const hasXsave = (cpu: CpuProfile): boolean => cpu.features.has('XSAVE');
const hasXsaveopt = (cpu: CpuProfile): boolean => cpu.features.has('XSAVEOPT');

export const high = (address: bigint): bigint => address >> 32n;

/** The best save instruction that the processor has, with REX.W: 64-bit FIP and FDP, no selectors. */
export function* saveWide({ run, area, cpu }: Host): Steps {
  if (hasXsaveopt(cpu)) yield* run`xsaveopt64 [${area}]`;
  else if (hasXsave(cpu)) yield* run`xsave64 [${area}]`;
  else yield* run`fxsave64 [${area}]`;
}

/** The same without REX.W: 32-bit FIP and FDP, and the selectors. */
export function* saveNarrow({ run, area, cpu }: Host): Steps {
  if (hasXsaveopt(cpu)) yield* run`xsaveopt [${area}]`;
  else if (hasXsave(cpu)) yield* run`xsave [${area}]`;
  else yield* run`fxsave [${area}]`;
}

/** Puts FCS and FDS, which only FNSTENV can fetch beside the wide form, into an image of the narrow form. */
export function* takeSelectors({ run, area }: Host): Steps {
  yield* run`fnstenv [${area.environment}]`;
  area.fcs = area.environmentFcs;
  area.fds = area.environmentFds;
}

/** Restores in the form that byte 511 of the image names; 0, of an image that was never saved, means 8. */
export function* restoreByWordSize({ run, area, cpu }: Host): Steps {
  const narrow = area.wordSize === 4;
  if (hasXsave(cpu)) yield* narrow ? run`xrstor [${area}]` : run`xrstor64 [${area}]`;
  else yield* narrow ? run`fxrstor [${area}]` : run`fxrstor64 [${area}]`;
}

/** Whether the image's x87 part holds anything: XSTATE_BV says so, where there is one. */
export const x87Saved = ({ area, cpu }: Host): boolean => !hasXsave(cpu) || (area.xstateBv & 1n) !== 0n;

/** By FSW.ES of the image: AMD saves and restores the pointers only while an unmasked exception is pending. */
export const pointersPassedOver = ({ area, cpu }: Host): boolean => isAmd(cpu) && !(area.fsw & 0x80);

/** The same by the flags and masks of the image, which is what the processor goes by. */
export const noneUnmasked = ({ area, cpu }: Host): boolean => isAmd(cpu) && !(area.fsw & ~area.fcw & 0x3f);

/** The guess: no bit above 31 in either address, so this is the state of 32-bit code. */
export const looks32Bit = ({ area, cpu }: Host): boolean => hasSelectors(cpu) && !high(area.fip | area.fdp);

/** FXRSTOR and XRSTOR of AMD leave the pointers alone then: load them with something of Xen's own first. */
export function* scrub({ run, area }: Host): Steps {
  yield* run`fnclex
             ffree st(7)
             fild dword ptr [${area}]`;
}
