/** A machine in each of the three sizes whose #DB handler writes down what it finds, in machine code. */

import { type CpuProfile, type Program, Machine, assemble, cpus } from 'hidden-state';

export type Size = 16 | 32 | 64;
export const SIZES: readonly Size[] = [16, 32, 64];

const TABLES = 0x3_0000n, LOG = 0x5000n;

/** The handler, before `pop` of what it saved: `ip`, `flags` and what saves and restores are the mode's own. */
const HANDLER: Readonly<Record<Size, (extra: string) => string>> = {
  16: (extra) => `
handler: push   eax
        push   di
        push   bp
        mov    bp, sp
        mov    di, [0x5000]
        mov    eax, dr6
        mov    [di], eax
        movzx  eax, word ptr [bp + 8]
        mov    [di + 8], eax
        movzx  eax, word ptr [bp + 12]
        mov    [di + 16], eax
        add    di, 32
        mov    [0x5000], di
        xor    eax, eax
        mov    dr6, eax
        ${extra}
        pop    bp
        pop    di
        pop    eax
        iret`,
  32: (extra) => `
handler: push   eax
        push   edi
        mov    edi, [0x5000]
        mov    eax, dr6
        mov    [edi], eax
        mov    eax, [esp + 8]
        mov    [edi + 8], eax
        mov    eax, [esp + 16]
        mov    [edi + 16], eax
        add    edi, 32
        mov    [0x5000], edi
        xor    eax, eax
        mov    dr6, eax
        ${extra.replaceAll('FLAGS', '[esp + 16]')}
        pop    edi
        pop    eax
        iretd`,
  64: (extra) => `
handler: push   rax
        push   rdi
        mov    edi, [rel32 0x5000]
        mov    rax, dr6
        mov    [rdi], rax
        mov    rax, [rsp + 16]
        mov    [rdi + 8], rax
        mov    rax, [rsp + 32]
        mov    [rdi + 16], rax
        add    edi, 32
        mov    [rel32 0x5000], edi
        xor    eax, eax
        mov    dr6, rax
        ${extra.replaceAll('FLAGS', '[rsp + 32]')}
        pop    rdi
        pop    rax
        iretq`,
};

export interface Entry {
  /** The label at the saved instruction pointer, or its offset from `start`. */
  at: string;
  /** B0 to B3, BD, BS, BT. */
  status: string;
  /** TF and RF of the saved flags. */
  flags: string;
}

export interface Debugged {
  readonly machine: Machine;
  readonly program: Program;
  readonly log: () => Entry[];
}

export interface Options {
  /** More instructions of the handler; FLAGS is the saved image. */
  handler?: string;
  /** Handlers of other vectors, by label. */
  vectors?: Readonly<Record<number, string>>;
  cpu?: CpuProfile;
}

/** `body` begins at label `start`; HLT ends it. */
export function debugged(size: Size, body: string, { handler = '', vectors = {}, cpu = cpus.ivyBridge }: Options = {}): Debugged {
  const text = `start:\n${body}\n        hlt\n${HANDLER[size](handler).replaceAll('rel32 ', '')}`;
  const program = assemble(text, { mode: size, origin: size === 16 ? 0x7c00n : 0x40_1000n });
  const machine = new Machine(program, { cpu, faults: 'deliver' });
  machine.memory.map(LOG, 0x1000);
  machine.memory.write(LOG, 4, LOG + 0x10n);
  machine.memory.map(TABLES, 0x2000);
  for (const [vector, label] of Object.entries({ 1: 'handler', ...vectors })) gate(machine, size, Number(vector), program.symbols[label]!);
  if (size !== 16) protectedTables(machine, size);
  return { machine, program, log: () => readLog(machine, program) };
}

function gate(machine: Machine, size: Size, vector: number, offset: bigint): void {
  if (size === 16) return machine.memory.write(BigInt(4 * vector), 4, offset);
  const selector = size === 64 ? 0x10n : 8n;
  const low = (offset & 0xffffn) | (selector << 16n) | (0xee00n << 32n) | ((offset >> 16n) << 48n);
  machine.memory.write(TABLES + BigInt((size === 64 ? 16 : 8) * vector), 8, BigInt.asUintN(64, low));
  if (size === 64) machine.memory.write(TABLES + BigInt(16 * vector + 8), 8, offset >> 32n);
}

/** Flat segments at the selectors that the kernel's state has. */
function protectedTables(machine: Machine, size: 32 | 64): void {
  machine.state.set('IDTR.base', TABLES);
  machine.state.set('IDTR.limit', 0xfff);
  machine.state.set('GDTR.base', TABLES + 0x1000n);
  machine.state.set('GDTR.limit', 0x2f);
  const code = size === 64 ? 0x00af_9b00_0000_ffffn : 0x00cf_9b00_0000_ffffn;
  const descriptors: Readonly<Record<number, bigint>> = size === 64 ? { 0x10: code, 0x18: 0x00cf_9300_0000_ffffn } : { 8: code, 0x10: 0x00cf_9300_0000_ffffn };
  for (const [selector, value] of Object.entries(descriptors)) machine.memory.write(TABLES + 0x1000n + BigInt(selector), 8, value);
}

const STATUS: readonly (readonly [number, string])[] = [[1, 'B0'], [2, 'B1'], [4, 'B2'], [8, 'B3'], [0x2000, 'BD'], [0x4000, 'BS'], [0x8000, 'BT']];

function readLog(machine: Machine, program: Program): Entry[] {
  const end = Number(machine.memory.read(LOG, 4));
  const names = new Map(Object.entries(program.symbols).map(([name, address]) => [address, name]));
  const entries: Entry[] = [];
  for (let at = Number(LOG) + 0x10; at < end; at += 32) {
    const [status, ip, flags] = [0, 8, 16].map((offset) => machine.memory.read(BigInt(at + offset), 8)) as [bigint, bigint, bigint];
    entries.push({
      at: names.get(ip) ?? `start + ${ip - program.symbols.start!}`,
      status: STATUS.filter(([bit]) => Number(status) & bit).map(([, name]) => name).join(' '),
      flags: [Number(flags) & 0x100 ? 'TF' : '', Number(flags) & 0x1_0000 ? 'RF' : ''].filter(Boolean).join(' '),
    });
  }
  return entries;
}

/** Registers' names by size: `ax`, `eax`, `rax`. */
export const wide = (size: Size, name: string): string => (size === 64 ? `r${name}` : size === 32 ? `e${name}` : name);

/** Sets TF by POPF: the first trap comes after the next instruction. */
export const setTrapFlag = (size: Size): string => {
  const [push, pop] = size === 64 ? ['pushfq', 'popfq'] : size === 32 ? ['pushfd', 'popfd'] : ['pushf', 'popf'];
  return `${push}\n or word ptr [${size === 64 ? 'rsp' : 'esp'}], 0x100\n ${pop}`;
};
export const clearTrapFlag = (size: Size): string => setTrapFlag(size).replace('or word ptr', 'and word ptr').replace('0x100', '0xfeff');
