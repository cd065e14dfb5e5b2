/** MMX, XMM and YMM registers as instructions leave them: aliases, upper halves, what XSAVE tracks, partial completion. */

import { Fault, Machine, type CpuProfile, asm64, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { xinuse } from '../../spec/src/isa/xsave/components.ts';
import { DATA, machineWith, outcomeOf } from './vector-forms.ts';

/** A machine with everything enabled that has executed `text`. */
function after(text: string, prepare: (machine: Machine) => void = () => {}, cpu: CpuProfile = cpus.sapphireRapids): Machine {
  const { bytes, listing } = assemble(text, { mode: 64, origin: 0x1000n });
  const machine = machineWith(bytes, cpu);
  prepare(machine);
  for (const line of listing) if (line.kind === 'instruction') machine.step();
  return machine;
}
const full = 0x1111_2222_3333_4444_5555_6666_7777_8888n;
const filled = (machine: Machine): void => {
  for (let n = 0; n < 16; n++) {
    machine.state.setXmm(n, full + BigInt(n));
    machine.state.setYmmHigh(n, full - BigInt(n));
  }
};

describe('bits 255:128', () => {
  test('legacy SSE keeps them, VEX.128 clears them', () => {
    expect(after('paddb xmm1, xmm2', filled).state.ymmHigh(1)).toBe(full - 1n);
    expect(after('vpaddb xmm1, xmm1, xmm2', filled).state.ymmHigh(1)).toBe(0n);
    expect(after('movss xmm1, xmm2', filled).state.ymmHigh(1)).toBe(full - 1n);
    expect(after('vmovss xmm1, xmm1, xmm2', filled).state.ymmHigh(1)).toBe(0n);
    expect(after('vpcmpestrm xmm3, xmm4, 0', filled).state.ymmHigh(0)).toBe(0n);
    expect(after('pcmpestrm xmm3, xmm4, 0', filled).state.ymmHigh(0)).toBe(full);
  });
  test('VZEROUPPER clears those of all registers', () => {
    const { state } = after('vzeroupper', filled);
    for (let n = 0; n < 16; n++) expect([state.xmm(n), state.ymmHigh(n)]).toEqual([full + BigInt(n), 0n]);
  });
  test('VZEROALL clears all bits', () => {
    const { state } = after('vzeroall', filled);
    for (let n = 0; n < 16; n++) expect([state.xmm(n), state.ymmHigh(n)]).toEqual([0n, 0n]);
  });
  test('outside 64-bit mode they leave registers 8 to 15 alone', () => {
    const { bytes } = assemble('vzeroall', { mode: 32 });
    const machine = machineWith(bytes, cpus.sapphireRapids, 32);
    filled(machine);
    machine.step();
    expect([machine.state.xmm(7), machine.state.ymmHigh(7)]).toEqual([0n, 0n]);
    expect([machine.state.xmm(8), machine.state.ymmHigh(8)]).toEqual([full + 8n, full - 8n]);
  });
});

test.for([['vpaddb xmm1, xmm2, xmm3', 16], ['vpaddb ymm1, ymm2, ymm3', 32], ['vzeroupper', 16]] as const)('%s clears what lies above byte %i, up to bit 511', ([text, from]) => {
  const { state } = after(text, (machine) => machine.state.bytes.fill(0xff, machine.state.vectorOffset(1), machine.state.vectorOffset(2)));
  const at = state.vectorOffset(1);
  expect(state.bytes.slice(at + from, at + 64).every((byte) => byte === 0)).toBe(true);
  expect(after('paddb xmm1, xmm2', (machine) => machine.state.bytes.fill(0xff, at, at + 64)).state.bytes[at + 63]).toBe(0xff);
});

/** As XGETBV with ECX = 1 told on a Sapphire Rapids class Xeon, from VZEROALL on. */
describe('XINUSE', () => {
  test.for([
    ['vpxor xmm1, xmm1, xmm1', 2n], ['vpxor ymm1, ymm1, ymm1', 6n], ['movaps xmm1, xmm2', 2n], ['vmovaps xmm1, xmm2', 2n], ['vmovaps ymm1, ymm2', 6n],
    ['vpcmpeqb ymm1, ymm1, ymm1\nvzeroupper', 2n], ['vpcmpeqb ymm1, ymm1, ymm1\nvpxor xmm1, xmm1, xmm1', 6n], ['vpcmpeqb ymm1, ymm1, ymm1\nvzeroall', 0n],
    ['vptest ymm0, ymm0', 0n], ['ptest xmm0, xmm0', 0n], ['pxor mm0, mm0', 1n], ['pxor mm0, mm0\nemms', 1n],
  ] as const)('%s: %s', ([text, expected]) => {
    const machine = after(`vzeroall\n${text}`, ({ state }) => void (state.xinuse = 0n));
    expect(xinuse(machine.execution)).toBe(expected);
  });
});

describe('MMX registers', () => {
  test('are the low 64 bits of R0 to R7; what is written gets ones above', () => {
    const { state } = after('movq mm3, [rbx]', (machine) => machine.memory.write(DATA, 8, 0x0123_4567_89ab_cdefn));
    expect(state.x87(3)).toBe(0xffff_0123_4567_89ab_cdefn);
  });
  test.for(['paddb mm1, mm2', 'movd eax, mm1', 'movq [rbx], mm1', 'pmovmskb eax, mm1', 'movq2dq xmm1, mm2', 'movdq2q mm1, xmm2', 'pxor mm0, mm0'])(
    '%s leaves TOP = 0 and all registers valid', (text) => {
      const { state } = after(text, (machine) => { machine.state.fsw = 0x3800; machine.state.ftw = 0x05; });
      expect([state.fsw, state.ftw]).toEqual([0, 0xff]);
    });
  test('a read leaves the exponent of what it reads alone', () => {
    const { state } = after('movd eax, mm1', (machine) => machine.state.setX87(1, 0x3fff_8000_0000_0000_1234n));
    expect([state.gpr[0], state.x87(1)]).toEqual([0x1234n, 0x3fff_8000_0000_0000_1234n]);
  });
  test('EMMS empties them', () => {
    expect(after('paddb mm1, mm2\nemms').state.ftw).toBe(0);
  });
  test('x87 pointers stay', () => {
    const { state } = after('paddb mm1, [rbx]', (machine) => { machine.state.fip = 0x1234n; machine.state.fdp = 0x5678n; });
    expect([state.fip, state.fdp]).toEqual([0x1234n, 0x5678n]);
  });
});

/** Seen on a Sapphire Rapids class Xeon by `npm run conformance -- --only mmx`. */
describe('a store from an MMX register that faults', () => {
  const prepare = ({ state }: Machine): void => { state.fsw = 0x1800; state.ftw = 0x07; state.gpr[3] = 0x7000_0000n; state.gpr[7] = 0x7000_0000n; };
  function left(text: string, cpu: CpuProfile): [string, number, number] {
    const machine = machineWith(assemble(text, { mode: 64 }).bytes, cpu);
    prepare(machine);
    const outcome = outcomeOf(machine);
    return [outcome, machine.state.fsw, machine.state.ftw];
  }
  test.for(['movq [rbx], mm0', 'movd [rbx], mm0', 'movntq [rbx], mm0'])('%s leaves TOP = 0 and the tags on Intel', (text) => {
    expect(left(text, cpus.sapphireRapids)).toEqual(['#PF', 0, 0x07]);
    expect(left(text, cpus.zen4)).toEqual(['#PF', 0x1800, 0x07]);
  });
  test('MASKMOVQ leaves the tags valid, too', () => expect(left('maskmovq mm0, mm1', cpus.sapphireRapids)).toEqual(['#PF', 0, 0xff]));
  test('what reads memory leaves all', () => expect(left('paddb mm0, [rbx]', cpus.sapphireRapids)).toEqual(['#PF', 0x1800, 0x07]));
});

/** The page behind the mapped ones. */
const ABSENT = DATA + 0x2000n;

describe('a gather', () => {
  const ones = (1n << 128n) - 1n;
  /** VPGATHERDD xmm1, [rbx + xmm2*4], xmm3: elements 0 and 1 are there, element 2 is not, 3 is not asked for. */
  const gather = assemble('vpgatherdd xmm1, [rbx + xmm2*4], xmm3', { mode: 64 }).bytes;
  function interrupted(): Machine {
    const machine = machineWith(gather, cpus.sapphireRapids);
    filled(machine);
    machine.memory.write(DATA, 8, 0xbbbb_bbbb_aaaa_aaaan);
    machine.state.setXmm(2, ((ABSENT - DATA) / 4n << 64n) | (1n << 32n));
    machine.state.setXmm(3, (1n << 31n) | (1n << 63n) | (1n << 95n));
    return machine;
  }

  test('that faults keeps the elements that have arrived, and their lanes of the mask are zero', () => {
    const machine = interrupted();
    const before = machine.state.xmm(1);
    expect(outcomeOf(machine)).toBe('#PF');
    expect(machine.state.get('CR2')).toBe(ABSENT);
    expect(machine.state.xmm(1)).toBe(((before >> 64n) << 64n) | 0xbbbb_bbbb_aaaa_aaaan);
    expect(machine.state.xmm(3)).toBe(0xffff_ffffn << 64n);
    expect(machine.state.rip).toBe(0x1000n);
  });
  test('goes on with the rest when it is executed again', () => {
    const machine = interrupted();
    outcomeOf(machine);
    machine.memory.write(DATA, 8, 0n);
    machine.memory.map(ABSENT, 0x1000);
    machine.memory.write(ABSENT, 4, 0xcccc_ccccn);
    machine.step();
    expect(machine.state.xmm(1) & (ones >> 32n)).toBe(0xcccc_cccc_bbbb_bbbb_aaaa_aaaan);
    expect([machine.state.xmm(3), machine.state.ymmHigh(1), machine.state.ymmHigh(3)]).toEqual([0n, 0n, 0n]);
  });
  test('reports a data breakpoint that it has met before the fault of a later element, with RF = 1', () => {
    const machine = interrupted();
    const { state } = machine;
    // Breakpoint 0: four bytes, read or written.
    state.set('DR0', DATA);
    state.set('DR7', 0xf_0001);
    expect(outcomeOf(machine)).toBe('#DB');
    expect([state.rip, Number(state.get('DR6')) & 15, state.rflags & 0x1_0000]).toEqual([0x1000n, 1, 0x1_0000]);
    expect(state.xmm(3)).toBe(0xffff_ffffn << 64n);
    expect(outcomeOf(machine)).toBe('#PF');
    expect(state.get('CR2')).toBe(ABSENT);
  });
  test('with the same register twice is #UD', () => {
    for (const modrm of [[0x04, 0x93], [0x0c, 0x8b], [0x0c, 0x9b]]) {
      // vpgatherdd with xmm0 or xmm1 as destination, xmm2, xmm1 or xmm3 as index, and mask xmm0 or xmm1 or xmm3.
      const vvvv = modrm[0] === 0x04 ? 0x79 : modrm[1] === 0x9b ? 0x71 : 0x61;
      expect(outcomeOf(machineWith(Uint8Array.of(0xc4, 0xe2, vvvv, 0x90, ...modrm), cpus.sapphireRapids))).toBe('#UD');
    }
  });
});

describe('masked moves', () => {
  const signs = (...lanes: number[]): bigint => lanes.reduce((mask, lane) => mask | (1n << BigInt(32 * lane + 31)), 0n);
  test('touch nothing that the mask does not select', () => {
    const atEdge = (machine: Machine): void => { machine.state.gpr[3] = ABSENT - 8n; machine.state.setXmm(2, signs(0, 1)); machine.memory.write(ABSENT - 8n, 8, 0x2222_2222_1111_1111n); };
    expect(after('vpmaskmovd xmm1, xmm2, [rbx]', atEdge).state.xmm(1)).toBe(0x2222_2222_1111_1111n);
    const stored = after('vpmaskmovd [rbx], xmm2, xmm3', (machine) => { filled(machine); atEdge(machine); });
    expect(stored.memory.read(ABSENT - 8n, 8)).toBe((full + 3n) & 0xffff_ffff_ffff_ffffn);
  });
  test('a mask of zeros makes any address good', () => {
    expect(after('vpmaskmovd ymm1, ymm2, [rbx]', ({ state }) => { state.gpr[3] = 0x7000_0000n; state.setXmm(2, 0n); }).state.xmm(1)).toBe(0n);
  });
  test('go on beyond the last address of 32 bits in 64-bit mode', () => {
    const machine = machineWith(assemble('vpmaskmovd xmm1, xmm2, [ecx]', { mode: 64 }).bytes, cpus.sapphireRapids);
    machine.state.gpr[1] = 0xffff_fffcn;
    machine.state.setXmm(2, signs(1));
    expect(outcomeOf(machine)).toBe('#PF');
    expect(machine.state.get('CR2')).toBe(0x1_0000_0000n);
  });
  test('a load looks at all selected offsets before it reads', () => {
    // In 32-bit code: element 0 is not there, element 3 is outside the segment.
    const machine = machineWith(assemble('vpmaskmovd xmm1, xmm2, [ebx]', { mode: 32 }).bytes, cpus.sapphireRapids, 32);
    const { state } = machine;
    state.gpr[3] = ABSENT;
    state.setSegment(3, { ...state.segment(3), limit: Number(ABSENT) + 11 });
    state.setXmm(2, signs(0));
    expect(outcomeOf(machine)).toBe('#PF');
    state.setXmm(2, signs(0, 3));
    expect(outcomeOf(machine)).toBe('#GP');
  });
  test('a store that crosses into an absent page reports its last selected byte', () => {
    const machine = machineWith(assemble('vpmaskmovd [rbx], ymm2, ymm3', { mode: 64 }).bytes, cpus.sapphireRapids);
    machine.state.gpr[3] = ABSENT - 22n;
    machine.state.setXmm(2, signs(1, 2, 3));
    machine.state.setYmmHigh(2, signs(1));
    expect(outcomeOf(machine)).toBe('#PF');
    expect(machine.state.get('CR2')).toBe(ABSENT - 22n + 23n);
  });
  test('MASKMOVDQU faults for bytes that are not selected, at its upper half first', () => {
    const machine = machineWith(assemble('maskmovdqu xmm1, xmm2', { mode: 64 }).bytes, cpus.sapphireRapids);
    machine.state.gpr[7] = ABSENT + 5n;
    expect(outcomeOf(machine)).toBe('#PF');
    expect(machine.state.get('CR2')).toBe(ABSENT + 13n);
  });
  test('MASKMOVQ takes a segment and an address size', () => {
    const machine = after('gs addr32 maskmovq mm0, mm1', ({ state }) => {
      state.setBase(5, 0x10n);
      state.gpr[7] = 0xdead_0000_0000_0000n | DATA;
      state.setX87(0, 0x1122_3344_5566_7788n);
      state.setX87(1, 0x8000_0000_0000_0080n);
    });
    expect(machine.memory.read(DATA + 0x10n, 8)).toBe(0x1100_0000_0000_0088n);
  });
});

/** By the APM's operation sections: no processor with SSE4A was at hand. */
describe('SSE4A', () => {
  const run = (text: string, a: bigint, b: bigint): bigint =>
    after(text, ({ state }) => { state.setXmm(1, a); state.setXmm(2, b); }, cpus.zen4).state.xmm(1) & 0xffff_ffff_ffff_ffffn;
  test('EXTRQ takes a field: length and position in bytes of the instruction, or of a register', () => {
    expect(run('extrq xmm1, 16, 8', 0x1122_3344_5566_7788n, 0n)).toBe(0x6677n);
    expect(run('extrq xmm1, xmm2', 0x1122_3344_5566_7788n, (8n << 8n) | 16n)).toBe(0x6677n);
    expect(run('extrq xmm1, 0, 0', 0x1122_3344_5566_7788n, 0n)).toBe(0x1122_3344_5566_7788n);
  });
  test('INSERTQ puts one in', () => {
    expect(run('insertq xmm1, xmm2, 16, 8', 0x1122_3344_5566_7788n, 0xffff_abcdn)).toBe(0x1122_3344_55ab_cd88n);
    expect(run('insertq xmm1, xmm2', 0x1122_3344_5566_7788n, (8n << 72n) | (16n << 64n) | 0xabcdn)).toBe(0x1122_3344_55ab_cd88n);
  });
  test('is AMD’s alone', () => {
    expect(() => after('extrq xmm1, 16, 8')).toThrow(Fault);
    expect(() => new Machine(asm64`movntss [rsp - 8], xmm1`, { cpu: cpus.sapphireRapids }).step()).toThrow('has no MOVNTSS');
  });
});
