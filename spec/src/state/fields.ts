/**
 * The architectural state as a table: name, width and place in the state area. Getters, differences, printing and
 * comparison all come from it. Names are the manuals'.
 */

export type Visibility =
  /** Software of the guest can read it back by some instruction. */
  | 'architectural'
  /** No instruction reads it, but it decides what later ones do (descriptor caches, shadows). */
  | 'hidden'
  /** A permission to optimise, not a value: what the processor tracks for XSAVEOPT, and the engine's own notes. */
  | 'tracking';

export interface Field {
  readonly name: string;
  /** Byte offset in the state area. */
  readonly offset: number;
  /** Width in bits: a power of two from 8 on, or 80. */
  readonly width: number;
  readonly visibility: Visibility;
}

/** General-purpose registers in their encoding order. */
export const GPR_NAMES = [
  'RAX', 'RCX', 'RDX', 'RBX', 'RSP', 'RBP', 'RSI', 'RDI', 'R8', 'R9', 'R10', 'R11', 'R12', 'R13', 'R14', 'R15',
] as const;
/** Those that instructions use without naming them, by encoding. */
export const RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7, R11 = 11;

/** Segment registers in their encoding order, then LDTR and TR. */
export const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;
export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5, LDTR = 6, TR = 7;

/** Bytes from one segment register to the next in the area: selector +0, attributes +4, limit +8, base +16. */
export const SEGMENT_STRIDE = 32;
/** Bytes from one vector register to the next: room for 512 bits. */
export const VECTOR_STRIDE = 64;

const fields: Field[] = [];
let end = 0;

function place(
  name: string, width: number, visibility: Visibility = 'architectural', bytes = Math.max(8, width / 8),
): number {
  const align = Math.min(bytes, 16);
  const offset = Math.ceil(end / align) * align;
  end = offset + bytes;
  fields.push({ name, offset, width, visibility });
  return offset;
}

/** Fixed-range MTRRs in the order of their numbers, and the variable-range ones. SDM vol. 3A, 11.11.2. */
export const MTRR_FIXED_NAMES = [
  'IA32_MTRR_FIX64K_00000', 'IA32_MTRR_FIX16K_80000', 'IA32_MTRR_FIX16K_A0000',
  ...Array.from({ length: 8 }, (_, n) => `IA32_MTRR_FIX4K_${(0xc0000 + 0x8000 * n).toString(16).toUpperCase()}`),
] as const;
export const VARIABLE_MTRRS = 8;
export const MTRR_VARIABLE_NAMES = Array.from(
  { length: VARIABLE_MTRRS }, (_, n) => [`IA32_MTRR_PHYSBASE${n}`, `IA32_MTRR_PHYSMASK${n}`],
).flat();

/** Entries that the last-branch records have room for in the XSAVE area. SDM vol. 1, 13.5.12. */
export const LBR_ENTRIES = 32;
/**
 * What XSAVES and XRSTORS move as supervisor state, component by component and in the order of memory, each 8 bytes;
 * then MSRs that come with them and that nothing saves. See isa/xsave/supervisor.table.ts.
 */
export const SUPERVISOR_NAMES: readonly string[] = [
  ...[
    'CTL', 'OUTPUT_BASE', 'OUTPUT_MASK_PTRS', 'STATUS', 'CR3_MATCH', 'ADDR0_A', 'ADDR0_B', 'ADDR1_A', 'ADDR1_B',
  ].map((name) => `IA32_RTIT_${name}`),
  'IA32_PASID', 'IA32_U_CET', 'IA32_PL3_SSP', 'IA32_PL0_SSP', 'IA32_PL1_SSP', 'IA32_PL2_SSP', 'IA32_PM_CTL1',
  ...['HANDLER', 'STACKADJUST', 'MISC', 'PD', 'RR', 'TT'].map((name) => `IA32_UINTR_${name}`),
  'IA32_LBR_CTL', 'IA32_LBR_DEPTH', 'IA32_LER_FROM_IP', 'IA32_LER_TO_IP', 'IA32_LER_INFO',
  ...Array.from(
    { length: LBR_ENTRIES }, (_, n) => ['FROM_IP', 'TO_IP', 'INFO'].map((part) => `IA32_LBR_${n}_${part}`),
  ).flat(),
  'IA32_HWP_REQUEST', 'IA32_S_CET', 'IA32_INTERRUPT_SSP_TABLE_ADDR', 'IA32_PM_ENABLE',
];
/** AMD's, as its processors have had since K7. */
const PERFORMANCE_COUNTERS = [0, 1, 2, 3] as const;

