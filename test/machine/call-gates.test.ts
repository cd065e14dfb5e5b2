/** Far JMP and CALL through call gates, and far RET back: checks in their order, stacks, parameters. */

import { cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import {
  BIG, CODE_0, CODE_3, CS, DATA_0, DATA_3, DS, ES, FIRST, FS, GRANULAR, LONG, ORIGIN, SS, STACK_0, STACK_3, TR, type World, descriptor, gate,
  machineIn, outcomeOf, stackOf,
} from './segments.ts';

const GATE = FIRST, TARGET = 0x38;
const SMALL = { limit: 0xfff, flags: BIG };
/** SS:ESP of level 0 in a 32-bit task state segment. */
const INNER = [[4, 4, STACK_0], [8, 2, BigInt(DATA_0)]] as const;

const text = (instruction: string): string => `
        ${instruction} far [pointer]
        times ${0x40 - 7} nop
pointer: dd 0
        dw ${GATE | 3}, 0`;
/** The gate leads behind the instruction, to a NOP. */
const INSIDE = ORIGIN + 0x10n;

interface Case {
  readonly name: string;
  readonly world?: Omit<World, 'mode'>;
  readonly gate?: Readonly<{ type?: number; selector?: number; offset?: bigint }>;
  readonly jmp: string;
  readonly call: string;
}
const both = (name: string, outcome: string, rest: Omit<Case, 'name' | 'jmp' | 'call'>): Case => ({ name, jmp: outcome, call: outcome, ...rest });
const target = (raw: bigint) => ({ entries: { [TARGET]: raw } });

/** From level 3 through a gate of DPL 3 to `TARGET`, a code segment of level 3, unless the case says otherwise. */
const CASES: readonly Case[] = [
  both('a gate of an inner DPL', '#GP(0x28)', { gate: { type: 0x8c } }),
  both('the DPL before presence', '#GP(0x28)', { gate: { type: 0x0c } }),
  both('a gate that is not present', '#NP(0x28)', { gate: { type: 0x6c } }),
  both('presence before a null selector', '#NP(0x28)', { gate: { type: 0x6c, selector: 0 } }),
  both('a null selector', '#GP(0)', { gate: { selector: 3 } }),
  both('a selector beyond the table', '#GP(0x80)', { gate: { selector: 0x80 } }),
  both('data', '#GP(0x38)', { world: target(descriptor(0xf3)) }),
  both('another gate', '#GP(0x38)', { world: target(gate(0xec, CODE_3, INSIDE)) }),
  both('code that is not present', '#NP(0x38)', { world: target(descriptor(0x7b)) }),
  both('a target beyond the limit', '#GP(0)', { world: target(descriptor(0xfb, SMALL)) }),
  both('code of the same level', 'ok', {}),
  both('code of the same level, whatever the RPL of the gate’s selector', 'ok', { gate: { selector: TARGET } }),
  both('conforming code of an inner level', 'ok', { world: target(descriptor(0x9f)) }),
  { name: 'code of an inner level', world: { ...target(descriptor(0x9b)), tss: { fields: INNER } }, jmp: '#GP(0x38)', call: 'ok' },
];

describe.each(['jmp', 'call'] as const)('%s through a 32-bit call gate', (instruction) => {
  test.each(CASES.map((each) => [each.name, each] as const))('%s', (_, each) => {
    const { type = 0xec, selector = TARGET | 3, offset = INSIDE } = each.gate ?? {};
    const entries = { [TARGET]: descriptor(0xfb), ...each.world?.entries, [GATE]: gate(type, selector, offset) };
    const machine = machineIn({ ...each.world, mode: 32, cpl: 3, entries }, text(instruction));
    expect(outcomeOf(machine, 1)).toBe(each[instruction]);
    expect(machine.state.rip).toBe(each[instruction] === 'ok' ? INSIDE : ORIGIN);
  });

  test('an RPL above the DPL of the gate is #GP(gate)', () => {
    const entries = { [GATE]: gate(0x8c, CODE_0, INSIDE) };
    expect(outcomeOf(machineIn({ mode: 32, entries }, text(instruction)), 1)).toBe('#GP(0x28)');
  });

  /** A 32-bit task that begins at `INSIDE`, at level 0; its segment is at 33000h. */
  function toTask(entry: bigint, cpl: 0 | 3 = 0) {
    const tss = descriptor(0xe9, { base: 0x3_3000, limit: 0x67, flags: 0 });
    const machine = machineIn({ mode: 32, cpl, entries: { 0x40: tss, 0x60: descriptor(0x8b), [GATE]: entry } }, text(instruction));
    const fields = [[0x20, INSIDE], [0x24, 2n], [0x38, STACK_0], [0x4c, BigInt(CODE_0)], [0x50, BigInt(DATA_0)]] as const;
    for (const [offset, value] of fields) machine.memory.write(0x3_3000n + BigInt(offset), 4, value);
    return machine;
  }
  const SEGMENT = { base: 0x3_3000, limit: 0x67, flags: 0 };

  test.each([
    ['a task state segment', descriptor(0xe9, SEGMENT), GATE | 3], ['a task gate', gate(0xe5, 0x40, 0n), 0x40],
  ] as const)('%s leads to another task', (_, entry, task) => {
    const machine = toTask(entry, 3);
    expect(outcomeOf(machine, 1)).toBe('ok');
    const { state } = machine;
    expect([state.selector(TR), state.rip, machine.execution.cpl, state.gpr[4]]).toEqual([task, INSIDE, 0, STACK_0]);
    // A call nests: NT, and a link to the task that was left.
    expect([state.rflags & 0x4000, machine.memory.read(0x3_3000n, 2)]).toEqual(instruction === 'call' ? [0x4000, 0x60n] : [0, 0n]);
  });

  test.each([
    ['a task state segment of an inner DPL', descriptor(0x89, SEGMENT), '#GP(0x28)'], ['a busy one', descriptor(0xeb, SEGMENT), '#GP(0x28)'],
    ['one that is not present', descriptor(0x69, SEGMENT), '#NP(0x28)'], ['the DPL before presence', descriptor(0x09, SEGMENT), '#GP(0x28)'],
    ['a task gate of an inner DPL', gate(0x85, 0x40, 0n), '#GP(0x28)'], ['a task gate that is not present', gate(0x65, 0x40, 0n), '#NP(0x28)'],
    ['a task gate to code', gate(0xe5, CODE_0, 0n), '#GP(0x8)'], ['a task gate into the LDT', gate(0xe5, 0x44, 0n), '#GP(0x44)'],
    ['a task gate to a null selector', gate(0xe5, 0, 0n), '#GP(0)'],
  ] as const)('%s: %s', (_, entry, expected) => {
    expect(outcomeOf(toTask(entry, 3), 1)).toBe(expected);
  });
});

describe('to an inner level', () => {
  /** A call from level 3 with three parameters on its stack, through a gate of `bits` that copies `count`. */
  function inner(bits: 16 | 32, tss: World['tss'], { count = 3, entries = {} as World['entries'] } = {}) {
    const base = bits === 16 ? Number(ORIGIN) : 0;
    const offset = INSIDE - BigInt(base);
    const machine = machineIn({
      mode: 32, cpl: 3, ...(tss ? { tss } : {}),
      entries: { [TARGET]: descriptor(0x9b, { base, limit: 0xffff, flags: GRANULAR | BIG }), [GATE]: gate(bits === 16 ? 0xe4 : 0xec, TARGET, offset, count), ...entries },
    }, text('call'));
    for (let n = 0; n < 3; n++) machine.memory.write(STACK_3 + BigInt((n * bits) / 8), bits / 8, 0x1111n * BigInt(n + 1));
    return machine;
  }
  const TSS_16 = { type: 0x83, limit: 0x2b, fields: [[2, 2, 0x5000n], [4, 2, 0x50n]] as const };
  const LOW_STACK = { 0x50: descriptor(0x93, { base: 0x3_0000, limit: 0xffff, flags: 0 }) };

  test('a 32-bit gate with a 32-bit task state segment: old stack, parameters in their order, return address', () => {
    const machine = inner(32, { fields: INNER });
    const { length } = machine.step();
    const { state } = machine;
    expect([state.selector(CS), state.selector(SS), machine.execution.cpl]).toEqual([TARGET, DATA_0, 0]);
    expect(state.gpr[4]).toBe(STACK_0 - 28n);
    expect(stackOf(machine, 4, 7)).toEqual([ORIGIN + BigInt(length), BigInt(CODE_3), 0x1111n, 0x2222n, 0x3333n, STACK_3, BigInt(DATA_3)]);
  });

  test('a 16-bit gate with a 16-bit task state segment: words, and a 16-bit stack pointer', () => {
    const machine = inner(16, TSS_16, { entries: LOW_STACK });
    const { length } = machine.step();
    expect(machine.state.gpr[4]).toBe((STACK_3 & ~0xffffn) | 0x4ff2n);
    expect(stackOf(machine, 2, 7, 0x3_4ff2n)).toEqual([
      BigInt(length), BigInt(CODE_3), 0x1111n, 0x2222n, 0x3333n, STACK_3 & 0xffffn, BigInt(DATA_3),
    ]);
    expect(machine.state.rip).toBe(0x10n);
  });

  test('a 32-bit gate with a 16-bit task state segment, and the other way round', () => {
    const a = inner(32, TSS_16, { entries: LOW_STACK, count: 0 }), b = inner(16, { fields: INNER }, { count: 0 });
    expect([outcomeOf(a, 1), outcomeOf(b, 1)]).toEqual(['ok', 'ok']);
    expect([a.state.gpr[4]! & 0xffffn, b.state.gpr[4]]).toEqual([0x4ff0n, STACK_0 - 8n]);
  });

  const stackIs = (selector: bigint, raw?: bigint, tss: World['tss'] = {}): string =>
    outcomeOf(inner(32, { ...tss, fields: [[4, 4, STACK_0], [8, 2, selector]] }, { entries: raw === undefined ? {} : { 0x50: raw } }), 1);
  test.each([
    ['a null SS', 0n, undefined, '#TS(0)'],
    ['an SS beyond the table', 0x80n, undefined, '#TS(0x80)'],
    ['an SS with an RPL that is not the level', 0x53n, descriptor(0x93), '#TS(0x50)'],
    ['an SS of another level', 0x50n, descriptor(0xf3), '#TS(0x50)'],
    ['an SS that cannot be written', 0x50n, descriptor(0x91), '#TS(0x50)'],
    ['an SS that is code', 0x50n, descriptor(0x9b), '#TS(0x50)'],
    ['an SS that is not present', 0x50n, descriptor(0x13), '#SS(0x50)'],
    ['a stack that is too small', 0x50n, descriptor(0x93, { limit: Number(STACK_0) - 29, flags: BIG }), '#SS(0x50)'],
    ['one that has just the room', 0x50n, descriptor(0x93, { limit: Number(STACK_0) - 1, flags: BIG }), 'ok'],
    ['an expand-down stack whose limit is in the way', 0x50n, descriptor(0x97, { limit: Number(STACK_0) - 28, flags: BIG }), '#SS(0x50)'],
    ['an expand-down stack that has just the room', 0x50n, descriptor(0x97, { limit: Number(STACK_0) - 29, flags: BIG }), 'ok'],
  ] as const)('%s: %s', (_, selector, raw, expected) => {
    expect(stackIs(selector, raw)).toBe(expected);
  });

  test('a task state segment that ends before SS0 is #TS(TR)', () => {
    expect(stackIs(BigInt(DATA_0), undefined, { limit: 8 })).toBe('#TS(0x60)');
    expect(stackIs(BigInt(DATA_0), undefined, { limit: 9 })).toBe('ok');
    expect(outcomeOf(inner(16, { ...TSS_16, limit: 4 }, { entries: LOW_STACK }), 1)).toBe('#TS(0x60)');
  });

  test('room on the stack comes before a target beyond the limit', () => {
    const small = { [TARGET]: descriptor(0x9b, SMALL) };
    expect(outcomeOf(inner(32, { fields: [[4, 4, 8n], [8, 2, 0x50n]] }, { entries: { ...small, 0x50: descriptor(0x93, SMALL) } }), 1)).toBe('#SS(0x50)');
    expect(outcomeOf(inner(32, { fields: INNER }, { entries: small }), 1)).toBe('#GP(0)');
  });

  test('parameters that the caller’s stack does not have are #SS(0), and nothing is written', () => {
    const machine = inner(32, { fields: INNER }, { entries: { [TARGET]: descriptor(0x9a) } });
    machine.state.setSegment(SS, { selector: DATA_3, base: 0n, limit: Number(STACK_3) + 7, attributes: 0x40f3 });
    const before = machine.snapshot();
    expect(outcomeOf(machine, 1)).toBe('#SS(0)');
    expect(machine.diff(before)).toEqual({ fields: [], memory: [] });
  });
});

describe('64-bit call gates', () => {
  const FAR = { 0x48: descriptor(0x9b, { flags: GRANULAR | LONG }) };
  const upper = (offset: bigint, type = 0): bigint => (offset >> 32n) | (BigInt(type) << 40n);
  interface Gate64 { readonly offset?: bigint; readonly upperType?: number; readonly entries?: World['entries']; readonly selector?: number; readonly type?: number }
  function through(instruction: 'jmp' | 'call', { offset = INSIDE, upperType = 0, entries = {}, selector = 0x48, type = 0xec }: Gate64 = {}, world: Partial<World> = {}) {
    return machineIn({
      mode: 64, cpl: 3, tss: { fields: [[4, 8, STACK_0]] }, ...world,
      entries: { ...FAR, [GATE]: gate(type, selector, offset, 5), [GATE + 8]: upper(offset, upperType), ...entries },
    }, text(instruction));
  }

  test('to an inner level: RSP from the task state segment, unaligned, a null SS, slots of 8 bytes, no parameters', () => {
    const machine = through('call', {}, { tss: { fields: [[4, 8, STACK_0 - 3n]] } });
    const { length } = machine.step();
    expect(machine.state.gpr[4]).toBe(STACK_0 - 35n);
    expect(stackOf(machine, 8, 4)).toEqual([ORIGIN + BigInt(length), BigInt(CODE_3), STACK_3, BigInt(DATA_3)]);
    expect([machine.state.selector(SS), machine.state.selector(CS), machine.execution.cpl, machine.state.rip]).toEqual([0, 0x48, 0, INSIDE]);
  });

  test('from compatibility mode', () => {
    const machine = through('call', {}, { compatibility: true });
    expect(outcomeOf(machine, 1)).toBe('ok');
    expect([machine.mode, machine.state.gpr[4], stackOf(machine, 8, 4)[1]]).toEqual([64, STACK_0 - 32n, BigInt(CODE_3)]);
  });

  test('at the same level: two slots of 8 bytes, also from compatibility mode', () => {
    for (const compatibility of [false, true]) {
      const machine = through('call', { entries: { 0x48: descriptor(0xfb, { flags: LONG }) } }, { compatibility });
      expect(outcomeOf(machine, 1)).toBe('ok');
      expect([machine.mode, machine.state.gpr[4], machine.state.selector(SS), machine.execution.cpl]).toEqual([64, STACK_3 - 16n, DATA_3, 3]);
    }
  });

  test('a jump at the same level', () => {
    const machine = through('jmp', { entries: { 0x48: descriptor(0xfb, { flags: LONG }) } });
    expect(outcomeOf(machine, 1)).toBe('ok');
    expect([machine.state.rip, machine.state.gpr[4]]).toEqual([INSIDE, STACK_3]);
  });

  test.each([
    ['an upper half with a type', { upperType: 1 }, '#GP(0x28)'],
    ['which comes before the DPL', { upperType: 1, type: 0x8c }, '#GP(0x28)'],
    ['a 16-bit gate', { type: 0xe4 }, '#GP(0x28)'],
    ['a task gate', { type: 0xe5 }, '#GP(0x28)'],
    ['a task state segment', { type: 0xe9 }, '#GP(0x28)'],
    ['compatibility code behind the gate', { entries: { 0x48: descriptor(0x9b) } }, '#GP(0x48)'],
    ['code with L and D', { entries: { 0x48: descriptor(0x9b, { flags: LONG | BIG }) } }, '#GP(0x48)'],
    ['code that is not present', { entries: { 0x48: descriptor(0x1b, { flags: LONG }) } }, '#NP(0x48)'],
    ['a target that is not canonical', { offset: 0x8000_0000_0000n }, '#GP(0)'],
    ['a null selector', { selector: 0 }, '#GP(0)'],
  ] as const)('%s', (_, each, expected) => {
    expect(outcomeOf(through('call', each), 1)).toBe(expected);
  });

  test('a gate whose upper half is beyond the table', () => {
    const machine = through('call');
    machine.state.set('GDTR.limit', GATE + 7);
    expect(outcomeOf(machine, 1)).toBe('#GP(0x28)');
  });

  test('the stack: #TS(TR) beyond the limit, #SS(0) where it is not canonical', () => {
    expect(outcomeOf(through('call', {}, { tss: { limit: 10 } }), 1)).toBe('#TS(0x60)');
    expect(outcomeOf(through('call', {}, { tss: { fields: [[4, 8, 0x8000_0000_0010n]] } }), 1)).toBe('#SS(0)');
  });
});

describe('the words that far RET reads', () => {
  const fault = (cpu: typeof cpus.zen4, slots: readonly bigint[], pointer: bigint): string => {
    const machine = machineIn({ mode: 32, cpl: 3, cpu }, 'retf');
    machine.state.gpr[4] = pointer;
    slots.forEach((value, n) => machine.memory.write(pointer + BigInt(4 * n), 4, value));
    machine.state.setSegment(SS, { selector: DATA_3, base: 0n, limit: Number(STACK_3) - 1, attributes: 0xc0f3 });
    return outcomeOf(machine, 1);
  };
  // Measured on an EPYC of the Zen 4 generation (family 19h, model 11h).
  test('the stack of another level is read before a bad CS is #GP on AMD, after it elsewhere', () => {
    const image = [INSIDE, BigInt(CODE_0)];
    expect([fault(cpus.zen4, image, STACK_3 - 8n), fault(cpus.haswell, image, STACK_3 - 8n)]).toEqual(['#SS(0)', '#GP(0x8)']);
    expect(fault(cpus.zen4, image, STACK_3 - 16n)).toBe('#GP(0x8)');
  });
  test('the slot of CS comes first', () => {
    const machine = machineIn({ mode: 32 }, 'retf');
    machine.state.gpr[4] = 0x3_7ffcn + 0x1000n;
    expect(() => machine.step()).toThrow(expect.objectContaining({ linearAddress: 0x3_9000n }));
  });
});

describe('far RET', () => {
  /** The image that RETF of `bits` finds: slots from the top, then the return. */
  function returning(bits: 16 | 32 | 64, slots: readonly bigint[], { world = {} as Partial<World>, instruction = 'retf' } = {}) {
    const sized = instruction.startsWith('retf') ? `data${bits} ${instruction}` : instruction;
    const machine = machineIn({ mode: bits === 64 ? 64 : 32, ...world }, sized);
    machine.state.gpr[4] = (world.cpl ? STACK_3 : STACK_0) - 0x100n;
    slots.forEach((value, n) => machine.memory.write(machine.state.gpr[4]! + BigInt((n * bits) / 8), bits / 8, value));
    return machine;
  }
  const entry = (type: number, flags: number = GRANULAR | BIG, limit = 0xf_ffff) => ({ entries: { [FIRST]: descriptor(type, { flags, limit }) } });
  const to = (selector: number, world: Partial<World> = {}, ip = INSIDE): string => outcomeOf(returning(32, [ip, BigInt(selector), STACK_3, BigInt(DATA_3)], { world }), 1);

  test.each([
    ['a null selector', CODE_0 & 3, {}, '#GP(0)'],
    ['beyond the table', 0x80, {}, '#GP(0x80)'],
    ['data', FIRST, entry(0x93), '#GP(0x28)'],
    ['a call gate', FIRST, entry(0x8c), '#GP(0x28)'],
    ['an inner level', CODE_0, { cpl: 3 }, '#GP(0x8)'],
    ['an inner level by its RPL alone', FIRST, { cpl: 3, ...entry(0xfb) }, '#GP(0x28)'],
    ['the same level', FIRST, entry(0x9b), 'ok'],
    ['a DPL that is not the RPL', FIRST | 3, entry(0x9b), '#GP(0x28)'],
    ['conforming code of a DPL below the RPL', FIRST | 3, entry(0x9f), 'ok'],
    ['conforming code of a DPL above the RPL', FIRST, entry(0xff), '#GP(0x28)'],
    ['code that is not present', FIRST, entry(0x1b), '#NP(0x28)'],
    ['presence before the limit', FIRST, entry(0x1b, BIG, 0xfff), '#NP(0x28)'],
    ['an address beyond the limit', FIRST, entry(0x9b, BIG, 0xfff), '#GP(0)'],
    ['an outer level', CODE_3, {}, 'ok'],
  ] as const)('%s', (_, selector, world, expected) => {
    expect(to(selector, world)).toBe(expected);
  });

  test.each([
    ['null', 0, 0n, '#GP(0)'], ['beyond the table', 0x83, 0n, '#GP(0x80)'], ['with an RPL of its own', DATA_3 & ~3, 0n, '#GP(0x20)'],
    ['of another level', 0x3b, descriptor(0x93), '#GP(0x38)'], ['read-only', 0x3b, descriptor(0xf1), '#GP(0x38)'],
    ['not present', 0x3b, descriptor(0x73), '#SS(0x38)'], ['not present, before an address beyond the limit', 0x3b, descriptor(0x73), '#SS(0x38)', 1n << 31n],
    ['good, and the address beyond the limit', DATA_3, 0n, '#GP(0)', 1n << 31n],
  ] as const)('to an outer level whose SS is %s', (_, selector, raw, expected, ip = INSIDE) => {
    const entries = { [CODE_3]: descriptor(0xfb, { limit: 0x7_ffff }), 0x38: raw };
    expect(outcomeOf(returning(32, [ip, BigInt(CODE_3), STACK_3, BigInt(selector)], { world: { entries } }), 1)).toBe(expected);
  });

  test.each([[16, 4], [32, 8], [64, 16]] as const)('of %d bits to the same level pops two slots, and releases what it is told to', (bits, popped) => {
    const base = bits === 16 ? Number(ORIGIN) : 0;
    const world = { entries: { [FIRST]: descriptor(0x9b, { base, flags: bits === 64 ? LONG : BIG | GRANULAR }) } };
    const machine = returning(bits, [INSIDE - BigInt(base), BigInt(FIRST)], { world, instruction: 'retf 0x24' });
    const before = machine.state.gpr[4]!;
    expect(outcomeOf(machine, 1)).toBe('ok');
    expect([machine.state.rip, machine.state.gpr[4]! - before]).toEqual([INSIDE - BigInt(base), BigInt(popped + 0x24)]);
  });

  test('to an outer level: parameters are released on both stacks, and segments that the level may not use become null', () => {
    const machine = returning(32, [INSIDE, BigInt(CODE_3), 0xaaaan, 0xbbbbn, STACK_3 - 0x10n, BigInt(DATA_3)], { instruction: 'retf 8', world: entry(0x9f) });
    machine.state.setSegment(FS, { selector: FIRST, base: 0n, limit: 0xffff_ffff, attributes: 0xc09f });
    machine.state.setSegment(ES, { selector: DATA_3, base: 0n, limit: 0xffff_ffff, attributes: 0xc0f3 });
    expect(outcomeOf(machine, 1)).toBe('ok');
    const { state } = machine;
    expect([state.selector(CS), state.selector(SS), machine.execution.cpl, state.gpr[4]]).toEqual([CODE_3, DATA_3, 3, STACK_3 - 8n]);
    expect([DS, ES, FS].map((segment) => state.selector(segment))).toEqual([0, DATA_3, FIRST]);
  });

  // What Linux calls espfix: the return leaves bits 31:16 of the inner stack pointer for the outer level to see.
  test('to a 16-bit stack: only SP is loaded, and bits 31:16 of the inner ESP stay', () => {
    const entries = { 0x38: descriptor(0xf3, { base: 0, limit: 0xffff, flags: 0 }) };
    for (const instruction of ['retf', 'iretd']) {
      const image = [INSIDE, BigInt(CODE_3), ...(instruction === 'iretd' ? [2n] : []), 0x1234_5678n, 0x3bn];
      const machine = returning(32, image, { world: { entries }, instruction });
      const inner = machine.state.gpr[4]!;
      expect(outcomeOf(machine, 1)).toBe('ok');
      expect(machine.state.gpr[4]).toBe((inner & ~0xffffn) | 0x5678n);
    }
  });

  describe('in IA-32e mode', () => {
    const to64 = (slots: readonly bigint[], world: Partial<World> = {}) => outcomeOf(returning(64, slots, { world }), 1);
    const NULL_SS = [INSIDE, 0x29n, STACK_3, 1n];
    test.each([
      ['a null SS for 64-bit code that is not at level 3', NULL_SS, entry(0xbb, LONG), 'ok'],
      ['not for compatibility code', NULL_SS, entry(0xbb), '#GP(0)'],
      ['not at level 3', [INSIDE, BigInt(CODE_3), STACK_3, 3n], {}, '#GP(0)'],
      ['an address that is not canonical', [0x8000_0000_0000n, BigInt(CODE_0)], {}, '#GP(0)'],
      ['L and D', [INSIDE, BigInt(FIRST)], entry(0x9b, LONG | BIG), '#GP(0x28)'],
      // Measured on Zen 4 (family 19h, model 11h): RETFQ and IRETQ to 23h with RIP bit 32 set.
      ['bits 63:32 of an address in compatibility code', [0x1_0000_0000n + INSIDE, BigInt(FIRST)], entry(0x9b), '#GP(0)'],
    ] as const)('%s', (_, slots, world, expected) => {
      expect(to64(slots, world)).toBe(expected);
    });

    test('IRETQ agrees about bits 63:32', () => {
      const image = [0x1_0000_0000n + INSIDE, BigInt(FIRST), 2n, STACK_3, BigInt(DATA_0)];
      expect(outcomeOf(returning(64, image, { world: entry(0x9b), instruction: 'iretq' }), 1)).toBe('#GP(0)');
    });

    // Measured on Zen 4, too.
    test('IRETQ to the same level looks at its target before SS', () => {
      const image = [0x8000_0000_0000n, BigInt(CODE_0), 2n, STACK_3, 0x80n];
      expect(outcomeOf(returning(64, image, { instruction: 'iretq' }), 1)).toBe('#GP(0)');
      expect(outcomeOf(returning(64, [INSIDE, ...image.slice(1)], { instruction: 'iretq' }), 1)).toBe('#GP(0x80)');
    });

    test('IRET with NT = 1 is #GP(0): there are no tasks to return to', () => {
      const machine = returning(64, [], { instruction: 'iretq' });
      machine.state.rflags |= 0x4000;
      expect(outcomeOf(machine, 1)).toBe('#GP(0)');
    });
  });
});

// Everything once by machine code alone: tables in the program, LTR, down by RETF, up through the gate, down again.
describe('a kernel of its own', () => {
  const rounds = (bits: 16 | 32): string => `
        lgdt   [gdtr]
        mov    eax, 0x28
        ltr    ax
        mov    ax, 0x10
        mov    ss, ax
        mov    esp, stack0
        push   0x23
        push   stack3
        push   0x1b
        push   user
        retf
user:   push   dword 0x1234
        push   dword 0x5678
        call   0x30:0
        mov    ecx, ss
        mov    ebx, esp
        hlt
gateway:
        ${bits === 32 ? 'mov eax, [esp + 8]\n        mov edx, [esp + 12]\n        retf 8' : 'movzx eax, word ptr [esp + 4]\n        movzx edx, word ptr [esp + 8]\n        data16 retf 8'}
        align 8
tss:    ${bits === 32 ? 'dd 0, stack0, 0x10\n        resb 0x5c' : 'dw 0, stack0 - 0x20000, 0x10\n        resb 0x26'}
gdt:    dq 0
        dw 0xffff, 0, 0x9a00, 0xcf
        dw 0xffff, 0, 0x9200, 0xcf
        dw 0xffff, 0, 0xfa00, 0xcf
        dw 0xffff, 0, 0xf200, 0xcf
        dw ${bits === 32 ? 0x67 : 0x2b}, tss - 0x20000, ${bits === 32 ? '0x8902' : '0x8102'}, 0
        dw gateway - 0x20000, 8, ${bits === 32 ? '0xec02, 2' : '0xe404, 2'}
gdtr:   dw 55
        dd gdt
        resb 64
stack0: resb 64
stack3:`;

  test('down by RETF, up through a 32-bit gate with two parameters, down again', () => {
    const machine = machineIn({ mode: 32 }, rounds(32));
    expect(outcomeOf(machine)).toBe('#GP(0)');
    const { gpr } = machine.state;
    expect([gpr[0], gpr[2], gpr[1], machine.execution.cpl]).toEqual([0x5678n, 0x1234n, 0x23n, 3]);
    expect(machine.state.selector(TR)).toBe(0x28);
  });

  test('LTR marks a 16-bit task state segment busy, and a far jump to it says so', () => {
    const machine = machineIn({ mode: 32, cpu: cpus.zen4, entries: { [FIRST]: descriptor(0x81, { limit: 0x2b, flags: 0 }) } }, 'mov eax, 0x28\n ltr ax\n jmp 0x28:0');
    expect(outcomeOf(machine)).toBe('#GP(0x28)');
    expect(machine.state.attributes(TR)).toBe(0x83);
  });
});
