import { Fault, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { CR0, CR4, EFER } from '../../spec/src/isa/system/control-bits.ts';
import { CS, DS, OFFSET, TR } from '../../spec/src/state/fields.ts';

/** A boot sector that builds page tables at A000h, goes to 64-bit mode, to compatibility mode, and all the way back. */
const THERE_AND_BACK = `
        bits   16
        cli
        lgdt   [gdtr]
        mov    edi, 0xa000           ; PML4, PDPT, and a page directory with one 2-MByte page
        mov    dword ptr [edi], 0xb003
        mov    dword ptr [edi+0x1000], 0xc003
        mov    dword ptr [edi+0x2000], 0x83
        mov    eax, cr4
        or     eax, 0x20             ; PAE
        mov    cr4, eax
        mov    cr3, edi
        mov    ecx, 0xc0000080
        rdmsr
        or     eax, 0x100            ; LME
        wrmsr
        mov    eax, cr0
        or     eax, 0x80000001       ; PG and PE at once
        mov    cr0, eax
        jmp    0x08:long
        bits   64
long:   mov    rax, 0x123456789abcdef0
        mov    r15, rax
        mov    ax, 0x20
        mov    ds, ax
        push   0x20                  ; IRETQ to 32-bit code
        push   0x7c00
        pushfq
        push   0x10
        push   compat
        iretq
        bits   32
compat: mov    ebx, cs
        mov    ax, 0x20
        mov    ss, ax
        jmp    0x18:small
        bits   16
small:  mov    eax, cr0
        and    eax, 0x7fffffff       ; paging off leaves IA-32e mode
        mov    cr0, eax
        mov    ecx, 0xc0000080
        rdmsr
        mov    esi, eax
        mov    eax, cr0
        and    eax, 0xfffffffe
        mov    cr0, eax
        jmp    0:real
real:   mov    bp, cs
        hlt
        align  8
gdt:    dq 0
        dq 0x00af9b000000ffff        ; 08h: 64-bit code
        dq 0x00cf9b000000ffff        ; 10h: 32-bit code
        dq 0x00009b000000ffff        ; 18h: 16-bit code
        dq 0x00cf93000000ffff        ; 20h: data
gdtr:   dw 39
        dd gdt
`;

const bootSector = (): Machine => new Machine(assemble(THERE_AND_BACK, { mode: 16 }), { cpu: cpus.sapphireRapids });

test('real-address mode to 64-bit mode, compatibility mode and back, by machine code alone', () => {
  const machine = bootSector();
  const seen: string[] = [];
  let last = '';
  for (let n = 0; n < 200 && !machine.state.halted; n++) {
    const { addressing, longMode } = machine.execution;
    const now = `${addressing}${longMode ? ' IA-32e' : ''} ${machine.mode}`;
    if (now !== last) seen.push((last = now));
    machine.step();
  }
  // The far jump makes 64-bit mode; until then CS is the one of real-address mode, and IA-32e mode means compatibility mode.
  expect(seen).toEqual(['real 16', 'protected IA-32e 16', 'protected IA-32e 64', 'protected IA-32e 32', 'protected IA-32e 16', 'protected 16', 'real 16']);
  expect(machine.state.halted).toBe(true);
  expect(machine.state.get('R15')).toBe(0x1234_5678_9abc_def0n);
  expect(Number(machine.state.get('RSI')) & 0x500).toBe(0x100);
  expect([machine.state.selector(CS), machine.state.limit(DS)]).toEqual([0, 0xffff_ffff]);
});

/** The notation of the fault that `code`, 64-bit at CPL 0, raises after `prepare`; `none` after one step without. */
function after(code: string, prepare: (machine: Machine) => void, mode: 32 | 64 = 64): string {
  const machine = new Machine(assemble(code, { mode }), { cpu: cpus.sapphireRapids });
  prepare(machine);
  try {
    machine.step();
    return 'none';
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    throw error;
  }
}

describe('what the control registers refuse', () => {
  const withRax = (value: bigint) => (machine: Machine): void => { machine.state.gpr[0] = value; };
  const cr0 = (set: bigint, clear = 0n) => (machine: Machine): void => { machine.state.gpr[0] = (machine.state.cr0 & ~clear) | set; };
  const cr4 = (set: bigint, clear = 0n) => (machine: Machine): void => { machine.state.gpr[0] = (machine.state.cr4 & ~clear) | set; };
  test.each([
    ['CR0: bits 63:32', 'mov cr0, rax', cr0(1n << 32n), '#GP(0)'], ['CR0: PG without PE', 'mov cr0, rax', cr0(0n, CR0.PE), '#GP(0)'],
    ['CR0: NW without CD', 'mov cr0, rax', cr0(CR0.NW), '#GP(0)'], ['CR0: PG cleared in 64-bit mode', 'mov cr0, rax', cr0(0n, CR0.PG), '#GP(0)'],
    ['CR0: reserved bits below 32 are ignored', 'mov cr0, rax', cr0(0x1ff00n & ~CR0.WP), 'none'],
    ['CR3: wider than a physical address', 'mov cr3, rax', withRax(1n << 52n), '#GP(0)'],
    ['CR4: bits 63:32', 'mov cr4, rax', cr4(1n << 32n), '#GP(0)'], ['CR4: PAE in IA-32e mode', 'mov cr4, rax', cr4(0n, CR4.PAE), '#GP(0)'],
    ['CR4: LA57 in IA-32e mode', 'mov cr4, rax', cr4(CR4.LA57), '#GP(0)'], ['CR4: PCIDE in IA-32e mode', 'mov cr4, rax', cr4(CR4.PCIDE), 'none'],
    ['CR4: PCIDE with CR3[11:0] not 0', 'mov cr4, rax', (m: Machine) => { m.state.setQuad(OFFSET.cr3, 1n); cr4(CR4.PCIDE)(m); }, '#GP(0)'],
    ['CR8: above 15', 'mov cr8, rax', withRax(16n), '#GP(0)'],
  ] as const)('%s', (_, code, prepare, expected) => {
    expect(after(code, prepare)).toBe(expected);
  });

  test.each([
    ['PCIDE outside of IA-32e mode', 'mov cr4, eax', cr4(CR4.PCIDE), '#GP(0)'],
    ['PG with LME and without PAE', 'mov cr0, eax', (m: Machine) => { m.state.cr0 &= ~CR0.PG; m.state.cr4 &= ~CR4.PAE; m.state.efer |= EFER.LME; cr0(CR0.PG)(m); }, '#GP(0)'],
    ['PG with LME and a 64-bit CS', 'mov cr0, eax', (m: Machine) => { m.state.cr0 &= ~CR0.PG; m.state.efer |= EFER.LME; m.state.setSegment(CS, { ...m.state.segment(CS), attributes: 0xe09b }); cr0(CR0.PG)(m); }, '#GP(0)'],
    ['PG with LME and a 16-bit TSS', 'mov cr0, eax', (m: Machine) => { m.state.cr0 &= ~CR0.PG; m.state.efer |= EFER.LME; m.state.setSegment(TR, { selector: 8, base: 0n, limit: 0x2b, attributes: 0x83 }); cr0(CR0.PG)(m); }, '#GP(0)'],
  ] as const)('32-bit: %s', (_, code, prepare, expected) => {
    expect(after(code, prepare, 32)).toBe(expected);
  });

  test('IA32_EFER.LMA follows CR0.PG and nothing else', () => {
    const machine = bootSector();
    while (machine.state.gpr[15] === 0n) machine.step();
    expect(machine.state.efer & EFER.LMA).toBe(EFER.LMA);
    machine.run();
    expect(machine.state.efer).toBe(EFER.LME);
  });
});
