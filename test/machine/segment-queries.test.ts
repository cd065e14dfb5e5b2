/** LAR, LSL, VERR, VERW, ARPL; LLDT and LTR; LDS to LGS. */

import { Machine, assemble, cpus } from 'hidden-state';
import type { CpuProfile } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import {
  BIG, CS, DATA_0, DATA_3, DS, ES, FIRST, FS, GRANULAR, GS, LDTR, LONG, ORIGIN, SS, TR, type World, descriptor, gate, machineIn, outcomeOf,
} from './segments.ts';

const ZF = 0x40;

/** What the four say of `selector`: access rights, limit, and the two answers. */
function ask(selector: number, world: World): { lar: bigint | undefined; lsl: bigint | undefined; verr: boolean; verw: boolean } {
  const machine = machineIn(world, `
        lar    edx, eax
        lsl    ebx, eax
        verr   ax
        verw   ax
        hlt`);
  machine.state.gpr[0] = 0xffff_0000n | BigInt(selector);
  const flags = Array.from({ length: 4 }, () => {
    machine.step();
    return (machine.state.rflags & ZF) !== 0;
  });
  const [lar, lsl, verr, verw] = flags as [boolean, boolean, boolean, boolean];
  return { lar: lar ? machine.state.gpr[2]! : undefined, lsl: lsl ? machine.state.gpr[3]! : undefined, verr, verw };
}

const nothing = { lar: undefined, lsl: undefined, verr: false, verw: false };

// What an EPYC of the Zen 4 generation (family 19h, model 11h) said at level 3 under Linux; 33h, 2Bh and 23h are the
// kernel's segments, the others were made with modify_ldt.
describe('as measured on Zen 4', () => {
  const LINUX = {
    0x33: descriptor(0xfb, { flags: GRANULAR | LONG }), 0x2b: descriptor(0xf3), 0x23: descriptor(0xfb), 0x7b: descriptor(0xf5, { limit: 1, flags: BIG }),
    0x0f: descriptor(0xfb, { limit: 0xfff, flags: 0x10 }), 0x17: descriptor(0x7b, { limit: 0xfff, flags: BIG | 0x10 }),
    0x1f: descriptor(0x73, { limit: 0xfff, flags: BIG | 0x10 }), 0x27: descriptor(0xf3, { limit: 0xfff, flags: BIG | 0x10 }),
    0x2f: descriptor(0xf9, { limit: 0xfff, flags: BIG | 0x10 }), 0x37: descriptor(0xf7, { limit: 0xfff, flags: BIG | 0x10 }),
    0x3f: descriptor(0xf1, { limit: 0xfff, flags: BIG | 0x10 }),
  };
  test.each([
    ['64-bit code', 0x33, 0xaf_fb00n, 0xffff_ffffn, true, false],
    ['data', 0x2b, 0xcf_f300n, 0xffff_ffffn, true, true],
    ['32-bit code', 0x23, 0xcf_fb00n, 0xffff_ffffn, true, false],
    ['expand-down data, read-only', 0x7b, 0x40_f500n, 1n, true, false],
    ['16-bit code', 0x0f, 0x10_fb00n, 0xfffn, true, false],
    ['code that is not present', 0x17, 0x50_7b00n, 0xfffn, true, false],
    ['data that is not present', 0x1f, 0x50_7300n, 0xfffn, true, true],
    ['small data', 0x27, 0x50_f300n, 0xfffn, true, true],
    ['execute-only code', 0x2f, 0x50_f900n, 0xfffn, false, false],
    ['expand-down data', 0x37, 0x50_f700n, 0xfffn, true, true],
    ['read-only data', 0x3f, 0x50_f100n, 0xfffn, true, false],
  ] as const)('%s', (_, selector, lar, lsl, verr, verw) => {
    expect(ask(selector, { mode: 64, cpl: 3, cpu: cpus.zen4, entries: LINUX })).toEqual({ lar, lsl, verr, verw });
    // With any RPL.
    expect(ask(selector & ~3, { mode: 64, cpl: 3, cpu: cpus.zen4, entries: LINUX })).toEqual({ lar, lsl, verr, verw });
  });

  test('operand sizes: 16 bits leave the rest of the register, 32 and 64 clear it; without an answer it stays', () => {
    const value = (text: string, selector: number): bigint => {
      const machine = machineIn({ mode: 64, cpl: 3, cpu: cpus.zen4, entries: LINUX }, text);
      machine.state.gpr[0] = BigInt(selector);
      machine.state.gpr[2] = 0x1111_2222_3333_4444n;
      machine.step();
      return machine.state.gpr[2]!;
    };
    expect([value('lar dx, ax', 0x33), value('lar rdx, rax', 0x33), value('lar edx, eax', 0)]).toEqual([0x1111_2222_3333_fb00n, 0xaf_fb00n, 0x1111_2222_3333_4444n]);
    expect([value('lsl dx, ax', 0x33), value('lsl rdx, rax', 0x33), value('lsl edx, eax', 0)]).toEqual([0x1111_2222_3333_ffffn, 0xffff_ffffn, 0x1111_2222_3333_4444n]);
  });
});

