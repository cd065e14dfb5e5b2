/** A machine in 64-bit mode with descriptor tables, page tables and code in them, about to execute its boot code. */

import { type Program, assemble } from '../../../asm/assemble.ts';
import type { CpuProfile } from '../../../cpus/profile.ts';
import { EFER } from '../../../isa/system/control-bits.ts';
import { Machine } from '../../../machine/machine.ts';
import { hex, toBytes } from '../../../numbers/bits.ts';
import { OFFSET, RSP } from '../../../state/fields.ts';
import { PageTables, type Rights, TablePages } from '../../page-tables.ts';
import { AREA, PHYSICAL, SELECTOR, STACK_BOTTOM, direct } from './layout.ts';
import { EXCEPTIONS, FOR_USER, type Part, textOf } from './text.ts';

/** Descriptors of the last page of the GDT, by selector. */
const DESCRIPTORS: readonly (readonly [number, bigint])[] = [
  [SELECTOR.xenCode, 0x00af_9b00_0000_ffffn], [SELECTOR.xenStack, 0x00cf_9300_0000_ffffn],
  [SELECTOR.userCode32, 0x00cf_fb00_0000_ffffn], [SELECTOR.userStack, 0x00cf_f300_0000_ffffn],
  [SELECTOR.code64, 0x00af_fb00_0000_ffffn],
];
const GDT_PAGE = 0xe000;
const IDT_VECTORS = 32, IDT_BYTES = IDT_VECTORS * 16, TSS_BYTES = 104;
/** In one page of the direct map: the IDT, then the TSS. */
const IDT = direct(PHYSICAL.system), TSS = IDT + 0x800n;

/** What Xen's CR0 is: paging, alignment mask, write protection, native exceptions. */
const XEN_CR0 = 0x8005_0033;

/** Code at a linear address, in physical memory. */
export interface Placed {
  readonly parts: readonly Part[];
  readonly program: Program;
}

/** Xen's text is the same in most worlds: it is assembled once for each address. */
const programs = new Map<string, Program>();
const REMEMBERED = 64;

function assembled(text: string, origin: bigint): Program {
  const key = `${origin} ${text}`;
  const program = programs.get(key) ?? assemble(text, { mode: 64, origin });
  if (programs.size >= REMEMBERED) programs.clear();
  programs.set(key, program);
  return program;
}

export class Stage {
  readonly machine: Machine;
  readonly #pages: TablePages;

  constructor(cpu: CpuProfile) {
    this.machine = new Machine(undefined, { cpu, faults: 'deliver' });
    this.#pages = new TablePages(this.machine.memory, PHYSICAL.tables);
    this.machine.memory.map(PHYSICAL.system, 0x1000);
  }

