/** RDMSR and WRMSR, processor by processor. */

import { type CpuProfile, Fault, Machine, Unmodelled, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { msrOf } from '../../spec/src/isa/system/msrs.ts';
import type { Msr } from '../../spec/src/isa/system/msr.ts';
import { MSR_TABLE } from '../../spec/src/isa/system/msrs.table.ts';
import { CS, FS, OFFSET, SS } from '../../spec/src/state/fields.ts';

const ALL = Object.values(cpus);
const { ivyBridge, haswell, sapphireRapids, amdK10, zen3, zen4 } = cpus;

const READ = assemble('rdmsr\nrdmsr', { mode: 64 }), WRITE = assemble('wrmsr\nrdmsr', { mode: 64 });

function at(program: typeof READ, cpu: CpuProfile, msr: number, value = 0n): Machine {
  const machine = new Machine(program, { cpu });
  machine.state.gpr[1] = BigInt(msr) | 0xffff_ffff_0000_0000n;
  machine.state.gpr[0] = (value & 0xffff_ffffn) | 0xabcd_0000_0000n;
  machine.state.gpr[2] = value >> 32n;
  return machine;
}

/** The value, or what was raised instead. */
function outcome(action: () => bigint): bigint | string {
  try {
    return action();
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    if (error instanceof Unmodelled) return 'unmodelled';
    throw error;
  }
}
const edxEax = ({ state }: Machine): bigint => (state.gpr[2]! << 32n) | state.gpr[0]!;
function step(machine: Machine, times = 1): bigint {
  for (let n = 0; n < times; n++) machine.step();
  return edxEax(machine);
}
const read = (cpu: CpuProfile, msr: number) => outcome(() => step(at(READ, cpu, msr)));
/** What is read back after a write. */
const written = (cpu: CpuProfile, msr: number, value: bigint) => outcome(() => step(at(WRITE, cpu, msr, value), 2));

test('no MSR has two lines for one processor, and each line is of some processor or of a feature to come', () => {
  for (const cpu of ALL) {
    const numbers = MSR_TABLE.filter(({ on }) => on(cpu)).map(({ number }) => number);
    expect(numbers.filter((number, n) => numbers.indexOf(number) !== n)).toEqual([]);
  }
});

/** What reading gives, and what reading gives after that value was written: a value, or what is raised. */
function expected(msr: Msr, value: bigint | string): [bigint | string, bigint | string] {
  if (!msr.read) return ['#GP(0)', '#GP(0)'];
  // Lines that are there for a name alone; the local APIC is not in x2APIC mode.
  if (value === 'unmodelled') return ['unmodelled', 'unmodelled'];
  if (!msr.write || msr.name === 'IA32_FEATURE_CONTROL') return [value, '#GP(0)'];
  // Time goes on by one instruction between the two.
  return [value, msr.number === 0x10 ? (value as bigint) + 1n : value];
}

describe('every MSR of the table on every processor', () => {
  test.for(ALL.map((cpu) => [cpu.id, cpu] as const))('%s: read gives a value or says why not, and writing the same back is no fault', ([, cpu]) => {
    const problems = MSR_TABLE.filter((msr) => msrOf(cpu, msr.number) === msr).flatMap((msr) => {
      const value = read(cpu, msr.number);
      const again = typeof value === 'bigint' ? written(cpu, msr.number, value) : value;
      const [first, second] = expected(msr, value);
      return value === first && again === second ? [] : [`${msr.name}: ${value}, then ${again}; expected ${first}, then ${second}`];
    });
    expect(problems).toEqual([]);
  });
  test.for(ALL.map((cpu) => [cpu.id, cpu] as const))('%s: those of other processors are #GP(0)', ([, cpu]) => {
    const others = MSR_TABLE.filter(({ number }) => !msrOf(cpu, number)).map(({ number }) => number);
    expect(others.length).toBeGreaterThan(20);
    expect(others.filter((number) => read(cpu, number) !== '#GP(0)' || written(cpu, number, 0n) !== '#GP(0)')).toEqual([]);
  });
  test('a number that is in no table is #GP(0), for reading and for writing', () => {
    for (const cpu of ALL) for (const number of [0x1234, 0x4000_0000, 0xc000_ffff, 0xdead_beef]) expect([read(cpu, number), written(cpu, number, 0n)]).toEqual(['#GP(0)', '#GP(0)']);
  });
  test('at CPL 3 any access is #GP(0), also to one that is not there', () => {
    for (const number of [0x10, 0x1234, 0xc000_0080]) {
      const machine = at(READ, haswell, number);
      for (const segment of [CS, SS]) machine.state.setSegment(segment, { ...machine.state.segment(segment), attributes: machine.state.attributes(segment) | 0x60 });
      expect(outcome(() => step(machine))).toBe('#GP(0)');
    }
  });
  test('in real-address mode they are there', () => {
    const machine = new Machine(assemble('mov ecx, 0x1b\nrdmsr\nhlt', { mode: 16 }), { cpu: haswell });
    machine.run();
    expect(machine.state.gpr[0]).toBe(0xfee0_0900n);
  });
});

describe('what the vendors do not share', () => {
  test.for([
    ['IA32_MISC_ENABLE', 0x1a0, haswell, zen4], ['IA32_FEATURE_CONTROL', 0x3a, ivyBridge, amdK10], ['IA32_PLATFORM_ID', 0x17, haswell, zen3],
    ['MSR_PLATFORM_INFO', 0xce, sapphireRapids, zen4], ['IA32_ARCH_CAPABILITIES', 0x10a, sapphireRapids, haswell],
    ['HWCR', 0xc001_0015, zen4, haswell], ['VM_CR', 0xc001_0114, zen3, sapphireRapids], ['SYSCFG', 0xc001_0010, amdK10, ivyBridge],
    ['IA32_TSC_ADJUST', 0x3b, haswell, ivyBridge], ['IA32_XSS', 0xda0, sapphireRapids, haswell], ['IA32_SPEC_CTRL', 0x48, zen3, amdK10],
  ] as const)('%s', ([name, number, having, lacking]) => {
    expect(msrOf(having, number)?.name).toBe(name);
    expect([typeof read(having, number), read(lacking, number)]).toEqual(['bigint', '#GP(0)']);
  });

  test('IA32_TSC_AUX[63:32]: reserved on Intel, dropped on AMD', () => {
    expect([written(haswell, 0xc000_0103, 0x1_0000_0007n), written(zen4, 0xc000_0103, 0x1_0000_0007n)]).toEqual(['#GP(0)', 7n]);
  });
  test('IA32_SYSENTER_EIP keeps 64 bits on Intel, 32 on AMD', () => {
    expect([written(haswell, 0x176, 0xffff_8000_1234_5678n), written(zen4, 0x176, 0xffff_8000_1234_5678n)]).toEqual([0xffff_8000_1234_5678n, 0x1234_5678n]);
    expect([written(haswell, 0x176, 1n << 50n), written(zen4, 0x176, 1n << 50n)]).toEqual(['#GP(0)', 0n]);
  });
});

describe('IA32_MISC_ENABLE', () => {
  test('fopcode compatibility mode is of family 0Fh: reserved, and the fault says what it is', () => {
    for (const cpu of ALL.filter(({ vendor }) => vendor === 'GenuineIntel')) {
      expect(() => step(at(WRITE, cpu, 0x1a0, 0x4_1805n), 2)).toThrow(/^#GP\(0\).*IA32_MISC_ENABLE\[2\], fopcode compatibility mode/);
      expect((cpu.signature >> 8) & 15).toBe(6);
    }
  });
  test('the other reserved bits', () => {
    const kept = [0, 3, 7, 11, 12, 16, 18, 22, 23, 34];
    for (let bit = 0; bit < 64; bit++) {
      expect([bit, written(haswell, 0x1a0, 0x4_1801n | (1n << BigInt(bit))) === '#GP(0)']).toEqual([bit, !kept.includes(bit)]);
    }
  });
});

describe('IA32_EFER', () => {
  const EFER = 0xc000_0080;
  test('reserved bits by processor', () => {
    for (const cpu of ALL) for (let bit = 0; bit < 64; bit++) {
      const allowed = [0, 8, 10, 11, ...(cpu.vendor === 'AuthenticAMD' ? [14] : [])].includes(bit);
      expect([cpu.id, bit, written(cpu, EFER, 0xd01n | (1n << BigInt(bit))) === '#GP(0)']).toEqual([cpu.id, bit, !allowed]);
    }
  });
  test('LMA is what it is, LME cannot change while CR0.PG is 1', () => {
    expect(written(haswell, EFER, 0x901n)).toBe(0xd01n);
    expect(written(haswell, EFER, 0xc01n)).toBe('#GP(0)');
  });
  test('FFXSR: at CPL 0 in 64-bit mode FXSAVE and FXRSTOR leave the XMM registers out', () => {
    const program = assemble('fxsave [rsp-512]\nfxrstor [rsp-512]', { mode: 64 });
    const xmmStored = (efer: bigint, cpl: number): [bigint, bigint] => {
      const machine = new Machine(program, { cpu: zen4 });
      machine.state.efer |= efer;
      for (const segment of [CS, SS]) machine.state.setSegment(segment, { ...machine.state.segment(segment), attributes: machine.state.attributes(segment) | (cpl << 5) });
      machine.state.setXmm(3, 0x55n);
      machine.step();
      const stored = machine.memory.read(machine.state.gpr[4]! - 512n + 160n + 48n, 8);
      machine.state.setXmm(3, 0x66n);
      machine.step();
      return [stored, machine.state.xmm(3)];
    };
    expect(xmmStored(0n, 0)).toEqual([0x55n, 0x55n]);
    expect(xmmStored(0x4000n, 0)).toEqual([0n, 0x66n]);
    expect(xmmStored(0x4000n, 3)).toEqual([0x55n, 0x55n]);
  });
});

describe('linear addresses', () => {
  test.for([['IA32_LSTAR', 0xc000_0082], ['IA32_CSTAR', 0xc000_0083], ['IA32_FS_BASE', 0xc000_0100], ['IA32_GS_BASE', 0xc000_0101],
    ['IA32_KERNEL_GS_BASE', 0xc000_0102]] as const)('%s is canonical for the widest addresses that the processor has', ([name, number]) => {
    expect(msrOf(haswell, number)!.name).toBe(name);
    expect(written(haswell, number, 0xffff_8000_0000_0000n)).toBe(0xffff_8000_0000_0000n);
    expect(written(haswell, number, 0x8000_0000_0000n)).toBe('#GP(0)');
    expect(written(sapphireRapids, number, 0x8000_0000_0000n)).toBe(0x8000_0000_0000n);
    expect(written(sapphireRapids, number, 1n << 56n)).toBe('#GP(0)');
  });
  test('IA32_FS_BASE is the hidden base of FS', () => {
    const machine = at(WRITE, haswell, 0xc000_0100, 0x1234_5000n);
    machine.step();
    expect(machine.state.base(FS)).toBe(0x1234_5000n);
  });
});

describe('the time-stamp counter', () => {
  test('counts instructions from what is written, and IA32_TSC_ADJUST tells by how much it was moved', () => {
    const program = assemble(`
        mov   ecx, 0x10
        xor   edx, edx
        mov   eax, 1000
        wrmsr
        nop
        rdtsc
        mov   esi, eax
        mov   ecx, 0x3b
        rdmsr
        mov   edi, eax
        add   eax, 500
        wrmsr
        rdtsc
        hlt`, { mode: 64 });
    const machine = new Machine(program, { cpu: haswell });
    machine.run();
    expect([machine.state.gpr[6], machine.state.gpr[0]]).toEqual([1002n, 1509n]);
    // At the WRMSR, the fourth instruction, the counter stood at 4.
    expect(machine.state.gpr[7]).toBe(996n);
  });
});

describe('memory types', () => {
  test.for([['a reserved type', 0x0207_0406_0007_0406n, '#GP(0)'], ['UC-', 0x0007_0406_0007_0406n, 0x0007_0406_0007_0406n]] as const)('IA32_PAT: %s', ([, value, expected]) => {
    expect(written(haswell, 0x277, value)).toBe(expected);
  });
  test('UC- is no type of an MTRR', () => {
    expect([written(haswell, 0x250, 0x0606_0606_0606_0606n), written(haswell, 0x250, 7n)]).toEqual([0x0606_0606_0606_0606n, '#GP(0)']);
    expect([written(haswell, 0x2ff, 0xc06n), written(haswell, 0x2ff, 0x102n), written(haswell, 0x2ff, 0x1000n)]).toEqual([0xc06n, '#GP(0)', '#GP(0)']);
  });
  test('an address above those of the processor is reserved', () => {
    expect([written(haswell, 0x200, 1n << 38n), written(haswell, 0x200, 1n << 39n), written(zen4, 0x201, (1n << 51n) | 0x800n)]).toEqual([1n << 38n, '#GP(0)', (1n << 51n) | 0x800n]);
  });
  test('IA32_MTRRCAP is read-only', () => expect([read(haswell, 0xfe), written(haswell, 0xfe, 0x508n)]).toEqual([0x508n, '#GP(0)']));
});

describe('the local APIC', () => {
  const BASE = 0xfee0_0000n, ON = 0x800n, EXTENDED = 0x400n;
  function after(from: bigint, to: bigint): bigint | string {
    const machine = at(WRITE, haswell, 0x1b, to);
    machine.state.setQuad(OFFSET.apicBase, from);
    return outcome(() => step(machine, 2));
  }
  test('modes follow each other as in figure 10-27', () => {
    const [off, xapic, x2apic, invalid] = [BASE, BASE | ON, BASE | ON | EXTENDED, BASE | EXTENDED];
    expect([off, xapic, x2apic].map((from) => [off, xapic, x2apic, invalid].map((to) => after(from, to) !== '#GP(0)'))).toEqual([
      [true, true, false, false], [true, true, true, false], [true, false, true, false],
    ]);
  });
  test('without x2APIC the bit is reserved, and so are addresses too high', () => {
    expect(written(amdK10, 0x1b, BASE | ON | EXTENDED)).toBe('#GP(0)');
    expect([written(haswell, 0x1b, (1n << 38n) | ON), written(haswell, 0x1b, (1n << 39n) | ON)]).toEqual([(1n << 38n) | ON, '#GP(0)']);
  });
  test('its registers reach the device in x2APIC mode, and do not exist in another', () => {
    const machine = at(READ, haswell, 0x802);
    machine.execution.apic = { readMsr: (msr) => BigInt(msr), writeMsr() {}, reset() {} };
    expect(outcome(() => step(machine))).toBe('#GP(0)');
    machine.state.setQuad(OFFSET.apicBase, BASE | ON | EXTENDED);
    expect(outcome(() => step(machine))).toBe(0x802n);
  });
});

test('what has no effect that is modelled says so when it is switched on', () => {
  for (const [cpu, msr, value] of [
    [haswell, 0x1d9, 1n], [haswell, 0x1d9, 0x80n], [haswell, 0x1a0, 0x4_0004_1801n], [zen4, 0xc001_0015, 0x2_0000n],
    [zen4, 0xc001_0000, 0x40_0076n], [zen4, 0xc001_0058, 1n], [haswell, 0x79, 0n], [haswell, 0x1fc, 0n],
  ] as const) expect([msr, written(cpu, msr, value)]).toEqual([msr, 'unmodelled']);
});

test('what comes with a bit of CPUID that no profile has is not there', () => {
  // Performance counters, SpeedStep, thermal monitoring, debug store; P-states.
  for (const msr of [0xc1, 0x186, 0x198, 0x19c, 0x309, 0x38f, 0x600]) expect([msr, read(haswell, msr)]).toEqual([msr, '#GP(0)']);
  expect(read(zen4, 0xc001_0064)).toBe('#GP(0)');
});

test('VM_CR is locked, as firmware leaves it where virtualisation is off', () => {
  expect([read(zen4, 0xc001_0114), written(zen4, 0xc001_0114, 0n), written(zen4, 0xc001_0114, 0x20n)]).toEqual([0x18n, 0x18n, '#GP(0)']);
});
