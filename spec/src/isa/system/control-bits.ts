/** Bits of control registers and of MSRs that more than one place looks at. */

/** SDM vol. 3A, 2.5. */
export const CR0 = {
  PE: 1n, MP: 2n, EM: 4n, TS: 8n, ET: 0x10n, NE: 0x20n, WP: 0x10000n, AM: 0x40000n, NW: 1n << 29n, CD: 1n << 30n,
  PG: 1n << 31n,
} as const;
export const CR4 = {
  VME: 1n, PVI: 2n, TSD: 4n, DE: 8n, PSE: 0x10n, PAE: 0x20n, MCE: 0x40n, PGE: 0x80n, PCE: 0x100n, OSFXSR: 0x200n,
  OSXMMEXCPT: 0x400n,
  UMIP: 0x800n, LA57: 0x1000n, FSGSBASE: 0x10000n, PCIDE: 0x20000n, OSXSAVE: 0x40000n, SMEP: 0x100000n, SMAP: 0x200000n,
  PKE: 0x400000n,
} as const;
/** SDM vol. 3A, 2.2.1; FFXSR is AMD's. */
export const EFER = { SCE: 1n, LME: 0x100n, LMA: 0x400n, NXE: 0x800n, FFXSR: 0x4000n } as const;
/** IA32_APIC_BASE: the processor that boots, x2APIC mode, enabled. SDM vol. 3A, 10.4.4 and 10.12.1. */
export const APIC_BASE = { BSP: 0x100n, EXTD: 0x400n, EN: 0x800n } as const;
/** IA32_DEBUGCTL: last branch records, single-stepping on branches. SDM vol. 3B, 17.4.1. */
export const DEBUGCTL = { LBR: 1n, BTF: 2n } as const;
