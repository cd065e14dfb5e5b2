/**
 * What Xen puts into the FPU save area of a new vCPU, and what it hands to a toolstack that asks for the vCPU's
 * registers: before the series of March 2026, as that series proposed it, and as it was merged. Each shares with its
 * neighbours everything but the step that differs.
 */

import type { CpuProfile } from '../../cpus/profile.ts';
import { COMPACTED } from '../../isa/xsave/compaction.ts';
import { USUAL_COMPONENTS } from '../../isa/xsave/components.ts';
import { type Citation, inferred, xenCommit } from '../../state/citation.ts';
import { type Policy, policy } from '../policy.ts';
import type { SaveArea } from '../save-area.ts';
import { hasXsave, noneUnmasked, restoreByWordSize, scrub, x87Saved } from './fpu.ts';
import { fipWidth8 } from './policies.ts';

/** What FNINIT leaves, and what RESET does. xen/arch/x86/include/asm/xstate.h. */
export const FCW_DEFAULT = 0x37f, FCW_RESET = 0x40;
/** Abridged: FFh calls every register valid, so the whole tag word is 5555h where they hold zero. */
export const FXSAVE_FTW_RESET = 0xff;
export const MXCSR_DEFAULT = 0x1f80;
const X87 = 1n, FP_SSE = 3n;

/** What XEN_DOMCTL_getvcpucontext has of the FPU. */
export interface FpuContext {
  /** 512 bytes, as FXSAVE64 would store them. */
  readonly bytes: Uint8Array;
  /** VGCF_i387_valid: whether the bytes mean anything. */
  readonly valid: boolean;
}

/** A vCPU that is not on a processor, as its hypervisor knows it. */
export interface ParkedVcpu {
  readonly area: SaveArea;
  readonly cpu: CpuProfile;
  /** Xen's v->fpu_initialised. */
  readonly fpuInitialised: boolean;
}

export interface VcpuPolicy {
  /** Name of the exported value, or any identifier. */
  readonly id: string;
  readonly name: string;
  readonly year: number;
  readonly summary: string;
  readonly source: Citation;
  /** Fills the save area of a new vCPU, which is all zeros when this begins. */
  readonly allocate: (area: SaveArea) => void;
  /** What a toolstack is handed. */
  readonly getContext: (vcpu: ParkedVcpu) => FpuContext;
}

/** Checks a policy that was written by hand, and says what is missing. */
export function vcpuPolicy(input: VcpuPolicy): VcpuPolicy {
  for (const [key, type] of [
    ['id', 'string'], ['name', 'string'], ['year', 'number'], ['summary', 'string'], ['allocate', 'function'],
    ['getContext', 'function'],
  ] as const) {
    if (typeof input[key] !== type) {
      throw new TypeError(
        `vCPU policy ${JSON.stringify(input.id ?? '')}: ${key} is ${typeof input[key]}, it must be a ${type}`,
      );
    }
  }
  return Object.freeze({ ...input });
}

/** vcpu_reset_fpu(): what RESET leaves, marked as in use. Of the SSE state it relies on the initial configuration. */
export function resetFpu(area: SaveArea): void {
  area.clear();
  area.fcw = FCW_RESET;
  area.ftw = FXSAVE_FTW_RESET;
  area.mxcsr = MXCSR_DEFAULT;
  area.xstateBv = X87;
}

/** vcpu_setup_fpu(): 512 bytes from a toolstack, all of them in use. */
export function setupFpu(area: SaveArea, bytes: Uint8Array): void {
  area.clear();
  area.setLegacyRegion(bytes);
  area.xstateBv = FP_SSE;
}

/** What an XSAVE image without the bit of a component means: the component's initial configuration, written out. */
export function writeOutInitial(bytes: Uint8Array, { xstateBv, xcompBv }: SaveArea): void {
  if (!(xstateBv & 1n)) {
    bytes.fill(0, 0, 24);
    bytes.set([FCW_DEFAULT & 0xff, FCW_DEFAULT >> 8], 0);
    bytes.fill(0, 32, 160);
  }
  if (!(xstateBv & 2n)) bytes.fill(0, 160, 416);
  // In the compacted format MXCSR is part of SSE state; in the standard one it is always stored.
  if (!(xstateBv & 2n) && xcompBv & COMPACTED) bytes.set([MXCSR_DEFAULT & 0xff, MXCSR_DEFAULT >> 8, 0, 0], 24);
}

/** Before March 2026: two fields set, and a block that is valid once the vCPU has run. */
export const beforeSeries: VcpuPolicy = vcpuPolicy({
  id: 'beforeSeries',
  name: 'before the series',
  year: 2024,
  summary: 'FCW 037Fh, MXCSR 1F80h, the rest zero; the 512 bytes as they lie in memory, valid once it has run.',
  source: xenCommit('49a068471d', '2024-10-07', 'vcpu_reset_fpu() and vcpu_setup_fpu() are two functions'),
  allocate(area) {
    area.fcw = FCW_DEFAULT;
    area.mxcsr = MXCSR_DEFAULT;
  },
  getContext({ area, fpuInitialised }) {
    return { bytes: area.legacyRegion(), valid: fpuInitialised };
  },
});

