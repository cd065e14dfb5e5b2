/** A processor model as data: what CPUID says, and what it does where the manuals leave room or vendors differ. */

import type { Manner } from '../numbers/float80.ts';
import type { DotProductOrder } from '../numbers/simd.ts';
import type { Citation } from '../state/citation.ts';
import { type Feature, FEATURES } from './features.table.ts';

/** How a processor treats the x87 pointers (FOP, FIP, FCS, FDP, FDS). */
export interface X87Behaviour {
  /** Which non-control instructions load FOP: each, or only those that incur an unmasked exception. */
  fopUpdate: 'every instruction' | 'unmasked exception';
  /** What FXSAVE and the XSAVE family do with FOP, FIP and FDP while no unmasked exception is pending. */
  saveWithoutException: 'store' | 'store zero' | 'leave memory';
  /** What FXRSTOR and the XRSTOR family do with them when the image has no unmasked exception pending. */
  restoreWithoutException: 'load' | 'leave register';
  /** FDP is sign-extended from the top linear-address bit on a 64-bit restore, as FIP is; otherwise kept as loaded. */
  canonicalFdp: boolean;
  /** How the last bit of the transcendental functions comes about. */
  transcendentals: Manner;
  /** What FCOMI and its kin make of C1 where no register was empty. The manual has it cleared. */
  c1OfFcomi: 'kept' | 'cleared';
  /** Whether a store to memory asks for its operand although an unmasked exception leaves no result. */
  storeWithoutResult: 'asks for memory' | 'leaves memory alone';
}

/** How a processor takes SYSCALL, SYSRET, SYSENTER and SYSEXIT, on which the two vendors never agreed. */
export interface FastCalls {
  /** Where SYSCALL and SYSRET exist: in 64-bit mode, or in any mode. Elsewhere they are #UD. */
  syscall: '64-bit mode' | 'any mode';
  /** Where SYSENTER and SYSEXIT exist: in any mode, or outside IA-32e mode. Elsewhere they are #UD. */
  sysenter: 'any mode' | 'outside IA-32e mode';
  /** SYSRET to an RIP that is not canonical: #GP(0) of SYSRET itself, or of the first fetch, at level 3. */
  sysretNotCanonical: 'faults at SYSRET' | 'faults at the target';
  /** What SYSRET does to SS: selector and hidden part, or the selector alone, and base, limit and attributes stay. */
  sysretStack: 'loads SS' | 'loads the selector';
  /** Bits that IA32_SYSENTER_ESP and IA32_SYSENTER_EIP keep of what is written. */
  sysenterBits: 32 | 64;
}