describe('who may see what', () => {
  test.each([
    ['null', 0, {}], ['null with an RPL', 3, {}], ['beyond the GDT', 0x80, {}], ['beyond the LDT', 0x44, {}],
    ['data of an inner level', DATA_0, { cpl: 3 }], ['code of an inner level', 8, { cpl: 3 }],
    ['an RPL above the DPL', DATA_0 | 1, {}],
  ] as const)('%s: nothing, and no fault', (_, selector, world) => {
    expect(ask(selector, { mode: 32, ...world })).toEqual(nothing);
  });

  test('conforming code is for all', () => {
    const entries = { [FIRST]: descriptor(0x9f, { limit: 0x1_2345, flags: BIG }) };
    expect(ask(FIRST | 3, { mode: 32, cpl: 3, entries })).toEqual({ lar: 0x41_9f00n, lsl: 0x1_2345n, verr: true, verw: false });
  });

  test('an LDT that is not there has no descriptors', () => {
    const machine = machineIn({ mode: 32, entries: { [FIRST | 4]: descriptor(0x93) } }, 'mov eax, 0x2c\n lar ecx, eax\n setz bl\n xor eax, eax\n lldt ax\n mov eax, 0x2c\n lar ecx, eax\n setz bh\n hlt');
    expect(outcomeOf(machine)).toBe('ok');
    expect(Number(machine.state.gpr[3]! & 0xffffn)).toBe(1);
  });
});

/** Types of system descriptors that LAR and LSL answer, by number. SDM vol. 2A, tables 3-52 and 3-64; APM vol. 3, LAR. */
describe('system descriptors', () => {
  const answered = (mode: 32 | 64, cpu: CpuProfile, upper = 0n): { lar: number[]; lsl: number[] } => {
    const all = Array.from({ length: 16 }, (_, type) => ({
      type, ...ask(FIRST, { mode, cpu, entries: { [FIRST]: descriptor(0x80 | type, { limit: 0x67, flags: 0 }), 0x30: upper } }),
    }));
    expect(all.some(({ verr, verw }) => verr || verw)).toBe(false);
    const types = (which: 'lar' | 'lsl') => all.filter((each) => each[which] !== undefined).map(({ type }) => type);
    return { lar: types('lar'), lsl: types('lsl') };
  };
  test('in protected mode', () => {
    expect(answered(32, cpus.ivyBridge)).toEqual({ lar: [1, 2, 3, 4, 5, 9, 0xb, 0xc], lsl: [1, 2, 3, 9, 0xb] });
  });
  test('in IA-32e mode, where the vendors’ manuals differ on LAR and an LDT', () => {
    expect(answered(64, cpus.ivyBridge)).toEqual({ lar: [9, 0xb, 0xc], lsl: [2, 9, 0xb] });
    expect(answered(64, cpus.zen4)).toEqual({ lar: [2, 9, 0xb, 0xc], lsl: [2, 9, 0xb] });
  });
  test('whose upper half has a type there is none', () => {
    expect(answered(64, cpus.zen4, 1n << 40n)).toEqual({ lar: [], lsl: [] });
  });
  test('LAR gives the upper half of the descriptor, LSL the scaled limit', () => {
    const found = ask(FIRST, { mode: 32, entries: { [FIRST]: descriptor(0xeb, { limit: 0x2, flags: GRANULAR }) } });
    expect([found.lar, found.lsl]).toEqual([0x80_eb00n, 0x2fffn]);
    // The count of parameters is in bits 7:0, which are masked.
    expect(ask(FIRST, { mode: 32, entries: { [FIRST]: gate(0xec, 8, 0x1234_5678n, 31) } }).lar).toBe(0x34_ec00n);
  });
});

