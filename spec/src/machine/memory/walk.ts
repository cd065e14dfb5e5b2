/**
 * From a linear to a physical address through paging structures in memory. SDM vol. 3A, 4.3 (32-bit paging), 4.4 (PAE)
 * and 4.5 (4-level paging); 5-Level Paging white paper, revision 1.0, for the fifth level.
 */

import { hex } from '../../numbers/bits.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import { CR4, EFER } from '../../isa/system/control-bits.ts';
import { OFFSET } from '../../state/fields.ts';
import type { State } from '../../state/state.ts';

/** What a translation says about a page. */
export interface Translation {
  /** Physical address divided by 4096 of the page's first 4 KiB. */
  readonly frame: number;
  /** Log2 of the page's bytes: 12, 21, 22 or 30. */
  readonly shift: number;
  /** User-mode addresses: U/S is 1 in every entry. */
  readonly user: boolean;
  /** R/W is 1 in every entry. */
  readonly writable: boolean;
  /** Execute-disable is 1 in some entry. */
  readonly executeDisable: boolean;
  readonly global: boolean;
  readonly dirty: boolean;
  /** Protection key: bits 62:59 of the last entry, with 4 and 5 levels. */
  readonly key: number;
  /** Physical addresses of the entries used, the last one last. */
  readonly entries: readonly bigint[];
  /** Bytes of an entry: 4 or 8. */
  readonly entryBytes: 4 | 8;
}

/** Why there is no translation: bits P and RSVD of the error code, and a sentence. */
export interface NoTranslation {
  readonly errorCode: number;
  readonly reason: string;
}

export const ENTRY = {
  present: 1n, writable: 2n, user: 4n, accessed: 0x20n, dirty: 0x40n, pageSize: 0x80n, global: 0x100n,
  executeDisable: 1n << 63n,
} as const;
const NOT_PRESENT = 0, RESERVED = 9;

interface Level {
  readonly name: string;
  /** Lowest bit of the linear address that selects an entry. */
  readonly shift: number;
  /** Whether an entry may map a page at this level, given its PS bit. */
  readonly page: 'never' | 'PS' | 'always';
}

const PTE: Level = { name: 'page-table entry', shift: 12, page: 'always' };
const FOUR_LEVELS = (gigabytePages: boolean): Level[] => [
  { name: 'PML4 entry', shift: 39, page: 'never' },
  { name: 'page-directory-pointer-table entry', shift: 30, page: gigabytePages ? 'PS' : 'never' },
  { name: 'page-directory entry', shift: 21, page: 'PS' },
  PTE,
];

/** A paging mode: where the walk begins and what its entries look like. */
export interface PagingMode {
  readonly name: '32-bit' | 'PAE' | '4-level' | '5-level';
  readonly levels: readonly Level[];
  readonly entryBytes: 4 | 8;
  /** Bits of the linear address that select an entry of one table. */
  readonly indexBits: 9 | 10;
}

/** The paging mode that CR4 and IA32_EFER select while CR0.PG is 1. SDM vol. 3A, 4.1.1. */
export function pagingMode(state: State, cpu: CpuProfile): PagingMode {
  const { cr4, efer } = state;
  if (efer & EFER.LMA) {
    const levels = FOUR_LEVELS(cpu.features.has('PDPE1GB'));
    if (!(cr4 & CR4.LA57)) return { name: '4-level', levels, entryBytes: 8, indexBits: 9 };
    return {
      name: '5-level', levels: [{ name: 'PML5 entry', shift: 48, page: 'never' }, ...levels], entryBytes: 8,
      indexBits: 9,
    };
  }
  if (cr4 & CR4.PAE) return { name: 'PAE', levels: FOUR_LEVELS(false).slice(2), entryBytes: 8, indexBits: 9 };
  const page = cr4 & CR4.PSE ? 'PS' : 'never';
  return {
    name: '32-bit', levels: [{ name: 'page-directory entry', shift: 22, page }, PTE], entryBytes: 4, indexBits: 10,
  };
}

