/** The other instructions that run the processor: which processor has them, at which level, and what they answer. */

import { type CpuProfile, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { CF, STATUS } from '../../spec/src/isa/flags.ts';
import { CS, FS, GS, OFFSET, SS } from '../../spec/src/state/fields.ts';
import { refusalOf } from './refusal.ts';

const ALL = Object.values(cpus);
const { ivyBridge, haswell, sapphireRapids, amdK10, zen3, zen4 } = cpus;
const TSD = 4n, PCE = 0x100n, UMIP = 0x800n, FSGSBASE = 0x1_0000n, PKE = 0x40_0000n;

function machineOf(text: string, cpu: CpuProfile, cpl = 0, cr4 = 0n, mode: 16 | 32 | 64 = 64): Machine {
  const machine = new Machine(assemble(text, { mode }), { cpu });
  machine.state.cr4 |= cr4;
  if (cpl) for (const segment of [CS, SS]) machine.state.setSegment(segment, { ...machine.state.segment(segment), attributes: machine.state.attributes(segment) | (cpl << 5) });
  return machine;
}

const first = (machine: Machine): string => refusalOf(machine, 'ok');
const outcome = (text: string, cpu: CpuProfile, cpl = 0, cr4 = 0n): string => first(machineOf(text, cpu, cpl, cr4));

describe('who has what', () => {
  const after = (year: number, vendor?: string) => (cpu: CpuProfile): boolean => cpu.year >= year && (!vendor || cpu.vendor === vendor);
  const amdZen = after(2020, 'AuthenticAMD'), intelLatest = after(2023, 'GenuineIntel');
  test.for([
    ['rdtsc', () => true, 0n], ['rdtscp', () => true, 0n], ['rdrand eax', (cpu: CpuProfile) => cpu !== amdK10, 0n],
    ['rdseed rax', (cpu: CpuProfile) => amdZen(cpu) || intelLatest(cpu), 0n], ['rdpid rax', (cpu: CpuProfile) => amdZen(cpu) || intelLatest(cpu), 0n],
    ['monitorx', amdZen, 0n], ['mwaitx', amdZen, 0n], ['clzero', amdZen, 0n], ['serialize', intelLatest, 0n],
    ['clac', (cpu: CpuProfile) => amdZen(cpu) || intelLatest(cpu), 0n], ['stac', (cpu: CpuProfile) => amdZen(cpu) || intelLatest(cpu), 0n],
    ['rdpkru', (cpu: CpuProfile) => cpu === zen3 || cpu === sapphireRapids, PKE], ['rdfsbase rax', (cpu: CpuProfile) => cpu !== amdK10, FSGSBASE],
    ['swapgs', () => true, 0n], ['monitor', () => true, 0n], ['mwait', () => true, 0n], ['invd', () => true, 0n], ['wbinvd', () => true, 0n],
    ['wbnoinvd', () => true, 0n], ['rsm', () => false, 0n],
  ] as const)('%s', ([text, has, cr4]) => {
    for (const cpu of ALL) {
      const machine = machineOf(text, cpu, 0, cr4);
      machine.state.gpr[0] = machine.state.gpr[4]! - 0x100n;
      expect([cpu.id, first(machine)]).toEqual([cpu.id, has(cpu) ? 'ok' : '#UD']);
    }
  });
});

// What a program saw on the AMD Zen 4 that the profile is of; in a virtual machine, CR4 = FSGSBASE without PKE, TSD and PCE.
test.for([
  ['rdpid rax', 'ok'], ['rdpmc', '#GP(0)'], ['rdpkru', '#UD'], ['wrpkru', '#UD'], ['monitor', '#UD'], ['mwait', '#UD'], ['monitorx', 'ok'],
  ['clac', '#UD'], ['stac', '#UD'], ['swapgs', '#GP(0)'], ['sysret', '#GP(0)'], ['sysretq', '#GP(0)'], ['sysexit', '#GP(0)'], ['sysenter', '#UD'],
  ['rsm', '#UD'], ['invd', '#GP(0)'], ['wbinvd', '#GP(0)'], ['wbnoinvd', '#GP(0)'], ['serialize', '#UD'], ['clzero', 'ok'],
  ['db 0xf3, 0x0f, 0xc7, 0xf0 ; rdrand with f3', '#UD'], ['db 0xf2, 0x0f, 0xc7, 0xf0 ; rdrand with f2', '#UD'], ['db 0xf0, 0x0f, 0xc7, 0xf0 ; rdrand with lock', '#UD'],
  ['db 0xf3, 0x0f, 0x01, 0xf9 ; rdtscp with f3', 'ok'], ['db 0x66, 0x0f, 0x01, 0xf9 ; rdtscp with 66', 'ok'], ['db 0xf3, 0x0f, 0x01, 0xf8 ; swapgs with f3', '#GP(0)'],
] as const)('at CPL 3 as measured on a Zen 4: %s is %s', ([text, expected]) => {
  const machine = machineOf(text, zen4, 3, FSGSBASE);
  machine.state.efer |= 1n;
  machine.state.setQuad(OFFSET.sysenterCs, 0x10n);
  machine.state.gpr[0] = machine.state.gpr[4]! - 0x100n;
  let found: string;
  try {
    found = first(machine);
  } catch (error) {
    // An encoding that the table does not have: the processor, too, has no instruction there.
    found = /opcode 0F C7/.test((error as Error).message) ? '#UD' : String(error);
  }
  expect(found).toBe(expected);
});

describe('the time-stamp counter', () => {
  test('CR4.TSD keeps it to CPL 0', () => {
    for (const text of ['rdtsc', 'rdtscp']) expect([outcome(text, zen4, 3), outcome(text, zen4, 3, TSD), outcome(text, zen4, 0, TSD)]).toEqual(['ok', '#GP(0)', 'ok']);
  });
  test('RDTSC counts instructions, RDTSCP gives IA32_TSC_AUX too, and the upper halves become 0', () => {
    const machine = machineOf('nop\nnop\nrdtscp\nrdpid rsi\nhlt', zen4);
    machine.state.set('IA32_TSC_AUX', 0x1234n);
    machine.state.set('TSC offset', 0x5_0000_0000n);
    machine.state.gpr.fill(~0n & 0xffff_ffff_ffff_ffffn, 0, 3);
    machine.run();
    expect([0, 1, 2, 6].map((n) => machine.state.gpr[n])).toEqual([3n, 0x1234n, 5n, 0x1234n]);
  });
});

describe('RDPMC', () => {
  test('CR4.PCE opens it to CPL 3; a counter that is not there is #GP(0)', () => {
    expect([outcome('rdpmc', zen4, 3), outcome('rdpmc', zen4, 3, PCE), outcome('rdpmc', zen4)]).toEqual(['#GP(0)', 'ok', 'ok']);
    const machine = machineOf('rdpmc', zen4);
    machine.state.gpr[1] = 4n;
    expect([first(machine), outcome('rdpmc', haswell)]).toEqual(['#GP(0)', '#GP(0)']);
  });
});

describe('random numbers', () => {
  const draws = (seed: bigint): bigint[] => {
    const machine = machineOf('rdrand rax\nrdseed rbx\nrdrand rcx\nhlt', zen4);
    machine.state.set('random state', seed);
    machine.run();
    return [0, 3, 1].map((n) => machine.state.gpr[n]!);
  };
  test('come from a state that is the machine’s: the same seed, the same numbers', () => {
    expect(draws(7n)).toEqual(draws(7n));
    expect(draws(7n)).not.toEqual(draws(8n));
    expect(new Set(draws(0n)).size).toBe(3);
  });
  test('are those of splitmix64, whose first ones from 0 and 1234567 are published', () => {
    expect(draws(0n)).toEqual([0xe220a8397b1dcdafn, 0x6e789e6aa1b965f4n, 0x06c45d188009454fn]);
    expect(draws(1234567n)).toEqual([6457827717110365317n, 3203168211198807973n, 9817491932198370423n]);
  });
  test('CF is 1, the other flags 0; 16 bits leave the rest, 32 clear it', () => {
    const machine = machineOf('rdrand ax\nrdrand ebx\nhlt', zen4);
    machine.state.rflags |= STATUS;
    machine.state.gpr[0] = machine.state.gpr[3] = 0xffff_ffff_ffff_ffffn;
    machine.run();
    expect(machine.state.rflags & STATUS).toBe(CF);
    expect([machine.state.gpr[0]! >> 16n, machine.state.gpr[3]! >> 32n]).toEqual([0xffff_ffff_ffffn, 0n]);
  });
  test('are part of a snapshot', () => {
    const machine = machineOf('rdrand rax\nrdrand rax\nhlt', zen4);
    machine.step();
    const before = machine.snapshot();
    machine.step();
    const [once] = machine.state.gpr;
    machine.restore(before);
    machine.step();
    expect(machine.state.gpr[0]).toBe(once);
  });
});

describe('bases of FS and GS', () => {
  test('CR4.FSGSBASE switches them on, at every level', () => {
    for (const text of ['rdfsbase rax', 'wrfsbase rax', 'rdgsbase eax', 'wrgsbase eax']) {
      expect([outcome(text, haswell), outcome(text, haswell, 3, FSGSBASE)]).toEqual(['#UD', 'ok']);
    }
  });
  test('32-bit forms read and write 32 bits, zero-extended', () => {
    const machine = machineOf('rdfsbase eax\nwrgsbase ebx\nhlt', haswell, 0, FSGSBASE);
    machine.state.setBase(FS, 0x1234_5678_9abcn);
    machine.state.gpr[3] = 0xffff_ffff_8765_4321n;
    machine.run();
    expect([machine.state.gpr[0], machine.state.base(GS)]).toEqual([0x5678_9abcn, 0x8765_4321n]);
  });
  test.for([[1n << 47n, 48], [1n << 55n, 48], [1n << 63n, 48], [1n << 56n, 57]] as const)('WRGSBASE of %i is #GP(0) with %i-bit addresses', ([value, width]) => {
    const machine = machineOf('wrgsbase rax', zen4, 3, FSGSBASE | (width === 57 ? 0x1000n : 0n));
    machine.state.gpr[0] = value;
    expect(first(machine)).toBe('#GP(0)');
  });
  test('SWAPGS exchanges the base with IA32_KERNEL_GS_BASE and nothing else', () => {
    const machine = machineOf('swapgs', haswell);
    machine.state.setBase(GS, 0x1000n);
    machine.state.set('IA32_KERNEL_GS_BASE', 0xffff_8000_0000_0000n);
    const before = machine.snapshot();
    machine.step();
    expect(machine.diff(before).fields.map(({ field, after }) => [field.name, after])).toEqual([
      ['RIP', machine.state.rip], ['GS.base', 0xffff_8000_0000_0000n], ['IA32_KERNEL_GS_BASE', 0x1000n],
    ]);
    expect(outcome('swapgs', haswell, 3)).toBe('#GP(0)');
  });
});

describe('user-mode instruction prevention', () => {
  const TEXTS = ['sgdt [rsp-64]', 'sidt [rsp-64]', 'sldt eax', 'str eax', 'smsw eax'];
  test.for(TEXTS)('%s', (text) => {
    expect([outcome(text, zen4, 3), outcome(text, zen4, 3, UMIP), outcome(text, zen4, 0, UMIP), outcome(text, zen4, 1, UMIP)]).toEqual(['ok', '#GP(0)', 'ok', '#GP(0)']);
  });
  test('comes before the access: the memory operand need not be there', () => {
    expect([outcome('sgdt [abs 0x10]', zen4, 3), outcome('sgdt [abs 0x10]', zen4, 3, UMIP)]).toEqual(['#PF(0x6)', '#GP(0)']);
  });
  test('CR4.UMIP and CR4.PKE are reserved where there is no such thing', () => {
    const set = (cpu: CpuProfile, bit: bigint): string => {
      const machine = machineOf('mov cr4, rax', cpu);
      machine.state.gpr[0] = machine.state.cr4 | bit;
      return first(machine);
    };
    expect([set(haswell, UMIP), set(zen4, UMIP), set(haswell, PKE), set(zen3, PKE)]).toEqual(['#GP(0)', 'ok', '#GP(0)', 'ok']);
  });
});

describe('MONITOR and MWAIT', () => {
  test('at CPL 0, ECX within the extensions, and the byte at rAX is there', () => {
    const monitor = (cpl: number, rax: bigint, ecx: bigint): string => {
      const machine = machineOf('monitor', haswell, cpl);
      machine.state.gpr[0] = rax;
      machine.state.gpr[1] = ecx;
      return first(machine);
    };
    const there = 0xffff_f803_0000_1000n;
    expect([monitor(0, there, 0n), monitor(3, there, 0n), monitor(0, there, 1n), monitor(0, 1n << 50n, 0n)]).toEqual(['ok', '#UD', '#GP(0)', '#GP(0)']);
    expect(monitor(0, 0x7777_0000n, 0n)).toMatch(/^#PF/);
  });
  test('MWAIT takes ECX = 0 and 1, and ends at once', () => {
    const mwait = (ecx: bigint): string => {
      const machine = machineOf('mwait', haswell);
      machine.state.gpr[1] = ecx;
      return first(machine);
    };
    expect([mwait(0n), mwait(1n), mwait(2n)]).toEqual(['ok', 'ok', '#GP(0)']);
  });
  test('IA32_MISC_ENABLE[18] takes them away, in CPUID too; on AMD HWCR does, and can give them to CPL 3', () => {
    const without = machineOf('mwait', haswell);
    without.state.set('IA32_MISC_ENABLE', 0x1801n);
    expect(first(without)).toBe('#UD');
    const amd = machineOf('mwait', zen4, 3);
    amd.state.set('HWCR', 0x400n);
    expect(first(amd)).toBe('ok');
  });
});

describe('protection keys', () => {
  test('ECX and EDX have to be 0, the register has 32 bits', () => {
    const machine = machineOf('wrpkru\nrdpkru\nhlt', sapphireRapids, 0, PKE);
    machine.state.gpr[0] = 0x5_5555_5554n;
    machine.run();
    expect([machine.state.gpr[0], machine.state.get('PKRU')]).toEqual([0x5555_5554n, 0x5555_5554]);
    for (const [text, register] of [['wrpkru', 1], ['wrpkru', 2], ['rdpkru', 1]] as const) {
      const other = machineOf(text, sapphireRapids, 3, PKE);
      other.state.gpr[register] = 1n;
      expect(first(other)).toBe('#GP(0)');
    }
  });
  test('RDPKRU does not look at EDX and clears it', () => {
    const machine = machineOf('rdpkru', sapphireRapids, 3, PKE);
    machine.state.gpr[2] = 5n;
    expect([first(machine), machine.state.gpr[2]]).toEqual(['ok', 0n]);
  });
});

test('CLZERO clears the 64 bytes around rAX, as seen on a Zen 4, and nothing beside them', () => {
  const machine = machineOf('clzero', zen4);
  const line = (machine.state.gpr[4]! - 0x200n) & ~63n;
  machine.memory.writeBytes(line - 64n, new Uint8Array(192).fill(0xaa));
  machine.state.gpr[0] = line + 6n;
  machine.step();
  const bytes = machine.memory.readBytes(line - 64n, 192);
  expect([bytes.slice(0, 64), bytes.slice(64, 128), bytes.slice(128)].map((part) => new Set(part))).toEqual([new Set([0xaa]), new Set([0]), new Set([0xaa])]);
});

describe('CPUID', () => {
  /** EAX, EBX, ECX, EDX. */
  function leaf(cpu: CpuProfile, eax: number, ecx = 0, prepare?: (machine: Machine) => void): number[] {
    const machine = machineOf('cpuid', cpu);
    machine.state.gpr[0] = BigInt(eax);
    machine.state.gpr[1] = BigInt(ecx);
    prepare?.(machine);
    machine.step();
    return [0, 3, 1, 2].map((n) => Number(machine.state.gpr[n]!));
  }

  test('says who it is, everywhere the same way', () => {
    for (const cpu of ALL) {
      const [maximum, ...words] = leaf(cpu, 0);
      const text = [words[0]!, words[2]!, words[1]!].map((word) => String.fromCharCode(...[0, 8, 16, 24].map((at) => (word >>> at) & 0xff))).join('');
      expect([text, maximum! >= 5, leaf(cpu, 1)[0]]).toEqual([cpu.vendor, true, cpu.signature]);
    }
  });
  test('a leaf too high is the highest basic one on Intel, zeros on AMD', () => {
    for (const high of [0x40, 0x4000_0000, 0x8000_0030]) {
      expect(leaf(haswell, high, 1)).toEqual(leaf(haswell, 0xd, 1));
      expect(leaf(zen4, high)).toEqual([0, 0, 0, 0]);
    }
  });
  test('IA32_MISC_ENABLE[22] limits it to leaf 2, for old systems', () => {
    expect(leaf(haswell, 0, 0, ({ state }) => state.set('IA32_MISC_ENABLE', 0x40_0000n))[0]).toBe(2);
  });
  test('what a 64-bit kernel refuses to run without is there', () => {
    for (const cpu of ALL) {
      const [, , , edx] = leaf(cpu, 1), [, , , extended] = leaf(cpu, 0x8000_0001);
      // FPU, PSE, MSR, PAE, CX8, PGE, CMOV, FXSR, SSE, SSE2; LM, NX, SYSCALL.
      for (const bit of [0, 3, 5, 6, 8, 13, 15, 24, 25, 26]) expect([cpu.id, bit, (edx! >>> bit) & 1]).toEqual([cpu.id, bit, 1]);
      for (const bit of [11, 20, 29]) expect([cpu.id, bit, (extended! >>> bit) & 1]).toEqual([cpu.id, bit, 1]);
    }
  });
  test('AMD repeats bits of leaf 1 in leaf 80000001h, Intel does not', () => {
    expect((leaf(zen4, 0x8000_0001)[3]! & 0x0183_f3ff) >>> 0).toBe((leaf(zen4, 1)[3]! & 0x0183_f3ff) >>> 0);
    expect(leaf(haswell, 0x8000_0001)[3]! & 1).toBe(0);
    expect([leaf(zen4, 0x8000_0001)[0], leaf(haswell, 0x8000_0001)[0]]).toEqual([zen4.signature, 0]);
  });
  test('reflects CR4.OSXSAVE, CR4.PKE, the local APIC and MONITOR', () => {
    const bit = (registers: number[], register: number, position: number): number => (registers[register]! >>> position) & 1;
    expect([bit(leaf(haswell, 1), 2, 27), bit(leaf(haswell, 1, 0, ({ state }) => { state.cr4 &= ~0x4_0000n; }), 2, 27)]).toEqual([1, 0]);
    expect([bit(leaf(zen3, 7), 2, 4), bit(leaf(zen3, 7, 0, ({ state }) => { state.cr4 |= PKE; }), 2, 4)]).toEqual([0, 1]);
    expect([bit(leaf(haswell, 1), 3, 9), bit(leaf(haswell, 1, 0, ({ state }) => state.set('IA32_APIC_BASE', 0xfee0_0000n)), 3, 9)]).toEqual([1, 0]);
    expect([bit(leaf(haswell, 1), 2, 3), bit(leaf(haswell, 1, 0, ({ state }) => state.set('IA32_MISC_ENABLE', 0n)), 2, 3)]).toEqual([1, 0]);
  });
  test('tells processors apart: APIC identifier and counts', () => {
    const third = (machine: Machine): void => { Object.assign(machine.execution.placement, { apicId: 2, processors: 3 }); };
    expect(leaf(haswell, 1, 0, third)[1]! >>> 16).toBe(0x0204);
    expect([leaf(haswell, 0xb, 0, third), leaf(haswell, 0xb, 1, third), leaf(haswell, 0xb, 2, third)]).toEqual([[0, 1, 0x100, 2], [2, 3, 0x201, 2], [0, 0, 2, 2]]);
    expect(leaf(zen4, 0x8000_0008, 0, third)[2]).toBe(0x2002);
    expect([(leaf(haswell, 1, 0, third)[3]! >>> 28) & 1, (leaf(haswell, 1)[3]! >>> 28) & 1]).toEqual([1, 0]);
  });
  test('leaf 15h relates the time-stamp counter to a crystal', () => {
    const [denominator, numerator, crystal] = leaf(sapphireRapids, 0x15);
    expect((crystal! * numerator!) / denominator!).toBe(1_000_000_000);
    expect(leaf(ivyBridge, 0)[0]).toBe(0xd);
  });
  test('Intel has SYSCALL in 64-bit mode only, and says so', () => {
    const syscall = (cpu: CpuProfile, mode: 32 | 64): number => {
      const machine = machineOf('cpuid', cpu, 0, 0n, mode);
      machine.state.gpr[0] = 0x8000_0001n;
      machine.step();
      return (Number(machine.state.gpr[2]!) >>> 11) & 1;
    };
    expect([syscall(haswell, 64), syscall(haswell, 32), syscall(zen4, 64), syscall(zen4, 32)]).toEqual([1, 0, 1, 1]);
  });
  test('leaf 0Dh gives the sizes of save areas, also of a compacted one', () => {
    expect(leaf(ivyBridge, 0xd)).toEqual([7, 832, 832, 0]);
    // Bits 3:0 of sub-leaf 1 are XSAVEOPT, XSAVEC, XGETBV with ECX = 1, XSAVES; ECX[12:11] CET_U and CET_S.
    expect(leaf(zen4, 0xd, 1)).toEqual([0xf, 832, 0x1800, 0]);
    expect(leaf(zen4, 0xd, 2)).toEqual([256, 576, 0, 0]);
  });
  test('faults above CPL 0 where MISC_FEATURES_ENABLES[0] is 1', () => {
    const at = (cpl: number): string => {
      const machine = machineOf('cpuid', haswell, cpl);
      machine.state.set('MISC_FEATURES_ENABLES', 1n);
      return first(machine);
    };
    expect([at(0), at(3)]).toEqual(['ok', '#GP(0)']);
  });
});