describe('ARPL', () => {
  const adjusted = (destination: number, source: number): [number, boolean] => {
    const machine = machineIn({ mode: 32 }, 'arpl cx, dx');
    machine.state.gpr[1] = 0xabcd_0000n | BigInt(destination);
    machine.state.gpr[2] = BigInt(source);
    machine.step();
    expect(machine.state.gpr[1]! >> 16n).toBe(0xabcdn);
    return [Number(machine.state.gpr[1]! & 0xffffn), (machine.state.rflags & ZF) !== 0];
  };
  test('raises the RPL of the first to that of the second, and says whether it did', () => {
    for (let a = 0; a < 4; a++) {
      for (let b = 0; b < 4; b++) expect(adjusted(0x1230 | a, 0xfff0 | b)).toEqual([0x1230 | Math.max(a, b), a < b]);
    }
  });
  // As an EPYC of the Zen 4 generation (family 19h, model 11h) does.
  test('a destination that cannot be written faults only where it would change', () => {
    const outcome = (source: number): string => {
      const machine = machineIn({ mode: 32 }, 'arpl [0x30000], ax');
      machine.state.gpr[0] = BigInt(source);
      machine.state.setSegment(DS, { selector: 8, base: 0n, limit: 0xffff_ffff, attributes: 0xc091 });
      return outcomeOf(machine, 1);
    };
    expect([outcome(0), outcome(1)]).toEqual(['ok', '#GP(0)']);
  });
  test('63 is MOVSXD in 64-bit code', () => {
    const machine = machineIn({ mode: 64 }, 'db 63h, 0c1h');
    machine.state.gpr[1] = 0x8000_0001n;
    machine.step();
    expect(machine.state.gpr[0]).toBe(0x8000_0001n);
  });
});

test.each(['lar eax, ecx', 'lsl eax, ecx', 'verr ax', 'verw ax', 'arpl ax, cx', 'lldt ax', 'ltr ax'])('%s is #UD in real-address and virtual-8086 mode', (text) => {
  const machine = new Machine(assemble(text, { mode: 16 }));
  expect(outcomeOf(machine, 1)).toBe('#UD');
  machine.state.cr0 |= 1n;
  machine.state.rflags |= 0x2_0000;
  expect(outcomeOf(machine, 1)).toBe('#UD');
});

describe('LLDT and LTR in IA-32e mode: descriptors of 16 bytes', () => {
  const load = (instruction: 'lldt' | 'ltr', low: bigint, high: bigint, world: Partial<World> = {}) =>
    machineIn({ mode: 64, entries: { [FIRST]: low, 0x30: high }, ...world }, `${instruction} ax`);
  const run = (instruction: 'lldt' | 'ltr', low: bigint, high: bigint, world: Partial<World> = {}, selector = FIRST) => {
    const machine = load(instruction, low, high, world);
    machine.state.gpr[0] = BigInt(selector);
    return { outcome: outcomeOf(machine, 1), machine };
  };
  const good = { lldt: descriptor(0x82, { base: 0x1234_5678, limit: 0x3f, flags: 0 }), ltr: descriptor(0x89, { base: 0x1234_5678, limit: 0x67, flags: 0 }) };
  const absent = { lldt: descriptor(0x02), ltr: descriptor(0x09) };

  test.each([['lldt', LDTR], ['ltr', TR]] as const)('%s: the base has 64 bits', (instruction, register) => {
    const { outcome, machine } = run(instruction, good[instruction], 0xffff_8000n);
    expect([outcome, machine.state.base(register), machine.state.selector(register)]).toEqual(['ok', 0xffff_8000_1234_5678n, FIRST]);
  });
  test.each(['lldt', 'ltr'] as const)('%s: checks', (instruction) => {
    const outcome = (low: bigint, high: bigint, selector = FIRST, world: Partial<World> = {}) => run(instruction, low, high, world, selector).outcome;
    expect(outcome(good[instruction], 1n << 40n)).toBe('#GP(0x28)');
    expect(outcome(good[instruction], 0x8000n)).toBe('#GP(0x28)');
    expect(outcome(descriptor(0x93), 0n)).toBe('#GP(0x28)');
    expect(outcome(absent[instruction], 0n)).toBe('#NP(0x28)');
    expect(outcome(absent[instruction], 1n << 40n)).toBe('#GP(0x28)');
    expect(outcome(good[instruction], 0n, FIRST | 4)).toBe('#GP(0x2c)');
    expect(outcome(good[instruction], 0n, 0x80)).toBe('#GP(0x80)');
    // The lower half is the last entry of the table.
    expect(outcome(good[instruction], 0n, 0x78)).toBe('#GP(0x78)');
    expect(outcome(good[instruction], 0n, FIRST, { cpl: 3 })).toBe('#GP(0)');
    expect(outcome(good[instruction], 0n, 0)).toBe(instruction === 'ltr' ? '#GP(0)' : 'ok');
  });
  test('a 16-bit task state segment does not exist there', () => {
    expect(run('ltr', descriptor(0x81), 0n).outcome).toBe('#GP(0x28)');
  });
  test('the LDT that was loaded is used', () => {
    const machine = machineIn({ mode: 64, entries: { [FIRST]: descriptor(0x82, { base: 0x3_2000, limit: 0x3f, flags: 0 }), 0x30: 0n } }, 'mov eax, 0x28\n lldt ax\n mov eax, 0x0c\n mov fs, ax\n hlt');
    machine.memory.write(0x3_2008n, 8, descriptor(0x93, { base: 0x55_0000 }));
    expect(outcomeOf(machine)).toBe('ok');
    expect(machine.state.base(FS)).toBe(0x55_0000n);
  });
});

