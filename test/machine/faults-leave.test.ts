/**
 * Instructions that leave something behind although they fault: gathers, stores from MMX registers, x87 stores. Each
 * fact is from a Sapphire Rapids class Xeon: registers and flags from `npm run conformance`, XINUSE from XSTATE_BV as a
 * tracer reads it of a stopped process, breakpoints and single steps from a tracer, too.
 */

import { type CpuProfile, type Machine, Undefined, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { toBytes } from '../../spec/src/numbers/bits.ts';
import { DS, OFFSET } from '../../spec/src/state/fields.ts';
import { type Random, randomFrom } from '../integer/random.ts';
import { faultProblem } from './fault-rules.ts';
import { faultOf } from './refusal.ts';
import { DATA, machineWith, outcomeOf } from './vector-forms.ts';

const { sapphireRapids, zen4, haswell } = cpus;
/** Mapped are the page below `DATA` and the two from there on. */
const FIRST = DATA - 0x1000n, ABSENT = DATA + 0x2000n;
const RF = 0x1_0000, TF = 0x100;

const GATHERS = [
  ['vpgatherdd', 32, 32], ['vpgatherqd', 32, 64], ['vpgatherdq', 64, 32], ['vpgatherqq', 64, 64],
  ['vgatherdps', 32, 32], ['vgatherqps', 32, 64], ['vgatherdpd', 64, 32], ['vgatherqpd', 64, 64],
] as const;

/** A machine about to execute a gather of random registers, some of whose elements may not be there. */
function randomGather(random: Random, cpu: CpuProfile): Machine {
  const mode = random.pick([32, 64] as const), [name, element, index] = random.pick(GATHERS), wide = random.chance(0.5);
  const file = (bits: number): string => (wide && bits === Math.max(element, index) ? 'ymm' : 'xmm');
  const numbers = Array.from({ length: mode === 64 ? 16 : 8 }, (_, n) => n);
  const [destination, vector, mask] = Array.from({ length: 3 }, () => numbers.splice(random.below(numbers.length), 1)[0]!) as [number, number, number];
  const scale = random.pick([1, 2, 4, 8]);
  const text = `${name} ${file(element)}${destination}, [${mode === 64 ? 'rbx' : 'ebx'} + ${file(index)}${vector}*${scale}], ${file(element)}${mask}`;
  const machine = machineWith(assemble(text, { mode }).bytes, cpu, mode), { state, memory } = machine;
  memory.writeBytes(FIRST, Uint8Array.from({ length: 0x3000 }, () => random.below(256)));
  for (let n = 0; n < numbers.length + 3; n++) {
    state.setXmm(n, (random.value() << 64n) | random.value());
    state.setYmmHigh(n, (random.value() << 64n) | random.value());
  }
  if (mode === 32 && random.chance(0.3)) state.setSegment(DS, { ...state.segment(DS), limit: Number(DATA) + random.below(0x2000) });
  const faulty = random.pick([0.2, 0.5, 0.9]);
  const offsets = Array.from({ length: 256 / index }, () => {
    const astray = random.pick([0x2000 + random.below(64), 0x2000 - random.below(8), -0x1000 - random.below(12), 0x10_0000]);
    return random.chance(faulty) ? astray : random.below(0x3000 - 8) - 0x1000;
  });
  const bytes = Uint8Array.from(offsets.flatMap((offset) => [...toBytes(BigInt.asUintN(index, BigInt(Math.trunc(offset / scale))), index / 8)]));
  const number = (from: number): bigint => bytes.slice(from, from + 16).reduceRight((all, byte) => (all << 8n) | BigInt(byte), 0n);
  state.setXmm(vector, number(0));
  state.setYmmHigh(vector, number(16));
  return machine;
}

describe('a gather that faults', () => {
  test.for([sapphireRapids, haswell, zen4])('leaves what the manual allows and nothing else: 1500 on $name', (cpu) => {
    const random = randomFrom(cpu.signature), problems: string[] = [];
    let faults = 0;
    for (let n = 0; n < 1500; n++) {
      const machine = randomGather(random, cpu), before = machine.state.snapshot();
      const fault = faultOf(machine);
      if (!fault) continue;
      faults++;
      problems.push(...[faultProblem(machine, before, fault) ?? []].flat());
    }
    expect(problems).toEqual([]);
    expect(faults).toBeGreaterThan(400);
  });

  test('is completed by executing it again, as one whose elements are all there', () => {
    const random = randomFrom(11);
    let restarted = 0;
    for (let n = 0; n < 1000; n++) {
      const machine = randomGather(random, sapphireRapids), { state } = machine;
      const start = machine.snapshot();
      if (outcomeOf(machine) !== '#PF') continue;
      restarted++;
      const there = (): void => machine.memory.map(0n, 0x20_0000);
      there();
      machine.step();
      const [resumed, rip] = [state.snapshot(), state.rip];
      machine.restore(start);
      there();
      machine.step();
      // Only CR2 tells.
      state.setQuad(OFFSET.cr2, new DataView(resumed.buffer).getBigUint64(OFFSET.cr2, true));
      expect(state.rip).toBe(rip);
      expect(Buffer.compare(state.snapshot(), resumed)).toBe(0);
    }
    expect(restarted).toBeGreaterThan(250);
  });

  /** Elements 0, 1 and 3 are there, 2 is not. */
  function interrupted(prepare: (machine: Machine) => void = () => {}, absent = 2): Machine {
    const machine = machineWith(assemble('vpgatherdd ymm1, [rbx + ymm2], ymm3', { mode: 64 }).bytes, sapphireRapids);
    const { state } = machine;
    const offsets = Array.from({ length: 8 }, (_, n) => (n === absent ? 0x2000n : BigInt(16 * n)));
    [state.setXmm, state.setYmmHigh].forEach((set, half) => set.call(state, 2, offsets.slice(4 * half).slice(0, 4).reduceRight((all, offset) => (all << 32n) | offset, 0n)));
    for (const n of [1, 3]) [state.setXmm, state.setYmmHigh].forEach((set) => set.call(state, n, (1n << 128n) - 1n));
    prepare(machine);
    return machine;
  }
  const breakOn = (element: number) => ({ state }: Machine): void => {
    state.set('DR0', DATA + BigInt(16 * element));
    state.set('DR7', 0xf_0001);
  };
  const seen = ({ state }: Machine): unknown => ({ again: state.rip === 0x1000n, rf: (state.rflags & RF) !== 0, dr6: Number(state.get('DR6')) & 0x400f });

  test('is stepped where an element has arrived: the trap comes first, with RF = 1, and then the fault', () => {
    const machine = interrupted(({ state }) => void (state.rflags |= TF));
    expect([outcomeOf(machine), seen(machine)]).toEqual(['#DB', { again: true, rf: true, dr6: 0x4000 }]);
    expect(machine.state.xmm(3)).toBe(((1n << 64n) - 1n) << 64n);
    expect(outcomeOf(machine)).toBe('#PF');
    // No element before the one that faults, no trap.
    expect(outcomeOf(interrupted(({ state }) => void (state.rflags |= TF), 0))).toBe('#PF');
  });
  test('is not stepped where only branches are', () => {
    const machine = interrupted(({ state }) => {
      state.rflags |= TF;
      state.setQuad(OFFSET.debugctl, 2n);
    });
    expect(outcomeOf(machine)).toBe('#PF');
  });
  test('reports single step and data breakpoint together, and no breakpoint on an element above', () => {
    const both = interrupted((machine) => {
      breakOn(1)(machine);
      machine.state.rflags |= TF;
    });
    expect([outcomeOf(both), seen(both)]).toEqual(['#DB', { again: true, rf: true, dr6: 0x4001 }]);
    expect(outcomeOf(interrupted(breakOn(6)))).toBe('#PF');
  });
  test('meets no instruction breakpoint when it goes on behind the trap', () => {
    const machine = interrupted((before) => {
      breakOn(1)(before);
      before.state.set('DR1', 0x1000n);
      before.state.set('DR7', 0xf_0005);
    });
    const events = Array.from({ length: 3 }, () => {
      const outcome = outcomeOf(machine), dr6 = Number(machine.state.get('DR6')) & 15;
      machine.state.rflags |= RF;
      machine.state.set('DR6', 0xffff_0ff0n);
      return [outcome, dr6];
    });
    expect(events).toEqual([['#DB', 2], ['#DB', 1], ['#PF', 0]]);
  });
  test('of which all elements are there reports breakpoints behind it', () => {
    const machine = interrupted(breakOn(1), -1);
    expect([outcomeOf(machine), seen(machine)]).toEqual(['#DB', { again: false, rf: false, dr6: 1 }]);
    expect(machine.state.ymmHigh(3)).toBe(0n);
  });

  test('is undefined by the manual where an element above could be loaded: all sets of those that may have been', () => {
    let untouched = 0;
    const stopped = (absent: number, mask?: bigint): Undefined | undefined => {
      const machine = interrupted(({ state }) => {
        if (mask !== undefined) {
          state.setXmm(3, mask);
          state.setYmmHigh(3, 0n);
        }
      }, absent);
      machine.execution.onUndefined = 'stop';
      const before = machine.state.snapshot();
      try {
        machine.step();
      } catch (error) {
        if (error instanceof Undefined && Buffer.compare(machine.state.snapshot(), before) === 0) untouched++;
        return error instanceof Undefined ? error : undefined;
      } finally {
        machine.execution.onUndefined = 'continue';
      }
      return undefined;
    };
    const lanes = (...selected: number[]): bigint => selected.reduce((all, n) => all | (1n << BigInt(32 * n + 31)), 0n);
    // 0 is there, 1 is not, 2 and 3 are.
    expect(stopped(1, lanes(0, 1, 2, 3))?.allowed).toEqual([1n, 5n, 9n, 13n]);
    expect(stopped(2, lanes(1, 2, 3))?.allowed).toEqual([2n, 10n]);
    // Nothing above, nothing selected above, nothing that faults.
    expect([stopped(3, lanes(0, 3)), stopped(1, lanes(0, 1)), stopped(-1)]).toEqual([undefined, undefined, undefined]);
    expect(stopped(2)?.allowed).toHaveLength(32);
    // Such a stop is before the instruction.
    expect(untouched).toBe(3);
  });
});

/** XINUSE after `text`, whose operand at RBX is not there, from nothing in use. */
function inUse(text: string, cpu: CpuProfile = sapphireRapids, prepare: (machine: Machine) => void = () => {}): { outcome: string; xinuse: bigint; xmodified: bigint } {
  const machine = machineWith(assemble(text, { mode: 64 }).bytes, cpu), { state } = machine;
  state.xinuse = state.xmodified = 0n;
  state.gpr[3] = state.gpr[7] = ABSENT;
  prepare(machine);
  return { outcome: outcomeOf(machine), xinuse: state.xinuse, xmodified: state.xmodified };
}

describe('XINUSE[0] after a fault', () => {
  const first = [
    'fst dword ptr', 'fst qword ptr', 'fstp dword ptr', 'fstp tbyte ptr', 'fist word ptr', 'fistp qword ptr', 'fisttp dword ptr', 'fbstp', 'fbld', 'fldcw', 'fldenv', 'frstor', 'fnstenv', 'fnsave',
  ];
  const late = ['fld dword ptr', 'fld tbyte ptr', 'fild qword ptr', 'fadd dword ptr', 'fcom qword ptr', 'ficom word ptr', 'fnstcw', 'fnstsw', 'fxsave', 'fxrstor'];

  test.for(first)('%s [rbx] brings x87 state into use before its operand faults', (text) => {
    expect(inUse(`${text} [rbx]`)).toEqual({ outcome: '#PF', xinuse: 1n, xmodified: 1n });
    // Where XINUSE goes by value, a fault changes none.
    expect(inUse(`${text} [rbx]`, zen4)).toEqual({ outcome: '#PF', xinuse: 0n, xmodified: 0n });
  });
  test.for([...late, 'movq mm0,', 'paddb mm0,', 'pinsrw mm0,', 'cvtps2pi mm0,'])('%s [rbx] leaves it', (text) => {
    const operand = text.startsWith('pinsrw') ? '[rbx], 1' : '[rbx]';
    expect(inUse(`${text} ${operand}`)).toEqual({ outcome: '#PF', xinuse: 0n, xmodified: 0n });
  });
  test.for(first.filter((text) => !text.startsWith('fn')))('%s [rbx] with an exception pending is #MF, and no use', (text) => {
    const pending = ({ state }: Machine): void => { state.fcw = 0x37e; state.fsw = 0x8081; };
    expect(inUse(`${text} [rbx]`, sapphireRapids, pending)).toEqual({ outcome: '#MF', xinuse: 0n, xmodified: 0n });
  });
  test.for(['movq [rbx], mm0', 'movd [rbx], mm0', 'movntq [rbx], mm0'])('%s leaves it, and modifies x87 state only where TOP was not 0', (text) => {
    expect(inUse(text)).toEqual({ outcome: '#PF', xinuse: 0n, xmodified: 0n });
    expect(inUse(text, sapphireRapids, ({ state }) => void (state.fsw = 0x1800))).toEqual({ outcome: '#PF', xinuse: 0n, xmodified: 1n });
    const pending = ({ state }: Machine): void => { state.fcw = 0x37e; state.fsw = 0x9881; };
    expect(inUse(text, sapphireRapids, pending)).toEqual({ outcome: '#MF', xinuse: 0n, xmodified: 0n });
  });
  test('MASKMOVQ sets it', () => expect(inUse('maskmovq mm0, mm1')).toEqual({ outcome: '#PF', xinuse: 1n, xmodified: 1n }));
  test('a gather of 256 bits brings AVX state into use before its first element', () => {
    const ones = ({ state }: Machine): void => state.setXmm(3, (1n << 128n) - 1n);
    expect(inUse('vpgatherdd ymm1, [rbx + ymm2], ymm3', sapphireRapids, ones)).toMatchObject({ outcome: '#PF', xinuse: 6n });
    expect(inUse('vpgatherdd xmm1, [rbx + xmm2], xmm3', sapphireRapids, ones)).toMatchObject({ outcome: '#PF', xinuse: 2n });
  });
});

describe('a masked store with a byte or an element that faults writes none', () => {
  const all = (1n << 128n) - 1n;
  test.for([['vpmaskmovd [rbx], xmm2, xmm1', 3], ['vmaskmovpd [rbx], ymm2, ymm1', 2], ['maskmovdqu xmm1, xmm2', 3], ['vmaskmovdqu xmm1, xmm2', 3], ['maskmovq mm1, mm2', 3]] as const)('%s', ([text, bytes]) => {
    for (const mask of [all, 1n << 127n | 1n << 63n | 1n << 31n | 1n << 7n]) {
      const machine = machineWith(assemble(text, { mode: 64 }).bytes, sapphireRapids), { state, memory } = machine;
      // The last elements are on the page that is not there.
      state.gpr[3] = state.gpr[7] = ABSENT - BigInt(bytes);
      memory.writeBytes(ABSENT - 16n, new Uint8Array(16).fill(0x5a));
      for (const set of [state.setXmm, state.setYmmHigh]) {
        set.call(state, 1, all);
        set.call(state, 2, mask);
      }
      state.setX87(1, all & 0xffff_ffff_ffff_ffffn);
      state.setX87(2, mask & 0xffff_ffff_ffff_ffffn);
      expect(outcomeOf(machine)).toBe('#PF');
      expect(memory.readBytes(ABSENT - 16n, 16)).toEqual(new Uint8Array(16).fill(0x5a));
    }
  });
});

describe('data breakpoints of masked stores', () => {
  /** DR6[0] where a breakpoint of one byte is at `at`. */
  const meets = (text: string, at: number, mask: bigint, cpu: CpuProfile = sapphireRapids): boolean => {
    const machine = machineWith(assemble(text, { mode: 64 }).bytes, cpu), { state } = machine;
    state.set('DR0', DATA + BigInt(at));
    state.set('DR7', 0x1_0001);
    state.setXmm(2, mask);
    state.setX87(2, mask & 0xffff_ffff_ffff_ffffn);
    return outcomeOf(machine) === '#DB';
  };
  const pattern = (text: string, mask: bigint, cpu?: CpuProfile): string => Array.from({ length: 18 }, (_, n) => (meets(text, n - 1, mask, cpu) ? 'B' : '.')).join('');

  test.for([0n, 0x80n, 0x8000_8080n])('MASKMOVQ and MASKMOVDQU meet those on any byte of their operand, with the mask %x', (mask) => {
    expect(pattern('maskmovdqu xmm1, xmm2', mask)).toBe('.BBBBBBBBBBBBBBBB.');
    expect(pattern('maskmovq mm1, mm2', mask)).toBe('.BBBBBBBB.........');
  });
  test('VPMASKMOVD meets those on elements that are selected', () => {
    expect(pattern('vpmaskmovd [rbx], xmm2, xmm1', 0x8000_0000n << 64n)).toBe('.........BBBB.....');
  });
  test('of AMD nothing is known: those on bytes that are stored', () => {
    expect(pattern('maskmovdqu xmm1, xmm2', 0x8000n, zen4)).toBe('..B...............');
  });
});