/** What an instruction of several accesses does first, where more than one would fault; and how wide one of them is. */
export interface AccessOrder {
  /**
   * PUSH of a segment register into a slot of 32 bits, outside 64-bit mode. SDM vol. 2B, PUSH: two bytes, or all four
   * on earlier processors.
   */
  readonly selectorPush: 'two bytes' | 'zero-extended';
  /** How wide a read of a selector in a stack slot is: POP of a segment register, CS for a far RET. */
  readonly selectorPop: 'two bytes' | 'whole slot';
  /** The operand that CMPS reads first; a Zen 4 has a path of its own for REPE CMPSB. */
  readonly compares: 'source first' | 'destination first' | 'destination first but for REPE CMPSB';
  /**
   * Status flags when a later iteration of a repeated CMPS or SCAS faults: as before the instruction (SDM vol. 2B,
   * REP), or as the iterations before left them.
   */
  readonly faultInRepetition: 'restores flags' | 'keeps flags';
  /**
   * What a repeated string instruction with 32-bit addresses in 64-bit code does to bits 63:32 of RCX, also with
   * ECX = 0, and of the index registers of MOVS and STOS: cuts them off at once, or leaves them until it counts.
   */
  readonly narrowRepetition: 'cuts registers' | 'keeps registers';
  /**
   * An access that begins within a flat segment (base 0, limit FFFFFFFFh) and ends behind its 4 GiB: goes on at 0, or
   * is beyond the limit. SDM vol. 3A, 5.3 leaves it open; where nobody has looked it is `Unmodelled`.
   */
  readonly wrapping: 'faults' | 'wraps' | 'unknown';
  /**
   * What FLD, FSTP, FBLD and FBSTP of 80 bits are: one access, or one of 8 bytes and then, where the offset may have
   * wrapped at the address size, one of 2. A store has done the first where the second faults.
   */
  readonly eightyBits: 'one access' | '8 bytes and then 2';
  /** Which bound BOUND compares before it reads the other: the lower one, or none. */
  readonly bounds: 'lower one first' | 'both read first';
  /** Whether the alignment of a vector in memory is checked before what the segment says of it, or after. */
  readonly vectorAlignment: 'before the segment' | 'after the segment';
  /**
   * What of a save area is asked first: whether the segment has all of it and then its bytes in their order; or the
   * last byte of an FXSAVE area and of one that XSAVE stores, XCOMP_BV of one that XRSTOR loads and then its last byte,
   * and of an x87 environment the first word and then the last byte. Then each field is an access of its own, whose
   * offset wraps at the address size: behind the end of the offsets the area goes on at 0, and a field around it is
   * beyond the limit when those before it are done. XSAVE and XRSTOR access only what they store and load.
   */
  readonly stateArea: 'in order' | 'ends first';
  /**
   * An FXSAVE or XSAVE area that is not aligned on its 16 or 64 bytes, while alignment is checked: #GP in any case, or
   * #AC where its first four bytes are not aligned, and #GP where they are. SDM vol. 2A, FXSAVE, leaves it open.
   */
  readonly misalignedArea: '#GP' | '#AC for its first four bytes';
  /** Whether a near CALL checks its target or the stack that it pushes on first. */
  readonly call: 'target first' | 'stack first';
  /**
   * How IRET in protected mode reads its image: in the order of the pops; RFLAGS and all of the rest before a check; or
   * RFLAGS, CS and RIP, and only after the checks of CS SS and RSP.
   */
  readonly return: 'in order' | 'flags first' | 'flags and CS first';
  /**
   * RIP in the image of a return to the same level: compared with the limit of code that is not 64-bit in all its bits
   * and before SS is looked at, or in 32 bits and after it.
   */
  readonly returnTarget: 'in full, before SS' | 'in 32 bits, after SS';
  /**
   * The stack that a far CALL between 64-bit and compatibility mode pushes on: of the code that calls, or as its target
   * sees it.
   */
  readonly farCall: 'stack of the caller' | 'stack of the target';
  /** Whether far RET to another level reads that level's SS:rSP before or after the checks on CS. */
  readonly farReturn: 'checks first' | 'stack first';
}

/** Debug traps where the vendors differ. */
export interface DebugTraps {
  /** Of several loads of SS in a row, the first alone shields the instruction behind it, or each does. */
  stackLoads: 'the first shields' | 'each shields';
  /** What an event between two iterations of a string instruction saves as RF. */
  betweenIterations: 'RF = 1' | 'RF = 0';
  /**
   * Which bytes of MASKMOVQ and MASKMOVDQU meet a data breakpoint: all that the operand has, also with a mask of zeros,
   * for which SDM vol. 2B, 4.3, MASKMOVDQU, leaves it open; or those that are stored.
   */
  maskedBytes: 'every byte' | 'selected bytes';
}

/** Processors of which it is known what becomes of flags that the manual leaves undefined. */
export type FlagFamily = 'zen' | 'skylake' | 'sapphire rapids';

/** What they make of them, by family: the flags as they were where that is what happens, or where nobody has looked. */
export type SeenFlags = Readonly<Record<'zen' | 'skylake', number>> & {
  /** A Sapphire Rapids does as a Skylake where nothing is said. */
  readonly sapphireRapids?: number;
};