describe('LGDT and LIDT', () => {
  const load = (text: string, base: bigint, cpu: CpuProfile = cpus.ivyBridge): [string, number | bigint] => {
    const machine = machineIn({ mode: 64, cpu }, `${text}\npointer: dw 0x7f\ndq ${base}`);
    return [outcomeOf(machine, 1), machine.state.get(text.includes('lgdt') ? 'GDTR.base' : 'IDTR.base')];
  };
  test('in 64-bit code the base has 64 bits whatever the operand size, and is canonical for the processor', () => {
    for (const instruction of ['lgdt', 'lidt']) {
      expect(load(`${instruction} [pointer]`, 0xffff_8000_1234_5678n)).toEqual(['ok', 0xffff_8000_1234_5678n]);
      expect(load(`db 66h\n${instruction} [pointer]`, 0xffff_8000_1234_5678n)).toEqual(['ok', 0xffff_8000_1234_5678n]);
      expect(load(`${instruction} [pointer]`, 0x8000_1234_5678n)[0]).toBe('#GP(0)');
      // 57 bits of linear address, with 5-level paging or without.
      expect(load(`${instruction} [pointer]`, 0x8000_1234_5678n, cpus.sapphireRapids)[0]).toBe('ok');
    }
  });
});

describe('far pointers into segment registers', () => {
  const LOADS = [['lds', DS, 32], ['les', ES, 32], ['lss', SS, 64], ['lfs', FS, 64], ['lgs', GS, 64]] as const;
  const pointer = (selector: number, offset = '0x81111111'): string => `\npointer: dd ${offset}\ndw ${selector}\ndd 0`;

  test.each(LOADS)('%s loads the register and the segment', (instruction, segment, mode) => {
    const machine = machineIn({ mode, cpl: 3 }, `${instruction} esi, [pointer]${pointer(DATA_3)}`);
    machine.state.setSegment(segment === SS ? FS : segment, { selector: 0, base: 0n, limit: segment === DS ? 0xffff_ffff : 0, attributes: 0x93 });
    expect(outcomeOf(machine, 1)).toBe('ok');
    expect([machine.state.gpr[6], machine.state.selector(segment), machine.state.limit(segment)]).toEqual([0x8111_1111n, DATA_3, 0xffff_ffff]);
    expect(machine.state.get('blocking by MOV SS')).toBe(0);
  });

  test('of 16 bits: the rest of the register stays', () => {
    const machine = machineIn({ mode: 64, cpl: 3 }, `lfs si, [pointer]\npointer: dw 0x1111, ${DATA_3}`);
    machine.state.gpr[6] = 0xffff_ffff_ffff_ffffn;
    expect(outcomeOf(machine, 1)).toBe('ok');
    expect([machine.state.gpr[6], machine.state.selector(FS)]).toEqual([0xffff_ffff_ffff_1111n, DATA_3]);
  });

  // Zen 4: LSS RAX and LGS RAX of 81111111h, 2Bh, 0 give 81111111h and the selector 2Bh.
  test('of 64 bits: 10 bytes on Intel, the 6 of the 32-bit form on AMD', () => {
    const loaded = (cpu: CpuProfile, data: string): [string, bigint, number] => {
      const machine = machineIn({ mode: 64, cpl: 3, cpu }, `lgs rsi, [pointer]\npointer: ${data}`);
      machine.state.gpr[6] = 0xffff_ffff_ffff_ffffn;
      return [outcomeOf(machine, 1), machine.state.gpr[6]!, machine.state.selector(GS)];
    };
    const narrow = `dd 0x81111111\ndw ${DATA_3}, 0, 0`, wide = `dq 0x123456789abcdef0\ndw ${DATA_3}`;
    expect(loaded(cpus.ivyBridge, wide)).toEqual(['ok', 0x1234_5678_9abc_def0n, DATA_3]);
    expect(loaded(cpus.zen4, narrow)).toEqual(['ok', 0x8111_1111n, DATA_3]);
    expect(loaded(cpus.ivyBridge, narrow)).toEqual(['ok', BigInt(DATA_3) << 32n | 0x8111_1111n, 0]);
  });

  // The error codes are those of the same processor.
  test.each([
    ['lss', 'a null selector', 0, '#GP(0)'], ['lss', 'code', 0x1b, '#GP(0x18)'], ['lss', 'an RPL below CPL', 0x20, '#GP(0x20)'],
    ['lss', 'a segment that is not present', 0x3b, '#SS(0x38)'], ['lss', 'read-only before presence', 0x43, '#GP(0x40)'],
    ['lgs', 'an inner level', 0x10, '#GP(0x10)'], ['lgs', 'beyond the table', 0xff8, '#GP(0xff8)'], ['lgs', 'a task state segment', 0x48, '#GP(0x48)'],
    ['lgs', 'a segment that is not present', 0x3b, '#NP(0x38)'], ['lgs', 'execute-only code', 0x53, '#GP(0x50)'], ['lgs', 'a null selector', 3, 'ok'],
  ] as const)('%s of %s: %s', (instruction, _, selector, expected) => {
    const entries = { 0x38: descriptor(0x73), 0x40: descriptor(0x71), 0x48: descriptor(0x8b, { limit: 0x67, flags: 0 }), 0x50: descriptor(0xf9) };
    const machine = machineIn({ mode: 64, cpl: 3, cpu: cpus.zen4, entries }, `${instruction} eax, [pointer]${pointer(selector)}`);
    const before = machine.snapshot();
    expect(outcomeOf(machine, 1)).toBe(expected);
    // A fault has written nothing.
    const changed = machine.diff(before).fields.map(({ field }) => field.name);
    expect(changed).toEqual(expected === 'ok' ? ['RAX', 'RIP', 'GS', 'GS.attributes', 'GS.limit'] : []);
  });

  test('a register in place of the pointer is #UD, and C4 and C5 are VEX in 64-bit code', () => {
    const outcome = (mode: 32 | 64, bytes: string) => outcomeOf(machineIn({ mode }, `db ${bytes}`), 1);
    expect(['0fh, 0b2h, 0c0h', '0fh, 0b4h, 0c0h', '0fh, 0b5h, 0c0h', '0ffh, 0d8h', '0ffh, 0e8h'].map((bytes) => outcome(64, bytes))).toEqual(Array.from({ length: 5 }, () => '#UD'));
    expect(outcome(32, '0c5h, 35h, 0, 0, 3, 0')).toBe('ok');
  });

  test('LDS in real-address mode', () => {
    const machine = new Machine(assemble('lds si, [pointer]\n hlt\npointer: dw 0x1111, 0x2222', { mode: 16 }));
    expect(outcomeOf(machine)).toBe('ok');
    expect([machine.state.gpr[6], machine.state.selector(DS), machine.state.base(DS)]).toEqual([0x1111n, 0x2222, 0x2_2220n]);
    expect([machine.state.selector(CS), machine.state.rip > ORIGIN]).toEqual([0, false]);
  });
});