/** What the thread's patch proposed, and did not become. */
export const resetOnCreate: VcpuPolicy = vcpuPolicy({
  ...beforeSeries,
  id: 'resetOnCreate',
  name: 'v2 1/9: reset on creation',
  year: 2026,
  summary: 'The state after RESET, marked as in use. Proposed, not merged.',
  source: inferred('xen-devel 2026-03-24, [PATCH v2 1/9] x86/domain: Ensure a vCPU\'s FPU is reset early'),
  allocate(area) {
    resetFpu(area);
  },
});

/** What was merged instead; since 4b9851c645 of the same day the block always counts as valid. */
export const merged: VcpuPolicy = vcpuPolicy({
  ...beforeSeries,
  id: 'merged',
  name: 'merged: abridged tag FFh',
  year: 2026,
  summary: 'FCW as FNINIT leaves it, the tag word as RESET does, marked as not in use; the block is always valid.',
  source: xenCommit('639de2aafa', '2026-03-30', 'FTW is initialised in xstate_alloc_save_area()'),
  allocate(area) {
    area.fcw = FCW_DEFAULT;
    area.ftw = FXSAVE_FTW_RESET;
    area.mxcsr = MXCSR_DEFAULT;
  },
  getContext({ area }) {
    return { bytes: area.legacyRegion(), valid: true };
  },
});

/** What the merged change says it does: the initial configuration that XSAVE has. */
export const emptyTag: VcpuPolicy = vcpuPolicy({
  ...merged,
  id: 'emptyTag',
  name: 'abridged tag 00h',
  summary: 'The initial configuration of x87 and SSE state, written out; the block is always valid.',
  source: inferred('639de2aafa, with the abridged tag word that FNINIT leaves'),
  allocate(area) {
    area.fcw = FCW_DEFAULT;
    area.mxcsr = MXCSR_DEFAULT;
  },
});

/** The merged image, with an export that heeds XSTATE_BV. */
export const mergedSanitised: VcpuPolicy = vcpuPolicy({
  ...merged,
  id: 'mergedSanitised',
  name: 'FFh, sanitised on export',
  summary: 'As merged, and what XSTATE_BV calls unused is written out before the block is handed over.',
  source: inferred('639de2aafa, with what Linux has had in __sanitize_i387_state()'),
  getContext({ area, cpu }) {
    const bytes = area.legacyRegion();
    if (hasXsave(cpu)) writeOutInitial(bytes, area);
    return { bytes, valid: true };
  },
});

/** Both: an image that means the same to every load, and an export that heeds XSTATE_BV. */
export const sanitised: VcpuPolicy = vcpuPolicy({
  ...mergedSanitised,
  id: 'sanitised',
  name: '00h, sanitised on export',
  summary: 'The initial configuration at first, and a block that says what the registers hold.',
  source: inferred('emptyTag and mergedSanitised'),
  allocate(area) {
    area.fcw = FCW_DEFAULT;
    area.mxcsr = MXCSR_DEFAULT;
  },
});

/** All of them here, in the order in which the page tells of them. */
export const history: readonly VcpuPolicy[] = [
  beforeSeries, resetOnCreate, merged, emptyTag, mergedSanitised, sanitised,
];

/**
 * How Xen switches an FPU by then: width 8, and the scrub only on processors whose restores leave the pointers alone,
 * which Xen calls X86_BUG_FPU_PTRS.
 */
export const switchWide: Policy = policy({
  ...fipWidth8,
  id: 'switchWide',
  name: 'width 8, scrub where needed',
  year: 2024,
  summary: 'XSAVEOPT64 and XRSTOR64, or FXSAVE64 and FXRSTOR64 where there is no XSAVE.',
  source: inferred(
    "Xen's description of X86_BUG_FPU_PTRS; that RstrFpErrPtrs (CPUID 80000008h EBX[2]) decides it is from memory",
  ),
  *restore(host) {
    const leftAlone = !host.cpu.features.has('RstrFpErrPtrs') && noneUnmasked(host);
    if (x87Saved(host) && leftAlone) yield* scrub(host);
    yield* restoreByWordSize(host);
  },
});

/**
 * A switch by XSAVES and XRSTORS. Xen takes this path only for a vCPU with a state component that no other instruction
 * saves (XSTATE_XSAVES_ONLY), and so far there is none.
 */
export const compacted: Policy = policy({
  id: 'compacted',
  name: 'XSAVES and XRSTORS',
  year: 2015,
  summary: 'The compacted format, with the init and modified optimisations.',
  source: inferred('xsave() and xrstor() of xen/arch/x86/xstate.c, with XSTATE_XSAVES_ONLY not 0'),
  *save({ run, area }) {
    yield* run`xsaves64 [${area}]`;
  },
  *restore({ run, area, cpu }) {
    // An area that was written by hand is in neither format yet: with XSTATE_BV and legacy region it is in both.
    if (!area.xcompBv) area.xcompBv = COMPACTED | (cpu.xcr0 & USUAL_COMPONENTS);
    yield* run`xrstors64 [${area}]`;
  },
});
