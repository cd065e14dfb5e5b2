/** Page tables for tests, written into physical memory entry by entry, and machines that stand on them. */

import { Machine, type MachineOptions, type Program, assemble, cpus } from 'hidden-state';
import { CR0, CR4, EFER } from '../../spec/src/isa/system/control-bits.ts';
import { OFFSET } from '../../spec/src/state/fields.ts';

export const P = 1n, RW = 2n, US = 4n, A = 0x20n, D = 0x40n, PS = 0x80n, G = 0x100n, NX = 1n << 63n;

/** Bits of the linear address that each level decides, top level first. */
const LEVELS = { '32-bit': [22, 12], PAE: [30, 21, 12], '4-level': [39, 30, 21, 12], '5-level': [48, 39, 30, 21, 12] } as const;
export type Structure = keyof typeof LEVELS;

export class PageTables {
  readonly root: bigint;
  readonly #machine: Machine;
  readonly #structure: Structure;
  #next: bigint;

  /** Tables from physical address `at` on. */
  constructor(machine: Machine, structure: Structure, at: bigint) {
    this.#machine = machine;
    this.#structure = structure;
    this.root = at;
    this.#next = at + 0x1000n;
    machine.memory.map(at, 0x10_0000);
  }

  get #entryBytes(): number { return this.#structure === '32-bit' ? 4 : 8; }

  /** Physical address of the entry that maps `linear` at the level of `shift`; missing tables are made, all rights given. */
  entry(linear: bigint, shift = 12): bigint {
    const bits = this.#structure === '32-bit' ? 10n : 9n;
    let table = this.root;
    for (const level of LEVELS[this.#structure]) {
      const mask = this.#structure === 'PAE' && level === 30 ? 3n : (1n << bits) - 1n;
      const address = table + ((linear >> BigInt(level)) & mask) * BigInt(this.#entryBytes);
      if (level === shift) return address;
      let entry = this.read(address);
      if (!(entry & P)) {
        // A PDPTE of PAE paging has no R/W and U/S: they are reserved there.
        entry = this.#next | P | (mask === 3n ? 0n : RW | US);
        this.#next += 0x1000n;
        this.write(address, entry);
      }
      table = entry & 0xf_ffff_ffff_f000n;
    }
    throw new RangeError(`no level of ${this.#structure} paging has shift ${shift}`);
  }

  map(linear: bigint, physical: bigint, flags: bigint, shift = 12): void {
    this.write(this.entry(linear, shift), physical | flags);
  }

  read(address: bigint): bigint { return this.#machine.memory.read(address, this.#entryBytes); }
  write(address: bigint, value: bigint): void { this.#machine.memory.write(address, this.#entryBytes, value); }
}

export const CODE = 0x1_0000n, STACK = 0x2_0000n, TABLES = 0x100_0000n;

/** A machine at CPL 0 whose code, a page of stack below `STACK`, and tables are mapped one to one, with all rights but U/S. */
export function paged(source: string, structure: Structure, options: MachineOptions = {}): { machine: Machine; tables: PageTables; program: Program } {
  const mode = structure === '32-bit' || structure === 'PAE' ? 32 : 64;
  const program = assemble(source, { mode, origin: CODE });
  const machine = new Machine(program, { cpu: cpus.sapphireRapids, ...options });
  const { state } = machine;
  machine.memory.map(STACK - 0x1000n, 0x1000);
  const tables = new PageTables(machine, structure, TABLES);
  for (let page = 0n; page < BigInt(program.bytes.length); page += 0x1000n) tables.map(CODE + page, CODE + page, P | RW);
  tables.map(STACK - 0x1000n, STACK - 0x1000n, P | RW);
  for (let page = 0n; page < 0x10_0000n; page += 0x1000n) tables.map(TABLES + page, TABLES + page, P | RW);
  state.cr0 |= CR0.PG | CR0.WP;
  state.cr4 = (state.cr4 & ~(CR4.PAE | CR4.LA57)) | (structure === '32-bit' ? CR4.PSE : CR4.PAE) | (structure === '5-level' ? CR4.LA57 : 0n);
  state.efer |= EFER.NXE;
  state.gpr[4] = STACK;
  useTables(machine, tables, structure);
  return { machine, tables, program };
}

/** What MOV to CR3 leaves, for a machine that is set up from outside. */
export function useTables(machine: Machine, tables: PageTables, structure: Structure): void {
  const { state } = machine;
  state.setQuad(OFFSET.cr3, tables.root);
  if (structure === 'PAE') for (let n = 0; n < 4; n++) state.setQuad(OFFSET.pdpte0 + 8 * n, tables.read(tables.root + BigInt(8 * n)));
  state.setByte(OFFSET.flatMapping, 0);
  machine.paging.invalidate({ kind: 'all' });
}
