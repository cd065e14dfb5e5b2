/** Registers of the local APIC: their numbers, and which of their bits can be written. SDM vol. 3A, chapter 10. */

/** Registers by offset / 16: the last two digits of their x2APIC MSRs. Table 10-1 and table 10-6. */
export const REGISTER = {
  id: 2, version: 3, tpr: 8, apr: 9, ppr: 0xa, eoi: 0xb, ldr: 0xd, dfr: 0xe, svr: 0xf, isr: 0x10, tmr: 0x18, irr: 0x20,
  esr: 0x28,
  icr: 0x30, icrHigh: 0x31, timer: 0x32, thermal: 0x33, performance: 0x34, lint0: 0x35, lint1: 0x36, error: 0x37,
  initialCount: 0x38, currentCount: 0x39, divide: 0x3e, selfIpi: 0x3f,
} as const;

export const LVT_MASKED = 0x1_0000, LVT_LEVEL = 0x8000, LVT_REMOTE_IRR = 0x4000;
/** Bits of LVT entries that software writes. Figure 10-8. */
export const LVT_WRITABLE: Readonly<Record<number, number>> = {
  [REGISTER.timer]: 0x7_00ff, [REGISTER.thermal]: 0x1_07ff, [REGISTER.performance]: 0x1_07ff,
  [REGISTER.lint0]: 0x1_a7ff, [REGISTER.lint1]: 0x1_a7ff, [REGISTER.error]: 0x1_00ff,
};

const eight = (first: number): number[] => Array.from({ length: 8 }, (_, n) => first + n);
const LVT_REGISTERS = Object.keys(LVT_WRITABLE).map(Number);
/** Registers that RDMSR can read. Table 10-6. */
export const READABLE_MSRS: ReadonlySet<number> = new Set([
  REGISTER.id, REGISTER.version, REGISTER.tpr, REGISTER.ppr, REGISTER.ldr, REGISTER.svr, ...eight(REGISTER.isr),
  ...eight(REGISTER.tmr), ...eight(REGISTER.irr),
  REGISTER.esr, REGISTER.icr, ...LVT_REGISTERS, REGISTER.initialCount, REGISTER.currentCount, REGISTER.divide,
]);
/** Registers that can be written, with the bits that are not reserved. Table 10-6. */
export const WRITABLE_MSRS: Readonly<Record<number, bigint>> = {
  [REGISTER.tpr]: 0xffn, [REGISTER.eoi]: 0n, [REGISTER.svr]: 0x1ffn, [REGISTER.esr]: 0n,
  [REGISTER.icr]: 0xffff_ffff_000c_cfffn,
  [REGISTER.initialCount]: 0xffff_ffffn, [REGISTER.divide]: 0xbn, [REGISTER.selfIpi]: 0xffn,
  ...Object.fromEntries(LVT_REGISTERS.map((register) => [register, BigInt(LVT_WRITABLE[register]! | 0x1000)])),
};
