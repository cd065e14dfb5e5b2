/** SYSCALL, SYSRET, SYSENTER, SYSEXIT: what both vendors do alike, and where they differ, one table each. */

import { type CpuProfile, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { CS, OFFSET, SS } from '../../spec/src/state/fields.ts';
import type { Mode } from '../../spec/src/isa/instruction.ts';
import { faultOf, refusalOf } from './refusal.ts';

const { ivyBridge, haswell, sapphireRapids, amdK10, zen3, zen4 } = cpus;
const INTEL = [ivyBridge, haswell, sapphireRapids], AMD = [amdK10, zen3, zen4], ALL = [...INTEL, ...AMD];

const AC = 0x4_0000, RF = 0x1_0000, NT = 0x4000, DF = 0x400, IF = 0x200, TF = 0x100, CF = 1;
const CODE_64 = 0xa09b, CODE_32 = 0xc09b, DATA = 0xc093, DPL_3 = 0x60;

type Where = 'real' | 'legacy' | 'compatibility' | '64-bit';

/** One instruction in a mode and at a level, with the MSRs of a kernel; nothing but the instruction runs. */
function machineAt(text: string, cpu: CpuProfile, where: Where, cpl: 0 | 3 = 0): Machine {
  const mode: Mode = where === '64-bit' ? 64 : where === 'real' ? 16 : 32;
  const machine = new Machine(assemble(text, { mode }), { cpu });
  const { state } = machine;
  if (where === 'compatibility') state.efer |= 0x500n;
  state.efer |= 1n;
  if (where !== 'real') {
    for (const segment of [CS, SS]) {
      const { selector, ...hidden } = state.segment(segment);
      state.setSegment(segment, { ...hidden, selector: selector | cpl, attributes: hidden.attributes | (cpl << 5) });
    }
  }
  state.setQuad(OFFSET.star, 0x0033_0018_0040_2000n);
  state.setQuad(OFFSET.lstar, 0xffff_8000_0000_1000n);
  state.setQuad(OFFSET.cstar, 0xffff_8000_0000_2000n);
  state.setQuad(OFFSET.fmask, BigInt(TF | IF | DF | NT));
  state.setQuad(OFFSET.sysenterCs, 0x10n);
  state.setQuad(OFFSET.sysenterEsp, cpu.vendor === 'GenuineIntel' ? 0xffff_8000_0000_3000n : 0x3000n);
  state.setQuad(OFFSET.sysenterEip, cpu.vendor === 'GenuineIntel' ? 0xffff_8000_0000_4000n : 0x4000n);
  return machine;
}

describe('where the instructions exist', () => {
  const intel = INTEL.map((cpu) => [cpu, 'Intel'] as const), amd = AMD.map((cpu) => [cpu, 'AMD'] as const);
  /** By mode: real, legacy, compatibility, 64-bit; each at CPL 0. */
  const EXPECTED = {
    syscall: { Intel: ['#UD', '#UD', '#UD', 'none'], AMD: ['none', 'none', 'none', 'none'] },
    sysret: { Intel: ['#UD', '#UD', '#UD', 'none'], AMD: ['#GP', 'none', 'none', 'none'] },
    sysenter: { Intel: ['#GP', 'none', 'none', 'none'], AMD: ['#GP', 'none', '#UD', '#UD'] },
    sysexit: { Intel: ['#GP', 'none', 'none', 'none'], AMD: ['#GP', 'none', '#UD', '#UD'] },
  } as const;
  const MODES = ['real', 'legacy', 'compatibility', '64-bit'] as const;
  const rows = Object.entries(EXPECTED).flatMap(([text, by]) => [...intel, ...amd].flatMap(([cpu, vendor]) =>
    MODES.map((mode, n) => [text, cpu.id, mode, by[vendor][n]!, cpu] as const)));

  test.for(rows)('%s on %s in %s mode: %s', ([text, , mode, expected, cpu]) => {
    expect(refusalOf(machineAt(text, cpu, mode)).replace('(0)', '')).toBe(expected);
  });

  test.for(['syscall', 'sysret', 'sysretq'])('%s is #UD while IA32_EFER.SCE is 0', (text) => {
    for (const cpu of ALL) {
      const machine = machineAt(text, cpu, '64-bit');
      machine.state.efer &= ~1n;
      expect(refusalOf(machine)).toBe('#UD');
    }
  });

  test.for(['sysret', 'sysretq', 'sysexit', 'sysexitq'])('%s at CPL 3 is #GP(0)', (text) => {
    // On AMD's processors in IA-32e mode, too, where SYSEXIT does not exist: measured on a Zen 4, in 64-bit and 32-bit code.
    for (const cpu of ALL) expect(refusalOf(machineAt(text, cpu, '64-bit', 3))).toBe('#GP(0)');
    expect(refusalOf(machineAt('sysexit', zen4, 'compatibility', 3))).toBe('#GP(0)');
  });

  test('a null IA32_SYSENTER_CS is #GP(0)', () => {
    for (const text of ['sysenter', 'sysexit']) {
      const machine = machineAt(text, haswell, 'legacy');
      machine.state.setQuad(OFFSET.sysenterCs, 3n);
      expect(refusalOf(machine)).toBe('#GP(0)');
    }
  });
});

describe('SYSCALL', () => {
  test.for(ALL.map((cpu) => [cpu.id, cpu] as const))('in 64-bit mode on %s', ([, cpu]) => {
    const machine = machineAt('syscall', cpu, '64-bit', 3);
    const { state } = machine;
    const from = state.rip;
    state.rflags = 2 | RF | NT | DF | IF | AC | CF;
    machine.step();
    expect([state.rip, state.gpr[1]]).toEqual([0xffff_8000_0000_1000n, from + 2n]);
    expect(Number(state.gpr[11])).toBe(2 | NT | DF | IF | AC | CF);
    expect(state.rflags).toBe(2 | AC | CF);
    expect(state.segment(CS)).toEqual({ selector: 0x18, base: 0n, limit: 0xffff_ffff, attributes: CODE_64 });
    expect(state.segment(SS)).toEqual({ selector: 0x20, base: 0n, limit: 0xffff_ffff, attributes: DATA });
    expect(machine.execution.cpl).toBe(0);
  });

  test('from compatibility mode it enters at IA32_CSTAR, in 64-bit mode', () => {
    const machine = machineAt('syscall', zen3, 'compatibility', 3);
    machine.step();
    expect([machine.state.rip, machine.mode]).toEqual([0xffff_8000_0000_2000n, 64]);
  });

  test('in legacy mode it enters at IA32_STAR[31:0], clears IF and leaves R11 alone', () => {
    const machine = machineAt('syscall', amdK10, 'legacy', 3);
    machine.state.rflags = 2 | IF | DF;
    machine.state.gpr[11] = 5n;
    machine.step();
    expect([machine.state.rip, machine.mode, machine.state.rflags, machine.state.gpr[11]]).toEqual([0x40_2000n, 32, 2 | DF, 5n]);
    expect(machine.state.attributes(CS)).toBe(CODE_32);
  });

  test('RPL bits of IA32_STAR[47:32] do not reach CS', () => {
    const machine = machineAt('syscall', haswell, '64-bit');
    machine.state.setQuad(OFFSET.star, 0x0000_001b_0000_0000n);
    machine.step();
    expect([machine.state.selector(CS), machine.state.selector(SS)]).toEqual([0x18, 0x20]);
  });
});

describe('SYSRET', () => {
  test.for(ALL.map((cpu) => [cpu.id, cpu] as const))('to 64-bit and to 32-bit code on %s', ([, cpu]) => {
    const wide = machineAt('sysretq', cpu, '64-bit'), narrow = machineAt('sysret', cpu, '64-bit');
    for (const { state } of [wide, narrow]) {
      state.gpr[1] = 0x1_2345_6000n;
      state.gpr[11] = 0xffff_ffff_ffff_feffn;
    }
    wide.step();
    narrow.step();
    expect([wide.state.rip, wide.state.selector(CS), wide.state.selector(SS), wide.mode]).toEqual([0x1_2345_6000n, 0x43, 0x3b, 64]);
    expect([narrow.state.rip, narrow.state.selector(CS), narrow.state.selector(SS), narrow.mode]).toEqual([0x2345_6000n, 0x33, 0x3b, 32]);
    expect([wide.state.attributes(CS), narrow.state.attributes(CS)]).toEqual([CODE_64 | DPL_3, CODE_32 | DPL_3]);
    // RF and VM cannot be set, reserved bits neither.
    expect(wide.state.rflags).toBe(0x3c_7ed7);
    expect(wide.execution.cpl).toBe(3);
  });

  test('an RCX that is not canonical: Intel faults at level 0, AMD at level 3', () => {
    const outcome = (cpu: CpuProfile): [fault: string, cpl: number, rip: bigint] => {
      const machine = machineAt('sysretq', cpu, '64-bit');
      machine.state.gpr[1] = 0x8000_0000_0000n;
      const early = refusalOf(machine);
      return [early === 'none' ? refusalOf(machine) : early, machine.execution.cpl, machine.state.rip];
    };
    for (const cpu of INTEL) expect(outcome(cpu)).toEqual(['#GP(0)', 0, 0xffff_f803_0000_1000n]);
    for (const cpu of AMD) expect(outcome(cpu)).toEqual(['#GP(0)', 3, 0x8000_0000_0000n]);
  });

  test('the 32-bit form takes ECX and does not look at RCX', () => {
    const machine = machineAt('sysret', haswell, '64-bit');
    machine.state.gpr[1] = 0x8000_0000_0000n;
    expect([refusalOf(machine), machine.state.rip]).toEqual(['none', 0n]);
  });

  test('with 5-level paging 57 bits are canonical', () => {
    const machine = machineAt('sysretq', sapphireRapids, '64-bit');
    machine.state.cr4 |= 0x1000n;
    machine.state.gpr[1] = 0x8000_0000_0000n;
    expect(refusalOf(machine)).toBe('none');
  });

  test("sysret-ss-attributes: after an interrupt's null SS, AMD leaves an SS that 32-bit code cannot use", () => {
    const pushAfter = (cpu: CpuProfile): string => {
      const machine = machineAt('sysret', cpu, '64-bit');
      const { state } = machine;
      state.setSegment(SS, { selector: 0, base: 0n, limit: 0, attributes: 0 });
      machine.load(assemble('push eax', { mode: 32 }).bytes, 0x5000n);
      machine.memory.map(0x6000n, 0x1000);
      state.gpr[1] = 0x5000n;
      state.gpr[4] = 0x7000n;
      machine.step();
      expect([state.selector(SS), machine.execution.cpl]).toEqual([0x3b, 3]);
      return refusalOf(machine);
    };
    for (const cpu of INTEL) expect(pushAfter(cpu)).toBe('none');
    for (const cpu of AMD) expect(pushAfter(cpu)).toBe('#SS(0)');
  });

  test('in legacy mode it switches interrupts on', () => {
    const machine = machineAt('sysret', zen4, 'legacy');
    machine.state.gpr[1] = 0x40_3000n;
    machine.state.gpr[11] = 0n;
    machine.step();
    expect([machine.state.rflags, machine.state.rip, machine.execution.cpl]).toEqual([2 | IF, 0x40_3000n, 3]);
  });
});

describe('single-stepping SYSCALL goes by the flags after masking', () => {
  test.for([[0, '#DB'], [TF, 'none']] as const)('IA32_FMASK = %i: %s', ([mask, expected]) => {
    const machine = machineAt('syscall', zen3, '64-bit', 3);
    machine.state.setQuad(OFFSET.fmask, BigInt(mask));
    machine.state.rflags = 2 | TF;
    const raised = faultOf(machine)?.mnemonic ?? 'none';
    expect([raised, machine.state.rip]).toEqual([expected, 0xffff_8000_0000_1000n]);
  });
});

describe('SYSENTER and SYSEXIT', () => {
  test.for(INTEL.map((cpu) => [cpu.id, cpu] as const))('in IA-32e mode on %s', ([, cpu]) => {
    for (const where of ['64-bit', 'compatibility'] as const) {
      const machine = machineAt('sysenter', cpu, where, 3);
      machine.state.rflags = 2 | IF | NT | DF | AC;
      machine.step();
      expect([machine.state.rip, machine.state.gpr[4], machine.mode]).toEqual([0xffff_8000_0000_4000n, 0xffff_8000_0000_3000n, 64]);
      // NT, DF and AC are the caller's: SYSENTER filters no more than IF and VM.
      expect(machine.state.rflags).toBe(2 | NT | DF | AC);
      expect([machine.state.segment(CS), machine.state.segment(SS)]).toEqual([
        { selector: 0x10, base: 0n, limit: 0xffff_ffff, attributes: CODE_64 }, { selector: 0x18, base: 0n, limit: 0xffff_ffff, attributes: DATA },
      ]);
    }
  });

  test.for(ALL.map((cpu) => [cpu.id, cpu] as const))('in legacy mode on %s', ([, cpu]) => {
    const machine = machineAt('sysenter', cpu, 'legacy', 3);
    machine.step();
    expect([machine.state.rip, machine.state.gpr[4], machine.state.attributes(CS), machine.execution.cpl]).toEqual([0x4000n, 0x3000n, CODE_32, 0]);
    const back = machineAt('sysexit', cpu, 'legacy');
    back.state.gpr[1] = 0x7000n;
    back.state.gpr[2] = 0x40_1000n;
    back.step();
    expect([back.state.rip, back.state.gpr[4], back.state.selector(CS), back.state.selector(SS), back.execution.cpl]).toEqual([0x40_1000n, 0x7000n, 0x23, 0x2b, 3]);
  });

  test('SYSEXIT with REX.W goes to 64-bit code, 32 above IA32_SYSENTER_CS, and wants canonical addresses', () => {
    const machine = machineAt('sysexitq', haswell, '64-bit');
    machine.state.gpr[1] = 0x7fff_ffff_f000n;
    machine.state.gpr[2] = 0x1_0000_0000n;
    machine.step();
    expect([machine.state.rip, machine.state.selector(CS), machine.state.selector(SS), machine.mode]).toEqual([0x1_0000_0000n, 0x33, 0x3b, 64]);
    for (const register of [1, 2]) {
      const other = machineAt('sysexitq', haswell, '64-bit');
      other.state.gpr[register] = 1n << 47n;
      expect(refusalOf(other)).toBe('#GP(0)');
    }
  });
});
