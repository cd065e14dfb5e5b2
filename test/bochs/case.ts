/** What a Bochs case is: assembly text in several sizes of code, and what is to be compared. */

import { cpus } from 'hidden-state';
import type { CpuProfile } from 'hidden-state';

/** The processor a case runs on: Bochs' name of the model (`bochs -help cpu`), and the engine's profile. */
export interface Processor {
  readonly model: string;
  readonly profile: CpuProfile;
}

/** Has the FPU's selectors, SMEP and neither SMAP nor FPCSDS. */
export const IVY_BRIDGE: Processor = { model: 'corei7_ivy_bridge_3770k', profile: cpus.ivyBridge };
export const HASWELL: Processor = { model: 'corei7_haswell_4770', profile: cpus.haswell };
/** A Haswell with SMAP, as the next generation is. */
export const BROADWELL: Processor = {
  model: 'broadwell_ult',
  profile: { ...cpus.haswell, features: new Set([...cpus.haswell.features, 'SMAP' as const]) },
};

/** Has CET, and of IA32_XSS its two components alone; Bochs gives it no AVX-512 that the cases look at. */
export const TIGER_LAKE: Processor = {
  model: 'tigerlake',
  profile: { ...cpus.sapphireRapids, signature: 0x0008_06c1, xcr0: 0x2e7n, xss: 0x1800n, linearAddressBits: 48 },
};

export interface MemoryRange {
  /** A symbol of the text, or a physical address. */
  readonly at: string | number;
  readonly bytes: number;
  /** What the range is an array of: bytes of one element, and what each one is about. */
  readonly records?: { readonly bytes: number; readonly names: readonly string[] };
}

export interface BochsCase {
  /** The name of its dump's file, too. */
  readonly name: string;
  readonly title: string;
  readonly processor?: Processor;
  /**
   * Intel syntax as the project's assembler takes it, with two lines of its own: `point NAME` is a place where state is
   * dumped, and `finish` ends the case. The text is copied to physical address 1000h and starts in real-address mode
   * with CS = DS = ES = SS = 0 and SP = 1000h, so that an offset in segment 0 and a linear address are the same number.
   */
  readonly text: string;
  /** Memory to dump at every point. */
  readonly memory?: Readonly<Record<string, MemoryRange>>;
}

export const bochsCase = (definition: BochsCase): BochsCase => definition;

export interface Chapter {
  readonly title: string;
  readonly cases: readonly BochsCase[];
}
