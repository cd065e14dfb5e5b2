/** What can end a guest's run, and the vectors of what can arrive. */

/** Exit reasons of VMX. SDM vol. 3D, appendix C. */
export const EXIT = { exceptionOrNmi: 0, externalInterrupt: 1, hlt: 12, controlRegister: 28, xsetbv: 55 } as const;
/** Vectors; Linux's for a function call by IPI and for the local timer. */
export const VECTOR = { nmi: 2, machineCheck: 18, deviceNotAvailable: 7, call: 0xfb, timer: 0xec } as const;

/** Reason and vector of an exit as the host finds them, in one doubleword. */
export const eventOf = (reason: number, vector = 0): number => (reason << 8) | vector;