/** What a processor does where the manuals leave room or vendors differ. */
export interface Quirks {
  readonly x87: X87Behaviour;
  /**
   * XINUSE and XMODIFIED: `tracked` sets a component's bit when an instruction writes it and clears it only on a
   * restore to the initial configuration; FWAIT and LDMXCSR count as writes, FNSTCW and FNSTSW do not; of vector
   * registers 8 to 15 it is kept apart, and 32-bit code does not see it. `by value` has
   * it set while the component differs from that configuration, and also from the write of a register until a zeroing
   * idiom (XMM) or until FNCLEX, FNINIT or a load of the environment (x87).
   */
  readonly xinuse: 'tracked' | 'by value';
  /** What a null selector does to the hidden base and limit of DS, ES, FS or GS. */
  readonly nullSelector: 'clears base and limit' | 'keeps base and limit';
  /** Bits of MXCSR that may be set: what FXSAVE stores as MXCSR_MASK. */
  readonly mxcsrMask: number;
  /**
   * What SHLD and SHRD of 16-bit operands shift in after the second operand, with counts above 16: undefined by the
   * manual.
   */
  readonly wordDoubleShift: 'first operand again' | 'second operand again';
  /** What a far pointer in memory is to a far JMP or CALL, LSS, LFS or LGS with REX.W. */
  readonly longFarPointer: 'm16:64' | 'm16:32';
  /** What prefix 66 makes of near branches in 64-bit mode. */
  readonly nearBranch66: '64 bits' | '16 bits';
  /**
   * How far an encoding that is no instruction, or one that the processor lacks, is fetched before it is #UD: that may
   * fault, and make more than 15 bytes. isa/holes.ts has the lengths. UD0 and UD1 are fetched as holes are.
   */
  readonly holes: 'fetched to their end' | 'fetched to the opcode';
  /**
   * Which system descriptors LAR accepts in IA-32e mode: those of an LDT, or only task state segments and call gates.
   */
  readonly larInLongMode: 'LDT too' | 'no LDT';
  /** Status flags that the manual leaves undefined: as on processors of a family, or as they were. */
  readonly undefinedFlags: FlagFamily | 'unchanged';
  readonly accesses: AccessOrder;
  readonly fastCalls: FastCalls;
  readonly debugTraps: DebugTraps;
  /** What a fault of a store from an MMX register, or of MASKMOVQ, leaves of the x87 stack. */
  readonly faultingMmxStore: 'leaves TOP at 0' | 'leaves all as it was';
  /** IA32_TSC_AUX[63:32]: reserved, so that writing them is #GP(0), or dropped. */
  readonly tscAuxHigh: 'reserved' | 'dropped';
  /**
   * RCPPS and RSQRTPS: the manuals give a bound. Intel's are those of the middles of intervals, rounded to 13 bits:
   * numbers/simd/approximations.ts.
   */
  readonly approximations: 'interval middles' | 'unknown';
  /** Which NaN DPPS and DPPD pass on where there are several: see numbers/simd/dot-product.ts. */
  readonly dotProduct: DotProductOrder;
}

/** Where each quirk is from, and whatever else about a profile needs saying. */
export type QuirkSources =
  & Readonly<Record<Exclude<keyof Quirks, 'x87' | 'debugTraps'> | keyof X87Behaviour | keyof DebugTraps, Citation>>
  & Readonly<Record<string, Citation>>;

export interface CpuProfile extends Quirks {
  readonly id: string;
  readonly name: string;
  readonly vendor: 'GenuineIntel' | 'AuthenticAMD';
  readonly year: number;
  /** CPUID leaf 01h EAX: family, model, stepping. */
  readonly signature: number;
  readonly features: ReadonlySet<Feature>;
  /** Bits that XSETBV accepts in XCR0: CPUID leaf 0Dh, sub-leaf 0, EDX:EAX. 0 without XSAVE. */
  readonly xcr0: bigint;
  /**
   * Bits that WRMSR accepts in IA32_XSS, supervisor components: CPUID leaf 0Dh, sub-leaf 1, EDX:ECX. Their state is
   * there, with its MSRs; what it would do is not modelled, and so CPUID has no bit for the features that use it.
   */
  readonly xss?: bigint;
  /** Width of a linear address in bits: 48, or 57 where the processor has 5-level paging. */
  readonly linearAddressBits: 48 | 57;
  readonly physicalAddressBits: number;
  /** MSRs of this processor that are constants of the model, by name: see isa/system/msrs.table.ts. */
  readonly msrs?: Readonly<Record<string, bigint>>;
  /** Frequency of the core crystal clock in Hz, where CPUID leaf 15h gives it. */
  readonly crystal?: number;
  /** Where each of these facts is from: of the quirks by their names, of CPUID bits by theirs. */
  readonly sources: QuirkSources;
}

export type ProfileInput = Omit<CpuProfile, 'features'> & { features: readonly Feature[] };

/** Checks a profile's features against the table and freezes it. A misspelt feature is a `RangeError`. */
export function cpuProfile(input: ProfileInput): CpuProfile {
  for (const feature of input.features) {
    if (!(feature in FEATURES)) {
      throw new RangeError(
        `CPU profile ${input.id}: ${feature} is not in the table of features (cpus/features.table.ts)`,
      );
    }
  }
  return Object.freeze({ ...input, features: new Set(input.features) });
}
