/** Where accesses and instructions end: what the processor did otherwise than the engine, each by name, now that they agree. */

import { type CpuProfile, Fault, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { fromBytes, toBytes } from '../../spec/src/numbers/bits.ts';
import { FS } from '../../spec/src/state/fields.ts';
import { FLAT } from '../../spec/src/state/state.ts';
import { faultProblem } from '../machine/fault-rules.ts';
import { faultOf } from '../machine/refusal.ts';
import { PLACES, codePage, local } from './environment.ts';
import { IMAGE, FLAT_32, run } from './finding.ts';
import { Model } from './model.ts';
import type { RunResult } from './records.ts';

const { data, code } = PLACES.low;

describe('what is no instruction, or one that is not there, is fetched to its end on a Sapphire Rapids', () => {
  const PAGE_END = codePage('low') + 0x1000n;
  /** The exception of bytes that are the last of the page; the next one is not there. */
  const atPageEnd = (hex: string, mode: 32 | 64 = 64, cpu = cpus.sapphireRapids): number => {
    const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    const segments = mode === 64 ? {} : { segments: FLAT_32 };
    const gpr = Array.from({ length: 16 }, () => data);
    const { vector, cr2 } = new Model(cpu, IMAGE).run({ mode, place: 'low', code: bytes, gpr, rflags: 0x202, pieces: [], at: PAGE_END - BigInt(bytes.length), ...segments });
    if (vector === 14) expect(cr2).toBe(PAGE_END);
    return vector;
  };

  test('EXTRQ and INSERTQ are #UD without their immediates, which they do not have where there is no SSE4A', () => {
    expect(['66 0f 78 c0', 'f2 0f 78 c1'].map((text) => atPageEnd(text))).toEqual([6, 6]);
    expect(['66 0f 78', '66 0f 78 80 00 00 00', 'f2 0f 79'].map((text) => atPageEnd(text))).toEqual([14, 14, 14]);
    expect(atPageEnd('66 0f 78 c0', 64, cpus.zen4)).toBe(14);
  });

  test('nor do the immediates count for the 15 bytes, but a displacement does', () => {
    const prefixed = (prefixes: number, text: string): number => run(`db ${Array.from({ length: prefixes }, () => '0x66').join(', ')}, ${text}`, { mode: 64, cpu: cpus.sapphireRapids }).vector;
    expect([12, 13].map((n) => prefixed(n, '0x0f, 0x78, 0xc0, 0, 0'))).toEqual([6, 13]);
    expect([8, 9].map((n) => prefixed(n, '0x0f, 0x78, 0x80, 0, 0, 0, 0, 0, 0'))).toEqual([6, 13]);
  });

  test.each<[what: string, bytes: string, mode?: 32 | 64]>([
    ['3DNow!, which is AMD’s', '0f 0f'], ['an opcode without ModRM', '0f 04'], ['GF2P8 with prefix F3', 'f3 0f 38 cf c0'],
    ['UD0', '0f ff 80 00 00 00 00'], ['a SIB byte and a displacement', '0f a6 84 00 00 00 00 00'],
    ['0F 3A: an immediate byte in any case', '0f 3a ff c0 00'], ['0F 39, 3C and 3D, as 0F 38', '0f 39 00 c0'], ['0F 3B, 3E and 3F, as 0F 3A', '0f 3f 00 c0 00'],
    ['PSLLW with a digit that it does not have', '0f 71 c0 00'], ['BT with one', '0f ba c0 00'], ['MOV with one', 'c7 c8 00 00 00 00'],
    ['what 64-bit mode gave up: AAM', 'd4 0a'], ['a far CALL', '9a 00 00 00 00 00 00'], ['82', '82 c0 00'],
    ['VEX, with the length of Jcc', 'c4 e1 79 80 00 00 00 00'], ['VEX, with that of EMMS', 'c4 e1 79 77'], ['VEX map 7, as map 3', 'c4 e7 78 00 c0 00'],
    ['VEX map 5, as map 1', 'c4 e5 78 58 c0'], ['VEX map 0, as LES', 'c4 80 00 00 00 00'], ['LES of a register in 32-bit code', 'c4 c0', 32],
  ])('%s: %s', (_, bytes, mode = 64) => {
    expect(atPageEnd(bytes, mode)).toBe(6);
    expect(atPageEnd(bytes.slice(0, -3), mode)).toBe(14);
  });

  test.each(['0f ff', '0f b9', '66 0f ff'])('%s is #UD on a Zen 4 without a ModRM byte, at the end of a page and of 15 bytes', (bytes) => {
    expect([cpus.zen4, cpus.sapphireRapids].map((cpu) => atPageEnd(bytes, 64, cpu))).toEqual([6, 14]);
    const prefixed = `db ${Array.from({ length: 13 }, () => '0x2e').join(', ')}, ${bytes.slice(-5).split(' ').map((byte) => `0x${byte}`).join(', ')}, 0xc0`;
    expect([cpus.zen4, cpus.sapphireRapids].map((cpu) => run(prefixed, { mode: 64, cpu }).vector)).toEqual([6, 13]);
  });

  test('what only AMD’s processors have is a hole, not something that the engine lacks', () => {
    const bytes = ['0f 0f c0 b4', '0f 01 d8', '0f 01 fd', 'f3 0f 01 fe'].map((text) => `db ${text.split(' ').map((byte) => `0x${byte}`).join(', ')}`);
    expect(bytes.map((text) => run(text, { mode: 64, cpu: cpus.sapphireRapids }).vector)).toEqual([6, 6, 6, 6]);
    for (const text of bytes) expect(() => run(text, { mode: 64 })).toThrow('not modelled');
  });
});

describe('80 bits in memory are two accesses on a Sapphire Rapids, of 8 bytes and of 2', () => {
  const { sapphireRapids, zen4 } = cpus;
  const PI = toBytes(0x4000_c90f_daa2_2168_c235n, 10);

  test.each([['fldpi\n fstp tbyte ptr [ebx]', PI], ['fld1\n fbstp [ebx]', toBytes(1n, 10)]])('%s has written the first where the second faults', (text, bytes) => {
    const at = (offset: bigint, cpu: CpuProfile): RunResult => run(text, { registers: { 3: data + offset }, cpu });
    expect(at(0xff8n, sapphireRapids)).toMatchObject({ vector: 14, cr2: data + 0x1000n, rip: code + 2n, fsw: 0x3800, written: [{ offset: 0xff8, bytes: bytes.subarray(0, 8) }] });
    expect(at(0xff8n, zen4)).toMatchObject({ vector: 14, cr2: data + 0x1000n, written: [] });
    expect(at(0xff9n, sapphireRapids)).toMatchObject({ vector: 14, written: [] });
  });

  test.each(['fld tbyte ptr [ebx]', 'fbld [ebx]'])('%s faults by the first before it looks whether the segment has the second', (text) => {
    // The page is not there, and the limit is FFFFh.
    const at = (offset: bigint, cpu: CpuProfile): RunResult => run(text, { segments: [0x2b, 0x23, 0x2b, local(16), 0, 0], registers: { 3: offset }, cpu });
    expect([at(0xfff8n, sapphireRapids), at(0xfff9n, sapphireRapids), at(0xfff8n, zen4)].map(({ vector }) => vector)).toEqual([14, 13, 13]);
  });

  test('the second begins at offset 0 where the first ends with the address size', () => {
    const at = (offset: bigint): RunResult => run('fld tbyte ptr [ebx]', { segments: [0x2b, 0x23, 0x2b, local(10), 0, 0], registers: { 3: offset }, cpu: sapphireRapids });
    // The bytes below the data, and the first two of the data.
    expect(at(0xffff_fff8n)).toMatchObject({ vector: 13, rip: code + 2n, ftw: 0x80 });
    expect([at(0xffff_fff7n), at(0xffff_fff9n)].map(({ vector, rip }) => [vector, rip])).toEqual([[13, code], [13, code]]);
  });
});

/** Memory around 4 GiB, and around 2000h, where FS begins if `base` says so. */
describe('around the end of 4 GiB on a Sapphire Rapids', () => {
  const TOP = 0xffff_f000n;
  function around(text: string, { base = 0n, cpu = cpus.sapphireRapids, rbx = 0n }: { base?: bigint; cpu?: CpuProfile; rbx?: bigint } = {}): Machine {
    const machine = new Machine({ ...assemble(text, { mode: 32, origin: 0x10_0000n }), mode: 32 }, { cpu });
    machine.memory.map(TOP, 0x1000);
    machine.memory.map(0n, 0x4000);
    machine.state.cr4 |= 0x4_0600n;
    machine.state.xcr0 = 7n;
    machine.state.setSegment(FS, { selector: 0x10, base, limit: 0xffff_ffff, attributes: FLAT.data });
    machine.state.gpr[3] = rbx;
    return machine;
  }
  const steps = (machine: Machine, count: number): Machine => {
    for (let n = 0; n < count; n++) machine.step();
    return machine;
  };
  const bytesAt = ({ memory }: Machine, address: bigint, bytes: number): bigint => fromBytes(memory.readBytes(address, bytes));

  test('an access of a flat segment goes on at 0; a Zen 4 raises #GP, and what others do is not known', () => {
    const store = (cpu: CpuProfile): Machine => around('mov dword ptr [ebx], 0x44332211', { rbx: 0xffff_fffen, cpu });
    const machine = steps(store(cpus.sapphireRapids), 1);
    expect([bytesAt(machine, 0xffff_fffen, 2), bytesAt(machine, 0n, 2)]).toEqual([0x2211n, 0x4433n]);
    expect(() => store(cpus.zen4).step()).toThrow('#GP(0)');
    expect(() => store(cpus.haswell).step()).toThrow('Haswell was not measured');
  });

  test('a segment with a base ends there, but its linear addresses go on at 0', () => {
    expect(() => around('mov eax, [fs:ebx]', { base: 0x2000n, rbx: 0xffff_fffen }).step()).toThrow('#GP(0)');
    const machine = around('mov eax, [fs:ebx]', { base: TOP, rbx: 0xffen });
    machine.memory.writeBytes(0xffff_fffen, Uint8Array.of(1, 2));
    machine.memory.writeBytes(0n, Uint8Array.of(3, 4));
    expect(steps(machine, 1).state.gpr[0]).toBe(0x0403_0201n);
  });

  test('an instruction may begin below and end above', () => {
    const machine = around('jmp ebx', { rbx: 0xffff_fffen });
    machine.memory.writeBytes(0xffff_fffen, Uint8Array.of(0xb8, 0x11));
    machine.memory.writeBytes(0n, Uint8Array.of(0x22, 0x33, 0x44));
    expect(steps(machine, 2).state).toMatchObject({ rip: 3n });
    expect(machine.state.gpr[0]).toBe(0x4433_2211n);
  });

  test('an x87 environment goes on at offset 0 of a segment with a base, if no field is around the end', () => {
    const machine = steps(around('fninit\n fnstenv [fs:ebx]', { base: 0x2000n, rbx: 0xffff_fff8n }), 2);
    expect([bytesAt(machine, 0x1ff8n, 4), bytesAt(machine, 0x2000n, 4)]).toEqual([0xffff_037fn, 0xffff_ffffn]);
    // Two bytes further on the second word is: the first is stored.
    const cut = steps(around('fninit\n fnstenv [fs:ebx]', { base: 0x2000n, rbx: 0xffff_fffan }), 1);
    expect(() => cut.step()).toThrow('#GP(0)');
    expect([bytesAt(cut, 0x1ffan, 4), bytesAt(cut, 0x1ffen, 4)]).toEqual([0xffff_037fn, 0n]);
  });

  test('FLDENV and FRSTOR load status and tags as they read them, and the control word last', () => {
    for (const text of ['fldenv', 'frstor']) {
      const machine = steps(around(`fninit\n ${text} [fs:ebx]`, { base: 0x2000n, rbx: 0xffff_fff2n }), 1);
      machine.memory.writeBytes(0x1ff2n, Uint8Array.of(0x40, 0, 0, 0, 0, 0x3b, 0, 0, 0xff, 0xfc));
      expect(() => machine.step()).toThrow('#GP(0)');
      expect(machine.state).toMatchObject({ fcw: 0x37f, fsw: 0x3b00, ftw: 0x10, fip: 0n });
    }
  });

  test.each([['fs:bx', 0x1_0000n, 0x1_1fc0n], ['fs:ebx', 0x1_0000_0000n, 0x1fc0n]])('FXSAVE, XSAVE and their restores go on at offset 0 of [%s]', (address, end, start) => {
    for (const name of ['fxsave', 'xsave']) {
      const machine = around(`fld1\n movups xmm0, [0x3000]\n mov eax, 3\n ${name} [${address}]\n movups xmm0, [0x3010]\n ${name.replace('save', 'rstor')} [${address}]`, { base: 0x2000n, rbx: end - 0x40n });
      machine.memory.map(0x1_1000n, 0x1000);
      machine.memory.writeBytes(0x3000n, new Uint8Array(16).fill(0x77));
      steps(machine, 4);
      // ST(0) is at byte 32, XMM0 at byte 160.
      expect([bytesAt(machine, start + 32n, 10), bytesAt(machine, 0x2060n, 16)], name).toEqual([0x3fff_8000_0000_0000_0000n, BigInt(`0x${'77'.repeat(16)}`)]);
      expect(steps(machine, 2).state.xmm(0), name).toBe(BigInt(`0x${'77'.repeat(16)}`));
    }
  });

  /**
   * The end of offsets is behind byte `at` of the area, in a segment whose base makes the area aligned. Byte n of the
   * area to load is 80h + n / 16, but for control words and MXCSR.
   */
  function areaAround(name: string, at: number): Machine {
    const machine = around(`fninit\n mov eax, 3\n ${name} [fs:ebx]`, { base: 0x2000n + BigInt(at % 64), rbx: 0x1_0000_0000n - BigInt(at) });
    const area = Uint8Array.from({ length: 512 }, (_, n) => 0x80 | (n >> 4));
    area.set([0x7f, 0x03, 0x01, 0x30, 0x5a, 0x00, 0x23, 0x01]);
    area.set([0x40, 0x1f, 0, 0], 24);
    machine.memory.writeBytes(0x2000n + BigInt((at % 64) - at), area);
    return steps(machine, 2);
  }
  const filled = (byte: number, bytes = 16): bigint => BigInt(`0x${byte.toString(16).repeat(bytes)}`);

  test('FXRSTOR has loaded what it read before the piece that is around the end: MXCSR with the control words, each register by itself', () => {
    const at = (offset: number): object => {
      const machine = areaAround('fxrstor', offset), { state } = machine;
      expect(() => machine.step(), `${offset}`).toThrow('#GP(0)');
      const top = (state.fsw >> 11) & 7;
      return {
        control: [state.fcw, state.fsw, state.ftw, state.fop, state.mxcsr], pointers: [state.fip, state.fdp], xinuse: state.xinuse & 3n,
        st: Array.from({ length: 8 }, (_, n) => state.x87((top + n) & 7)).findIndex((value) => value === 0n), xmm: Array.from({ length: 8 }, (_, n) => state.xmm(n)).findIndex((value) => value === 0n),
      };
    };
    const nothing = { control: [0x37f, 0, 0, 0, 0x1f80], pointers: [0n, 0n], st: 0, xmm: 0, xinuse: 1n };
    for (const offset of [3, 5, 7, 25, 27]) expect(at(offset), `${offset}`).toEqual(nothing);
    const control = [0x37f, 0x3001, 0x5a, 0x123, 0x1f40], fip = filled(0x80, 4), fdp = filled(0x81, 4);
    for (const offset of [9, 15]) expect(at(offset), `${offset}`).toEqual({ ...nothing, control });
    for (const offset of [17, 23]) expect(at(offset), `${offset}`).toEqual({ ...nothing, control, pointers: [fip, 0n] });
    const loaded = { ...nothing, control, pointers: [fip, fdp] };
    for (const [offset, st] of [[33, 0], [39, 0], [41, 0], [47, 0], [49, 1], [145, 7], [159, 7]] as const) expect(at(offset), `${offset}`).toEqual({ ...loaded, st });
    for (const [offset, xmm] of [[161, 0], [168, 0], [177, 1], [273, 7], [287, 7]] as const) expect(at(offset), `${offset}`).toEqual({ ...loaded, st: -1, xmm, xinuse: xmm === 0 ? 1n : 3n });
  });

  test('it reads all of it between its pieces: of 4, 4, 8 and 8 bytes, MXCSR, 8 bytes of registers, and 16 of XMM registers', () => {
    for (const offset of [4, 8, 16, 24, 28, 30, 32, 40, 56, 152, 160, 176, 272, 288, 289, 511]) {
      const { state } = steps(areaAround('fxrstor', offset), 1);
      expect([state.fip, state.mxcsr, state.x87((6 + 7) & 7), state.xmm(7)], `${offset}`).toEqual([filled(0x80, 4), 0x1f40, filled(0x89, 10), filled(0x91)]);
    }
  });

  test('FXRSTOR reads 4 bytes, then MXCSR, then the rest of the control words', () => {
    const first = around('fxrstor [fs:bx]', { base: 0x2000n, rbx: 0xfff0n });
    // Reserved bits of MXCSR are #GP; the page of the first 16 bytes is not there, and then it is.
    first.memory.writeBytes(0x2008n, new Uint8Array(4).fill(0xff));
    expect(() => first.step()).toThrow('#PF');
    first.memory.map(0x1_1000n, 0x1000);
    expect(() => first.step()).toThrow('MXCSR in memory sets reserved bits');
    // Bytes 4 to 255 are on a page that is not there.
    const second = around('fxrstor [fs:bx]', { base: 0x5f04n, rbx: 0xfffcn });
    for (const page of [0x6000n, 0x1_5000n]) second.memory.map(page, 0x1000);
    expect(() => second.step()).toThrow(expect.objectContaining({ mnemonic: '#PF', linearAddress: 0x5f18n }));
  });

  test('test/machine/fault-rules.ts expects what FXRSTOR leaves, wherever in the area the end is', () => {
    const problems: string[] = [];
    let faults = 0;
    for (let offset = 1; offset < 512; offset++) {
      const machine = areaAround('fxrstor', offset), before = machine.state.bytes.slice();
      const fault = faultOf(machine);
      if (!fault) continue;
      faults++;
      problems.push(...[faultProblem(machine, before, fault) ?? []].flat());
      machine.state.setXmm(7, 1n);
      if (!faultProblem(machine, before, fault)?.includes('changed XMM7')) problems.push(`a change of XMM7 passes at ${offset}`);
    }
    expect(problems).toEqual([]);
    // So many of the 511 are #GP on the processor.
    expect(faults).toBe(255);
  });

  test('a page that is not there in the middle of what wraps at 64 KiB leaves the same', () => {
    const machine = around('fninit\n fxrstor [fs:bx]', { base: 0x2010n, rbx: 0xff00n });
    machine.memory.map(0x1_1000n, 0x1000);
    machine.memory.writeBytes(0x1_1f10n, Uint8Array.from({ length: 0xf0 }, (_, n) => (n < 24 || n > 27 ? 0x11 : 0)));
    // XMM5 is on the page at 12000h.
    expect(() => steps(machine, 1).step()).toThrow('#PF');
    expect([machine.state.mxcsr, machine.state.xmm(4), machine.state.xmm(5)]).toEqual([0, filled(0x11), 0n]);
  });

  test.each<[name: string, at: number, written: [from: number, to: number][]]>([
    ['fxsave', 3, []], ['fxsave', 5, [[0, 4]]], ['fxsave', 25, [[0, 24]]], ['fxsave', 29, [[0, 28]]], ['fxsave', 41, [[0, 40]]], ['fxsave', 168, [[0, 160]]],
    ['xsave', 3, []], ['xsave', 5, [[0, 4], [24, 32]]], ['xsave', 25, []], ['xsave', 29, [[24, 28]]], ['xsave', 41, [[0, 40]]], ['xsave', 168, [[0, 160]]], ['xsave', 513, []],
    ['xsavec', 521, [[0, 288], [512, 520]]],
  ])('%s with the end of offsets behind byte %i has stored the pieces before', (name, at, written) => {
    const machine = areaAround(name, at), start = 0x2000n + BigInt((at % 64) - at);
    machine.state.xinuse = 3n;
    machine.state.mxcsr = 0x1fa0;
    machine.memory.writeBytes(start, new Uint8Array(576).fill(0xee));
    for (let n = 0; n < 8; n++) machine.state.setXmm(n, filled(0x77));
    expect(() => machine.step()).toThrow('#GP(0)');
    const is = machine.memory.readBytes(start, 576);
    expect([...is].map((byte, n) => (byte === 0xee ? -1 : n)).filter((n) => n >= 0)).toEqual(written.flatMap(([from, to]) => Array.from({ length: to - from }, (_, n) => from + n)));
  });

  test('XSAVEOPT asks for the first bytes of x87 state that it does not store, if that is requested', () => {
    // MXCSR is on the page that is not there, too.
    const at = (rfbm: number): void => {
      const machine = around(`mov eax, ${rfbm}\n xsaveopt [fs:bx]`, { base: 0x2000n, rbx: 0xffc0n });
      machine.state.xinuse = 0n;
      expect(() => steps(machine, 1).step()).toThrow(expect.objectContaining({ mnemonic: '#PF', linearAddress: rfbm === 2 ? 0x1_1fd8n : 0x1_1fc0n }));
    };
    for (const rfbm of [2, 3]) at(rfbm);
  });

  test('of the header XSAVE accesses 8 bytes, XRSTOR of a standard area 24', () => {
    for (const [name, ends] of [['xsave', [519, 521]], ['xrstor', [535, 537]]] as const) {
      const at = (offset: number): Machine => {
        const machine = areaAround(name, offset);
        machine.memory.writeBytes(0x2000n + BigInt((offset % 64) - offset) + 512n, new Uint8Array(64));
        return machine;
      };
      expect(() => at(ends[0]).step(), name).toThrow('#GP(0)');
      expect(() => at(ends[1]).step(), name).not.toThrow();
    }
  });

  test('a masked store has written the elements before the one that is beyond the limit', () => {
    const machine = steps(around('vmovups ymm1, [0x3000]\n vmovups ymm2, [0x3020]\n vmaskmovps [fs:ebx], ymm1, ymm2', { base: 0x2000n, rbx: 0xffff_fff2n }), 0);
    machine.memory.writeBytes(0x3000n, new Uint8Array(32).fill(0xff));
    machine.memory.writeBytes(0x3020n, new Uint8Array(32).fill(0x55));
    steps(machine, 2);
    expect(() => machine.step()).toThrow(Fault);
    expect([bytesAt(machine, 0x1ff2n, 12), bytesAt(machine, 0x1ffen, 4)]).toEqual([BigInt(`0x${'55'.repeat(12)}`), 0n]);
    // In a flat segment they go on at 0.
    const flat = around('vmovups ymm1, [0x3000]\n vmaskmovps [ebx], ymm1, ymm1', { rbx: 0xffff_fff2n });
    flat.memory.writeBytes(0x3000n, new Uint8Array(32).fill(0xff));
    steps(flat, 2);
    expect([bytesAt(flat, 0xffff_fff2n, 14), bytesAt(flat, 0n, 20)]).toEqual([(1n << 112n) - 1n, (1n << 144n) - 1n]);
  });
});
