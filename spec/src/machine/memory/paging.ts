/** Linear to physical addresses with the checks of the paging mode in force. SDM vol. 3A, chapter 4. */

import { hex } from '../../numbers/bits.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import type { PagingPort, TlbScope } from '../../isa/connections.ts';
import { AC } from '../../isa/flags.ts';
import { CR0, CR4, EFER } from '../../isa/system/control-bits.ts';
import { OFFSET } from '../../state/fields.ts';
import { Fault } from '../../state/outcomes.ts';
import type { State } from '../../state/state.ts';
import { pageNumber } from './address.ts';
import { LinearMemory } from './linear.ts';
import type { Memory } from './physical.ts';
import { Tlb, type TlbSnapshot } from './tlb.ts';
import { ENTRY, type Translation, pagingMode, walk } from './walk.ts';

export interface Access {
  readonly kind: 'read' | 'write' | 'fetch';
  /** A user-mode access: made at CPL 3, and not an implicit one. */
  readonly user: boolean;
  /** An implicit supervisor-mode access: RFLAGS.AC does not lift SMAP for it. */
  readonly implicit: boolean;
  /** Only asks: neither accessed and dirty bits nor the TLB change. */
  readonly probe: boolean;
}

/** Bits of a page fault's error code. SDM vol. 3A, 4.7. */
const ERROR = { present: 1, write: 2, user: 4, reserved: 8, fetch: 0x10, protectionKey: 0x20 } as const;

/** A page of linear addresses, translated. */
export interface Translated {
  /** Physical address divided by 4096. */
  readonly frame: number;
  /** The same access may be made again without asking, until something that decides about translation changes. */
  readonly repeatable: boolean;
}

export class Paging implements PagingPort {
  /** Accesses at the current privilege level, implicit supervisor-mode accesses, accesses below level 3. */
  readonly memory: LinearMemory;
  readonly tables: LinearMemory;
  readonly supervisor: LinearMemory;
  readonly physical: Memory;
  readonly state: State;
  readonly processor: number;
  readonly #cpu: CpuProfile;
  readonly #tlb: Tlb | undefined;

  constructor(state: State, cpu: CpuProfile, physical: Memory, { tlb = true, processor = 0 } = {}) {
    this.state = state;
    this.physical = physical;
    this.processor = processor;
    this.#cpu = cpu;
    this.#tlb = tlb ? new Tlb() : undefined;
    this.memory = new LinearMemory(this, 'current');
    this.tables = new LinearMemory(this, 'implicit');
    this.supervisor = new LinearMemory(this, 'supervisor');
  }

  /** The physical page of `linear`. Throws #PF. */
  translate(linear: bigint, access: Access): Translated {
    const { state } = this;
    const number = pageNumber(linear);
    if (state.byte(OFFSET.flatMapping) !== 0) return this.#flat(number, linear, access);
    if (!(state.cr0 & CR0.PG)) return { frame: number, repeatable: true };
    const pcid = state.cr4 & CR4.PCIDE ? Number(state.quad(OFFSET.cr3) & 0xfffn) : 0;
    const kept = this.#tlb?.lookup(number, pcid);
    // A write through an entry that is not dirty walks again, to set the bit.
    const walks = !kept || (access.kind === 'write' && !kept.dirty);
    const translation = walks ? this.#walk(linear, access) : kept;
    const refusal = this.#refusal(translation, access);
    if (refusal) {
      this.#tlb?.invalidate({ kind: 'page', linear, pcid, global: true });
      throw this.#fault(
        linear, access, ERROR.present | (refusal.protectionKey ? ERROR.protectionKey : 0), refusal.reason,
      );
    }
    if (walks && !access.probe) this.#use(translation, access, number, pcid);
    const smap = translation.user && !access.user && (state.cr4 & CR4.SMAP) !== 0n;
    const within = number % 2 ** (translation.shift - 12);
    return { frame: translation.frame + within, repeatable: this.#tlb !== undefined && !access.probe && !smap };
  }