/** Walks the paging structures for `linear`. `read` reads an entry of physical memory. */
export function walk(
  state: State, cpu: CpuProfile, mode: PagingMode, linear: bigint, read: (address: bigint, bytes: number) => bigint,
): Translation | NoTranslation {
  const executeDisableOn = (state.efer & EFER.NXE) !== 0n;
  let table = tableBase(state, mode, linear);
  if (table === undefined) {
    return {
      errorCode: NOT_PRESENT, reason: `the page-directory-pointer-table entry of ${hex(linear)} is not present`,
    };
  }
  let [user, writable, executeDisable] = [true, true, false];
  const entries: bigint[] = [];
  for (const level of mode.levels) {
    const index = (linear >> BigInt(level.shift)) & ((1n << BigInt(mode.indexBits)) - 1n);
    const address: bigint = table + index * BigInt(mode.entryBytes);
    const entry = read(address, mode.entryBytes);
    if (!(entry & ENTRY.present)) {
      return { errorCode: NOT_PRESENT, reason: `the ${level.name} of ${hex(linear)} is not present` };
    }
    const last: boolean = level.page === 'always' || (level.page === 'PS' && (entry & ENTRY.pageSize) !== 0n);
    const reserved = entry & reservedBits(mode, level, last, executeDisableOn, cpu.physicalAddressBits);
    if (reserved) {
      return { errorCode: RESERVED, reason: `the ${level.name} of ${hex(linear)} sets reserved bits ${hex(reserved)}` };
    }
    entries.push(address);
    user &&= (entry & ENTRY.user) !== 0n;
    writable &&= (entry & ENTRY.writable) !== 0n;
    executeDisable ||= mode.entryBytes === 8 && (entry & ENTRY.executeDisable) !== 0n;
    if (last) {
      return {
        frame: Number(pageAddress(mode, level, entry) >> 12n), shift: level.shift, user, writable, executeDisable,
        global: (entry & ENTRY.global) !== 0n && (state.cr4 & CR4.PGE) !== 0n, dirty: (entry & ENTRY.dirty) !== 0n,
        key: mode.levels.length >= 4 ? Number((entry >> 59n) & 15n) : 0, entries, entryBytes: mode.entryBytes,
      };
    }
    table = entry & ADDRESS;
  }
  throw new TypeError('a walk ends at a page-table entry at the latest');
}

/** Bits 51:12 of an entry. */
const ADDRESS = ((1n << 52n) - 1n) & ~0xfffn;

/** Physical address of the first table, or undefined where PAE's PDPTE register says that there is none. */
function tableBase(state: State, mode: PagingMode, linear: bigint): bigint | undefined {
  const cr3 = state.quad(OFFSET.cr3);
  if (mode.name === '32-bit') return cr3 & 0xffff_f000n;
  if (mode.name !== 'PAE') return cr3 & ADDRESS;
  const pdpte = state.quad(OFFSET.pdpte0 + 8 * Number((linear >> 30n) & 3n));
  return pdpte & ENTRY.present ? pdpte & ADDRESS : undefined;
}

/**
 * Physical address of the page that `entry` maps. 4-MByte pages take bits 39:32 from bits 20:13. SDM vol. 3A,
 * table 4-4.
 */
function pageAddress(mode: PagingMode, { shift }: Level, entry: bigint): bigint {
  const low = entry & ADDRESS & ~((1n << BigInt(shift)) - 1n);
  if (mode.name !== '32-bit') return low;
  return shift === 22 ? (low & 0xffff_ffffn) | (((entry >> 13n) & 0xffn) << 32n) : low & 0xffff_ffffn;
}

/** Bits that must be 0 in a present entry. SDM vol. 3A, tables 4-4 to 4-19. */
function reservedBits(
  mode: PagingMode, level: Level, last: boolean, executeDisableOn: boolean, physicalAddressBits: number,
): bigint {
  if (mode.name === '32-bit') return last && level.shift === 22 ? fourMegabyteReserved(physicalAddressBits) : 0n;
  const aboveWidth = ADDRESS & ~((1n << BigInt(physicalAddressBits)) - 1n);
  const executeDisable = executeDisableOn ? 0n : ENTRY.executeDisable;
  const ignored = mode.name === 'PAE' ? ((1n << 63n) - 1n) & ~((1n << 52n) - 1n) : 0n;
  const pageSize = level.page === 'never' ? ENTRY.pageSize : 0n;
  // Bit 12 of an entry that maps a large page is PAT.
  const belowPage = last && level.shift > 12 ? ((1n << BigInt(level.shift)) - 1n) & ~0x1fffn : 0n;
  return aboveWidth | executeDisable | ignored | pageSize | belowPage;
}

/** Bit 21, and of bits 20:13 those above the physical-address width; at most 40 bits count. */
function fourMegabyteReserved(physicalAddressBits: number): bigint {
  const width = Math.min(40, physicalAddressBits);
  return ((1n << 22n) - 1n) & ~((1n << BigInt(width - 32 + 13)) - 1n);
}