  /** A new address space that has Xen's areas, or those of a kernel on bare metal, for the supervisor alone. */
  space(): PageTables {
    const space = new PageTables(this.#pages);
    space.map(AREA.gdt + BigInt(GDT_PAGE), PHYSICAL.gdt, 0x1000, 'supervisor');
    space.map(direct(PHYSICAL.stack), PHYSICAL.stack, Number(PHYSICAL.victim + 0x1000n - PHYSICAL.stack), 'supervisor');
    return space;
  }

  /** Assembles parts, puts them into physical memory and maps them. */
  place(
    parts: readonly Part[], origin: bigint, physical: bigint, spaces: readonly PageTables[], rights: Rights,
  ): Placed {
    const program = assembled(textOf(parts), origin);
    this.load(program.bytes, origin, physical, spaces, rights);
    return { parts, program };
  }

  /** Bytes at a linear address; `physical` is the page that its page is mapped to. */
  load(
    bytes: Uint8Array, linear: bigint, physical: bigint, spaces: readonly PageTables[], rights: Rights,
  ): void {
    const offset = linear & 0xfffn;
    const length = Number(offset) + bytes.length;
    for (const space of spaces) space.map(linear - offset, physical, length, rights);
    this.machine.memory.install(physical + offset, bytes);
  }

  /** Descriptor tables and the boot code's own data. `handler` gives the address of a vector's handler. */
  tables(handler: (vector: number) => bigint): void {
    const { memory } = this.machine;
    const write = (physical: bigint, bytes: number, value: bigint): void => memory.write(physical, bytes, value);
    const gdt = (selector: number): bigint => PHYSICAL.gdt + BigInt((selector & 0xfff8) - GDT_PAGE);
    for (const [selector, raw] of DESCRIPTORS) write(gdt(selector), 8, raw);
    write(gdt(SELECTOR.tss), 8, systemDescriptor(TSS, TSS_BYTES - 1));
    write(gdt(SELECTOR.tss) + 8n, 8, TSS >> 32n);
    const system = (linear: bigint): bigint => linear - AREA.directMap;
    write(system(TSS) + 4n, 8, STACK_BOTTOM);
    for (const vector of EXCEPTIONS) {
      const { low, high } = interruptGate(handler(vector), FOR_USER.has(vector) ? 3n : 0n);
      write(system(IDT) + BigInt(16 * vector), 8, low);
      write(system(IDT) + BigInt(16 * vector + 8), 8, high);
    }
  }

  /** The first instruction is the boot code's, at `rip`, in the address space `space`. */
  start(rip: bigint, space: PageTables): void {
    const { state, paging } = this.machine;
    state.efer |= EFER.SCE;
    state.setQuad(OFFSET.cr3, space.root);
    state.setByte(OFFSET.flatMapping, 0);
    state.gpr.fill(0n);
    state.gpr[RSP] = STACK_BOTTOM;
    state.rip = rip;
    paging.invalidate({ kind: 'all' });
  }
}

/** An available TSS. SDM vol. 3A, 7.2.3. */
const systemDescriptor = (base: bigint, limit: number): bigint =>
  BigInt(limit) | ((base & 0xff_ffffn) << 16n) | (0x89n << 40n) | (((base >> 24n) & 0xffn) << 56n);

/** A 64-bit interrupt gate to Xen's code segment. SDM vol. 3A, 6.14.1. */
function interruptGate(offset: bigint, dpl: bigint): { low: bigint; high: bigint } {
  const low = (offset & 0xffffn) | (BigInt(SELECTOR.xenCode) << 16n) | ((0x8e00n | (dpl << 13n)) << 32n)
    | (((offset >> 16n) & 0xffffn) << 48n);
  return { low, high: offset >> 32n };
}

export interface Boot {
  readonly lstar: bigint;
  readonly cstar: bigint;
  readonly syscallMask: number;
  /** Assembly text that goes to the first guest code. */
  readonly enter: string;
}

const wrmsr = (number: number, value: bigint): string => `
        mov    ecx, ${hex(number)}
        mov    eax, ${hex(value & 0xffff_ffffn)}
        mov    edx, ${hex(value >> 32n)}
        wrmsr`;

/** The boot code: tables, task register, CR0, the MSRs of SYSCALL. */
export const bootText = ({ lstar, cstar, syscallMask, enter }: Boot): Part => ({
  label: 'boot', name: 'boot', text: `
        lgdt   [gdtr]
        lidt   [idtr]
        push   ${SELECTOR.xenCode}
        lea    rax, [boot_selectors]
        push   rax
        db     0x48, 0xcb          ; RETFQ
boot_selectors:
        mov    eax, ${SELECTOR.xenStack}
        mov    ss, ax
        xor    eax, eax
        mov    ds, ax
        mov    es, ax
        mov    fs, ax
        mov    gs, ax
        mov    eax, ${SELECTOR.tss}
        ltr    ax
        mov    eax, ${hex(XEN_CR0)}
        mov    cr0, rax${wrmsr(0xc000_0081, BigInt(SELECTOR.userCode32) << 48n | BigInt(SELECTOR.xenCode) << 32n)}${
  wrmsr(0xc000_0082, lstar)}${wrmsr(0xc000_0083, cstar)}${wrmsr(0xc000_0084, BigInt(syscallMask))}${enter}
gdtr:   dw     ${GDT_PAGE + (SELECTOR.tss & 0xfff) + 15}
        dq     ${hex(AREA.gdt)}
idtr:   dw     ${IDT_BYTES - 1}
        dq     ${hex(IDT)}`,
});

/** Where a word of eight bytes of the direct map is written from outside: what Xen's C code sets up. */
export function pokeQuad(machine: Machine, linear: bigint, value: bigint): void {
  machine.memory.writeBytes(linear - AREA.directMap, toBytes(value, 8));
}

export function peekQuad(machine: Machine, linear: bigint): bigint {
  return machine.memory.read(linear - AREA.directMap, 8);
}