  /** The loader's flat mapping: what was mapped is there, one to one, for every level. */
  #flat(number: number, linear: bigint, access: Access): Translated {
    const page = this.physical.pageNumbered(number);
    if (!page) throw this.#fault(linear, access, 0, `the page of ${hex(linear)} is not present`);
    if (access.kind === 'write' && !page.writable) {
      throw this.#fault(linear, access, ERROR.present, `the page of ${hex(linear)} is read-only`);
    }
    return { frame: number, repeatable: true };
  }

  #walk(linear: bigint, access: Access): Translation {
    const found = walk(
      this.state, this.#cpu, pagingMode(this.state, this.#cpu), linear,
      (address, bytes) => this.readPhysical(address, bytes),
    );
    if ('errorCode' in found) throw this.#fault(linear, access, found.errorCode, found.reason);
    return found;
  }

  /** Sets accessed and dirty bits after a walk, and fills the TLB. SDM vol. 3A, 4.8. */
  #use(translation: Translation, access: Access, number: number, pcid: number): void {
    const write = access.kind === 'write';
    const { entries, entryBytes } = translation;
    for (const [n, address] of entries.entries()) {
      const entry = this.physical.read(address, entryBytes, this.processor);
      const wanted = entry | ENTRY.accessed | (write && n === entries.length - 1 ? ENTRY.dirty : 0n);
      if (wanted !== entry) this.physical.write(address, entryBytes, wanted, this.processor);
    }
    this.#tlb?.insert(number, pcid, write ? { ...translation, dirty: true } : translation);
  }

  /** Why the access rights of a page refuse an access. SDM vol. 3A, 4.6. */
  #refusal(page: Translation, { kind, user, implicit }: Access): { reason: string; protectionKey?: true } | undefined {
    const { cr0, cr4 } = this.state;
    if (user && !page.user) return { reason: 'a user-mode access to a supervisor-mode page' };
    if (kind === 'fetch') {
      if (page.executeDisable) return { reason: 'an instruction fetch from a page that is execute-disabled' };
      return !user && page.user && cr4 & CR4.SMEP
        ? { reason: 'SMEP: a supervisor-mode fetch from a user-mode page' }
        : undefined;
    }
    if (!user && page.user && cr4 & CR4.SMAP && (implicit || !(this.state.rflags & AC))) {
      return { reason: 'SMAP: a supervisor-mode access to a user-mode page' };
    }
    const writeProtected = user || (cr0 & CR0.WP) !== 0n;
    if (kind === 'write' && !page.writable && writeProtected) return { reason: 'a write to a read-only page' };
    return page.user && cr4 & CR4.PKE && this.state.efer & EFER.LMA
      ? this.#keyRefusal(page.key, kind, writeProtected)
      : undefined;
  }

  /** Protection keys: access-disable and write-disable bits of PKRU. SDM vol. 3A, 4.6.2. */
  #keyRefusal(
    key: number, kind: 'read' | 'write', writeProtected: boolean,
  ): { reason: string; protectionKey: true } | undefined {
    const rights = (this.state.doubleword(OFFSET.pkru) >>> (2 * key)) & 3;
    if (rights & 1) return { reason: `PKRU disables accesses with protection key ${key}`, protectionKey: true };
    if (rights & 2 && kind === 'write' && writeProtected) {
      return { reason: `PKRU disables writes with protection key ${key}`, protectionKey: true };
    }
    return undefined;
  }

  #fault(linear: bigint, { kind, user }: Access, errorCode: number, reason: string): Fault {
    const { cr4, efer } = this.state;
    const reportsFetch = (cr4 & CR4.PAE && efer & EFER.NXE) || cr4 & CR4.SMEP;
    const how = (kind === 'write' ? ERROR.write : 0) | (user ? ERROR.user : 0)
      | (kind === 'fetch' && reportsFetch ? ERROR.fetch : 0);
    const where = reason.includes(hex(linear)) ? reason : `${reason}, at ${hex(linear)}`;
    return new Fault('#PF', where, errorCode | how, linear);
  }

  // ---- what instructions ask for

  readPhysical(address: bigint, bytes: number): bigint {
    return this.physical.read(address, bytes, this.processor);
  }

  changed(): void {
    for (const port of [this.memory, this.tables, this.supervisor]) port.forget();
  }

  invalidate(scope: TlbScope): void {
    this.#tlb?.invalidate(scope);
    this.changed();
  }

  /** Whether a translation may outlive what the paging structures say. */
  get keepsTranslations(): boolean {
    return this.#tlb !== undefined;
  }

  snapshot(): TlbSnapshot {
    return this.#tlb?.snapshot() ?? new Map();
  }

  restore(snapshot: TlbSnapshot): void {
    this.#tlb?.restore(snapshot);
    this.changed();
  }
}