const gpr = GPR_NAMES.map((name) => place(name, 64))[0]!;
const rip = place('RIP', 64);
const rflags = place('RFLAGS', 64);
const segments = (end = Math.ceil(end / SEGMENT_STRIDE) * SEGMENT_STRIDE);
for (const name of SEGMENT_NAMES) {
  const start = end;
  fields.push(
    { name, offset: start, width: 16, visibility: 'architectural' },
    { name: `${name}.attributes`, offset: start + 4, width: 16, visibility: 'hidden' },
    { name: `${name}.limit`, offset: start + 8, width: 32, visibility: 'hidden' },
    { name: `${name}.base`, offset: start + 16, width: 64, visibility: 'hidden' },
  );
  end = start + SEGMENT_STRIDE;
}

/** Byte offsets of fields in the state area. */
export const OFFSET = {
  gpr, rip, rflags, segments,
  gdtrBase: place('GDTR.base', 64), gdtrLimit: place('GDTR.limit', 16),
  idtrBase: place('IDTR.base', 64), idtrLimit: place('IDTR.limit', 16),
  cr0: place('CR0', 64), cr2: place('CR2', 64), cr3: place('CR3', 64), cr4: place('CR4', 64), cr8: place('CR8', 64),
  xcr0: place('XCR0', 64),
  efer: place('IA32_EFER', 64), star: place('IA32_STAR', 64), lstar: place('IA32_LSTAR', 64),
  cstar: place('IA32_CSTAR', 64), fmask: place('IA32_FMASK', 64), kernelGsBase: place('IA32_KERNEL_GS_BASE', 64),
  xss: place('IA32_XSS', 64), xfd: place('IA32_XFD', 64), xfdErr: place('IA32_XFD_ERR', 64),
  tscAux: place('IA32_TSC_AUX', 64), miscEnable: place('IA32_MISC_ENABLE', 64),
  sysenterCs: place('IA32_SYSENTER_CS', 64), sysenterEsp: place('IA32_SYSENTER_ESP', 64),
  sysenterEip: place('IA32_SYSENTER_EIP', 64), pat: place('IA32_PAT', 64),
  apicBase: place('IA32_APIC_BASE', 64), debugctl: place('IA32_DEBUGCTL', 64),
  /** What RDTSC adds to the count of instructions: 0 until software writes IA32_TIME_STAMP_COUNTER. */
  tscOffset: place('TSC offset', 64, 'tracking'),
  /** Cells of MSRs: see isa/system/msrs.table.ts. */
  tscAdjust: place('IA32_TSC_ADJUST', 64), featureControl: place('IA32_FEATURE_CONTROL', 64),
  miscFeaturesEnables: place('MISC_FEATURES_ENABLES', 64), mcgStatus: place('IA32_MCG_STATUS', 64),
  specCtrl: place('IA32_SPEC_CTRL', 64), mtrrDefType: place('IA32_MTRR_DEF_TYPE', 64),
  mtrrFixed: MTRR_FIXED_NAMES.map((name) => place(name, 64))[0]!,
  mtrrVariable: MTRR_VARIABLE_NAMES.map((name) => place(name, 64))[0]!,
  syscfg: place('SYSCFG', 64), hwcr: place('HWCR', 64), topMem: place('TOP_MEM', 64), topMem2: place('TOP_MEM2', 64),
  nbCfg: place('NB_CFG', 64), mmioCfgBase: place('MMIO_CFG_BASE', 64),
  intPending: place('Interrupt pending message', 64),
  vmCr: place('VM_CR', 64), lsCfg: place('LS_CFG', 64), dcCfg: place('DC_CFG', 64), deCfg: place('DE_CFG', 64),
  buCfg2: place('BU_CFG2', 64),
  /** Bits that software has changed in AMD's registers of features: see isa/system/cpuid-features.ts. */
  changedFeatures1: place('changed CPUID features', 64),
  changedFeatures7: place('changed structured CPUID features', 64),
  changedFeaturesExtended: place('changed extended CPUID features', 64),
  perfEvtSel: PERFORMANCE_COUNTERS.map((n) => place(`PerfEvtSel${n}`, 64))[0]!,
  perfCtr: PERFORMANCE_COUNTERS.map((n) => place(`PerfCtr${n}`, 64))[0]!,
  supervisor: SUPERVISOR_NAMES.map((name) => place(name, 64))[0]!,
  /** User-interrupt flag: no MSR has it, XSAVES puts it into bit 63 of IA32_UINTR_MISC. SDM vol. 1, 13.5.11. */
  uif: place('UIF', 8),
  /** What RDRAND and RDSEED draw from; it is the seed to begin with. */
  random: place('random state', 64, 'tracking'),
  dr0: place('DR0', 64), dr1: place('DR1', 64), dr2: place('DR2', 64), dr3: place('DR3', 64), dr6: place('DR6', 64),
  dr7: place('DR7', 64),
  /** The four page-directory-pointer-table entries that PAE paging loads with CR3. SDM vol. 3A, 4.4.1. */
  pdpte0: place('PDPTE0', 64, 'hidden'), pdpte1: place('PDPTE1', 64, 'hidden'),
  pdpte2: place('PDPTE2', 64, 'hidden'), pdpte3: place('PDPTE3', 64, 'hidden'),
  /**
   * 1 until the end of the instruction after a load of SS, and after an STI that set IF; then the signals that wait for
   * the next boundary between two instructions. The four lie side by side: one read tells that there is none.
   */
  movSsShadow: place('blocking by MOV SS', 8, 'hidden', 1), stiShadow: place('blocking by STI', 8, 'hidden', 1),
  nmiPending: place('pending NMI', 8, 'hidden', 1), initPending: place('pending INIT', 8, 'hidden', 1),
  /** A start-up IPI that came after that INIT: 100h plus its vector. */
  sipiPending: place('pending SIPI', 16, 'hidden'),
  /** 1 from the delivery of an NMI until IRET. SDM vol. 3A, 6.7.1. */
  nmiBlocking: place('blocking by NMI', 8, 'hidden'),
  /**
   * Debug exceptions that wait for the end of the instruction or of a shadow, as DR6 will have them. SDM vol. 3C,
   * 24.4.2.
   */
  pendingDebug: place('pending debug exceptions', 64, 'hidden'),
  /**
   * 1 between two iterations of a repeated string instruction, RIP at it: an event there has to do with RF.
   * SDM vol. 3B, 17.3.1.1.
   */
  repeating: place('between iterations', 8, 'hidden'),
  /** RFLAGS before the first iteration of a repeated comparison. */
  repeatedFlags: place('RFLAGS before the repetition', 32, 'tracking'),
  /** 0 active, 1 HLT, 2 shutdown, 3 wait for SIPI. SDM vol. 3C, 24.4.2. */
  halted: place('activity state', 8),
  fcw: place('FCW', 16), fsw: place('FSW', 16),
  /** Abridged: bit j is 1 when physical register Rj is not empty. SDM vol. 1, 10.5.1.1. */
  ftw: place('FTW', 8),
  fop: place('FOP', 16), fip: place('FIP', 64), fcs: place('FCS', 16), fdp: place('FDP', 64), fds: place('FDS', 16),
  mxcsr: place('MXCSR', 32), pkru: place('PKRU', 32),
  /**
   * What the processor tracks as in use; read it through a CPU profile, which may compute it from values instead. Of
   * vector registers 8 to 15, which only 64-bit code reaches, it is kept apart: isa/xsave/tracking.ts.
   */
  xinuse: place('XINUSE', 64, 'tracking'),
  xinuse8To15: place('XINUSE of registers 8 to 15', 64, 'tracking'),
  /** 1 from an x87 instruction that writes a stack register until one that loads or clears the status word. */
  x87Written: place('x87 registers written', 8, 'tracking'),
  /** Bit i: the last write of XMMi was not a zeroing idiom. */
  xmmWritten: place('XMM registers written', 16, 'tracking'),
  /** XRSTOR_INFO and XMODIFIED of SDM vol. 1, 13.6. */
  xrstorValid: place('XRSTOR_INFO.valid', 8, 'tracking'), xrstorCpl: place('XRSTOR_INFO.CPL', 8, 'tracking'),
  xrstorGuest: place('XRSTOR_INFO.VMX non-root', 8, 'tracking'),
  xrstorAddress: place('XRSTOR_INFO.linear address', 64, 'tracking'),
  xrstorXcompBv: place('XRSTOR_INFO.XCOMP_BV', 64, 'tracking'),
  xmodified: place('XMODIFIED', 64, 'tracking'),
  xmodified8To15: place('XMODIFIED of registers 8 to 15', 64, 'tracking'),
  /** 1 while this processor runs a guest in VMX non-root operation (or SVM guest mode). */
  guestMode: place('VMX non-root', 8, 'tracking'),
  /** 1 while linear addresses are what the loader mapped, one to one, in place of what paging structures say. */
  flatMapping: place('flat mapping', 8, 'tracking'),
  /** Bits of RFLAGS whose value the architecture leaves undefined at this moment. */
  undefinedFlags: place('undefined RFLAGS bits', 32, 'tracking'),
  st: ['R0', 'R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7'].map((name) => place(name, 80, 'architectural', 16))[0]!,
  vector: 0, opmask: 0, tileConfiguration: 0, tiles: 0,
};

