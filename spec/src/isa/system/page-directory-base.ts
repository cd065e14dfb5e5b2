/**
 * CR3, with what a load of it does beside. SDM vol. 3A, 4.4.1 and 4.10.4.1; vol. 2B, MOV—Move to/from Control
 * Registers.
 */

import { hex, u } from '../../numbers/bits.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { CR0, CR4 } from './control-bits.ts';

/** Bit 63 of the source, while CR4.PCIDE is 1: keep the translations of the new process-context identifier. */
const NO_FLUSH = 1n << 63n;

/** Loads CR3 with `value`. Reserved bits, in it or in the PDPTEs that it points to, are #GP(0). */
export function loadPageDirectoryBase(x: Execution, value: bigint): void {
  const { state } = x;
  const identifiers = (state.cr4 & CR4.PCIDE) !== 0n;
  const keep = identifiers && (value & NO_FLUSH) !== 0n;
  const base = identifiers ? value & ~NO_FLUSH : value;
  if (x.longMode && base >> BigInt(x.cpu.physicalAddressBits)) {
    x.fault('#GP', `CR3 value ${hex(base)} is wider than a physical address`, 0);
  }
  const pdptes = usesPdptes(x, state.cr0, state.cr4) ? readPdptes(x, base) : undefined;
  if (pdptes) setPdptes(x, pdptes);
  // The flat mapping stands for the structures of the CR3 that the loader left: the same value again keeps it.
  if (state.quad(OFFSET.cr3) !== base) state.setByte(OFFSET.flatMapping, 0);
  state.setQuad(OFFSET.cr3, base);
  if (!identifiers) x.paging.invalidate({ kind: 'all but global' });
  else if (!keep) x.paging.invalidate({ kind: 'context', pcid: Number(base & 0xfffn) });
  else x.paging.changed();
}

/** PAE paging outside of IA-32e mode: translations begin at registers. */
export const usesPdptes = (x: Execution, cr0: bigint, cr4: bigint): boolean =>
  (cr0 & CR0.PG) !== 0n && (cr4 & CR4.PAE) !== 0n && !x.longMode && x.state.byte(OFFSET.flatMapping) === 0;

/** The four PDPTEs at `cr3`; a present one with a reserved bit is #GP(0). SDM vol. 3A, table 4-8. */
export function readPdptes(x: Execution, cr3: bigint): bigint[] {
  const base = cr3 & 0xffff_ffe0n;
  const reserved = 0x1e6n | u(64, -1n << BigInt(x.cpu.physicalAddressBits));
  return [0n, 8n, 16n, 24n].map((offset) => {
    const pdpte = x.paging.readPhysical(u(32, base + offset), 8);
    if (pdpte & 1n && pdpte & reserved) {
      x.fault('#GP', `the PDPTE at ${hex(u(32, base + offset))} sets reserved bits ${hex(pdpte & reserved)}`, 0);
    }
    return pdpte;
  });
}

export function setPdptes(x: Execution, pdptes: readonly bigint[]): void {
  for (const [n, pdpte] of pdptes.entries()) x.state.setQuad(OFFSET.pdpte0 + 8 * n, pdpte);
}