end = Math.ceil(end / VECTOR_STRIDE) * VECTOR_STRIDE;
OFFSET.vector = end;
for (let i = 0; i < 16; i++) {
  fields.push(
    { name: `XMM${i}`, offset: end, width: 128, visibility: 'architectural' },
    { name: `YMM${i}[255:128]`, offset: end + 16, width: 128, visibility: 'architectural' },
    { name: `ZMM${i}[511:256]`, offset: end + 32, width: 256, visibility: 'architectural' },
  );
  end += VECTOR_STRIDE;
}
for (let i = 16; i < 32; i++) {
  fields.push({ name: `ZMM${i}`, offset: end, width: 512, visibility: 'architectural' });
  end += VECTOR_STRIDE;
}
OFFSET.opmask = numberedFields(8, 'K', 64);
OFFSET.tileConfiguration = numberedFields(1, 'TILECFG', 512);
/** Eight tiles of 16 rows of 64 bytes: palette 1 has no other. They are last, as the largest and the least used. */
OFFSET.tiles = numberedFields(8, 'TMM', 8192);

/** Registers side by side, named by their numbers where there are several. */
function numberedFields(count: number, name: string, width: number): number {
  const start = end;
  for (let n = 0; n < count; n++) {
    const field = count === 1 ? name : `${name}${n}`;
    fields.push({ name: field, offset: end, width, visibility: 'architectural' });
    end += width / 8;
  }
  return start;
}

/**
 * x87, MMX, SSE, AVX, AVX-512 and AMX state and PKRU, with what the processor tracks about it, as byte ranges of the
 * area: what stays in the registers across a VM exit, because neither VMCS nor VMCB nor a push of the general-purpose
 * registers covers it.
 */
export const EXTENDED_STATE: readonly (readonly [start: number, end: number])[] = [
  [OFFSET.fcw, OFFSET.guestMode], [OFFSET.st, end],
];

/** Size of the state area in bytes. */
export const STATE_SIZE = end;

/** Every field, in the order in which differences are reported. */
export const FIELDS: readonly Field[] = fields;

const byName = new Map(fields.map((field) => [field.name, field]));

/** The field with this manual name. Throws a `RangeError` that lists near names when there is none. */
export function fieldNamed(name: string): Field {
  const field = byName.get(name);
  if (field) return field;
  const near = fields.map((f) => f.name).filter((n) => n.toUpperCase().startsWith(name.slice(0, 2).toUpperCase()));
  throw new RangeError(
    `no field of the state is called ${JSON.stringify(name)}${near.length ? `; near it: ${near.join(', ')}` : ''}`,
  );
}
