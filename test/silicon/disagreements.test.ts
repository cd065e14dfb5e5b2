/** What the processor did otherwise than the engine, each by name, now that they agree. The profile is the one it was seen on. */

import { type CpuProfile, Fault, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { fromBytes, toBytes } from '../../spec/src/numbers/bits.ts';
import { FS } from '../../spec/src/state/fields.ts';
import { FLAT } from '../../spec/src/state/state.ts';
import { PLACES, codePage, local } from './environment.ts';
import { Model } from './model.ts';
import type { RunRecord, RunResult } from './records.ts';

const IMAGE = { data: new Uint8Array(0x1000).fill(0x11) };
const { data, code } = PLACES.low;
const FLAT_32 = [0x2b, 0x23, 0x2b, 0x2b, 0, 0];
/** By number: 0 is RAX, 4 RSP, 5 RBP, 6 RSI, 7 RDI. */
type Registers = Readonly<Record<number, bigint>>;

interface Case { mode?: 16 | 32 | 64; segments?: readonly number[]; registers?: Registers; rflags?: number; pieces?: RunRecord['pieces']; cpu?: CpuProfile }

function run(text: string, { mode = 32, segments = mode === 64 ? undefined : FLAT_32, registers = {}, rflags = 0x202, pieces = [], cpu = cpus.zen4 }: Case = {}): RunResult {
  const gpr = Array.from({ length: 16 }, (_, n) => registers[n] ?? (n === 4 ? data + 0x800n : 0n));
  const inLdt = segments && segments[1]! & 4;
  const record: RunRecord = {
    mode, place: 'low', code: assemble(text, { mode }).bytes, gpr, rflags, pieces, ...(segments ? { segments } : {}), ...(inLdt ? { ip: 0x800n } : {}),
  };
  return new Model(cpu, IMAGE).run(record);
}
/** Offset of the data where no 32-bit code has anything mapped. */
const absent = 0x400n;
const DATA_16 = local(9), STACK_16 = local(18), CODE_16 = local(1);
const IN_16 = [DATA_16, CODE_16, STACK_16, DATA_16, 0, 0];

describe('branches', () => {
  test.each(['data16 jc $ + 0x10', 'data16 jecxz $ + 0x10', 'data16 loop $ + 0x10', 'data16 loope $ + 0x10'])('%s, not taken, does not cut EIP to 16 bits', (text) => {
    const { bytes } = assemble(text, { mode: 32, origin: 0n });
    const result = run(`db ${[...bytes].join(', ')}`, { registers: { 1: 1n } });
    expect(result).toMatchObject({ vector: 13, rip: code + BigInt(bytes.length) });
  });

  test('a CALL beyond the limit with a bad stack is #SS on AMD, #GP on Intel', () => {
    const wrong: Case = { mode: 16, segments: [DATA_16, CODE_16, DATA_16, DATA_16, 0, 0], registers: { 4: 0x1001n } };
    const far = 'db 0x66, 0xe8, 0, 0, 1, 0';
    expect(run(far, wrong).vector).toBe(12);
    expect(run(far, { ...wrong, cpu: cpus.haswell }).vector).toBe(13);
  });
});

describe('the stack', () => {
  test('PUSH of a selector in a slot of 32 bits: AMD zero-extends it, Intel writes two bytes', () => {
    expect(run('push es').written).toEqual([{ offset: 0x7fc, bytes: Uint8Array.of(0x2b, 0, 0, 0) }]);
    expect(run('push es', { cpu: cpus.haswell }).written).toEqual([{ offset: 0x7fc, bytes: Uint8Array.of(0x2b, 0) }]);
  });

  test('ENTER with a 16-bit stack and a 32-bit operand gives EBP what ESP has above SP', () => {
    const result = run('data32 enter 0, 1', { mode: 16, segments: IN_16, registers: { 4: 0x1234_0800n } });
    expect(result.gpr[5]).toBe(0x1234_07fcn);
    expect(result.gpr[4]).toBe(0x1234_07f8n);
  });

  test('IRETQ to a 16-bit stack leaves bits 31:16 of ESP as they were', () => {
    const frame = [0x805n, BigInt(CODE_16), 0x202n, 0x0456n, BigInt(STACK_16)];
    const bytes = new Uint8Array(new BigUint64Array(frame).buffer);
    const result = run('iretq', { mode: 64, registers: { 4: data + 0x800n }, pieces: [{ offset: 0x800, bytes }] });
    expect(result).toMatchObject({ vector: 13, rip: 0x805n });
    expect(BigInt.asUintN(32, result.gpr[4]!)).toBe(0x1010_0456n);
  });

  test('IRETQ checks all 64 bits of RIP against the limit of 32-bit code', () => {
    const frame = [0x2_0000_0000n, 0x23n, 0x202n, 0n, 0x45n];
    const bytes = new Uint8Array(new BigUint64Array(frame).buffer);
    expect(run('iretq', { mode: 64, pieces: [{ offset: 0x800, bytes }] })).toMatchObject({ vector: 13, errorCode: 0 });
  });

  test('IRET reads RFLAGS first on Zen 4', () => {
    const at = { registers: { 4: data + 0x1000n } };
    expect(run('iretd', at).cr2).toBe(data + 0x1008n);
    expect(run('iretd', { ...at, cpu: cpus.haswell }).cr2).toBe(data + 0x1000n);
  });
});

describe('order of accesses', () => {
  test('CMPS reads the destination first on Zen 4, but REPE CMPSB the source', () => {
    const registers = { 1: 2n, 6: absent, 7: absent + 0x20n };
    expect(run('cmpsd', { registers }).cr2).toBe(absent + 0x20n);
    expect(run('repne cmpsb', { registers }).cr2).toBe(absent + 0x20n);
    expect(run('repe cmpsb', { registers }).cr2).toBe(absent);
    expect(run('cmpsd', { registers, cpu: cpus.haswell }).cr2).toBe(absent);
  });

  test('MOVS reads its source before it looks at the segment of the destination', () => {
    const segments = [local(11), 0x23, 0x2b, 0x2b, 0, 0];
    expect(run('movsd', { segments, registers: { 6: absent } })).toMatchObject({ vector: 14, cr2: absent });
    expect(run('movsd', { segments, registers: { 6: data } })).toMatchObject({ vector: 13, errorCode: 0 });
  });

  test('a far pointer is read as offset and selector, either of which may fault by itself', () => {
    expect(run('les ecx, [eax]', { registers: { 0: 0xffff_fffcn } })).toMatchObject({ vector: 14, cr2: 0xffff_fffcn });
  });

  test('ARPL that raises nothing writes nothing, not even to a page that cannot be written', () => {
    expect(run('arpl [eax], bx', { registers: { 0: data - 8n } }).vector).toBe(13);
    expect(run('arpl [eax], bx', { registers: { 0: data - 8n, 3: 3n } })).toMatchObject({ vector: 14, errorCode: 7 });
  });

  test('RETF reads CS first', () => {
    expect(run('retf', { registers: { 4: data + 0x1000n } }).cr2).toBe(data + 0x1004n);
  });

  test('a far CALL to 64-bit code pushes as that does: without the base and the limit of SS', () => {
    const segments = [0x2b, 0x23, local(14), 0x2b, 0, 0];
    const result = run(`call 0x33:${code + 0x100n}`, { segments, registers: { 4: data + 0x20n } });
    expect(result).toMatchObject({ vector: 13, rip: code + 0x100n });
    expect(result.written.map(({ offset }) => offset)).toEqual([0x18]);
  });

  test('BOUND reads two bounds: the lower one may be absent where both together would be beyond the limit', () => {
    expect(run('bound ecx, [eax]', { registers: { 0: 0xffff_fff9n } })).toMatchObject({ vector: 14, cr2: 0xffff_fff9n });
  });
});

describe('segments and prefixes', () => {
  test.each(['clflush', 'clflushopt'])('%s is allowed in an execute-only segment, a load is not', (name) => {
    const executeOnly: Case = { mode: 16, segments: [DATA_16, local(2), STACK_16, DATA_16, 0, 0], registers: { 4: 0x800n } };
    expect(run(`${name} [cs:bx]`, executeOnly)).toMatchObject({ vector: 13, rip: name === 'clflush' ? 0x804n : 0x805n });
    expect(run('mov al, [cs:bx]', executeOnly)).toMatchObject({ vector: 13, rip: 0x800n });
  });

  test.each(['rep outsb', 'rep insw'])('%s asks for the port also where there is nothing to repeat', (text) => {
    expect(run(text)).toMatchObject({ vector: 13, errorCode: 0, rip: code });
  });

  test('CLZERO aligns the linear address, and the whole line has to be within the segment', () => {
    const odd: Case = { mode: 16, segments: [DATA_16, CODE_16, STACK_16, local(16), 0, 0] };
    expect(run('clzero', { ...odd, registers: { 0: 0x4dn } }).written).toEqual([{ offset: 0x440, bytes: new Uint8Array(64) }]);
    expect(run('clzero', odd)).toMatchObject({ vector: 13, rip: 0x800n });
  });

  test('LOCK before VEX is #UD only once the whole instruction is fetched', () => {
    const short = [0x2b, local(6), 0x2b, 0x2b, 0, 0];
    const shlx = 'db 0xf0, 0xc4, 0xe2, 0x69, 0xf7';
    expect(run(`${shlx}, 0xc0`).vector).toBe(6);
    expect(run(`${shlx}, 0x9a, 0x63, 0x10, 0x8e, 0x00`, { segments: short })).toMatchObject({ vector: 13, errorCode: 0 });
  });
});

/** On the Sapphire Rapids class Xeon that was asked after the Zen 4. */
describe('Sapphire Rapids, and Zen 4 beside it', () => {
  const { sapphireRapids, zen4 } = cpus;
  const both = (text: string, given: Case = {}): [RunResult, RunResult] => [run(text, { ...given, cpu: sapphireRapids }), run(text, { ...given, cpu: zen4 })];

  test('CMPS reads the destination first, REPE CMPSB too', () => {
    const registers = { 1: 2n, 6: absent, 7: absent + 0x20n };
    expect(run('cmpsd', { registers, cpu: sapphireRapids }).cr2).toBe(absent + 0x20n);
    expect(both('repe cmpsb', { registers }).map(({ cr2 }) => cr2)).toEqual([absent + 0x20n, absent]);
  });

  test('IRET reads RFLAGS first, RETF and POP of a segment register read two bytes of a selector', () => {
    expect(run('iretd', { registers: { 4: data + 0x1000n }, cpu: sapphireRapids }).cr2).toBe(data + 0x1008n);
    // The last two bytes of the page.
    const pop = both('pop gs', { registers: { 4: data + 0xffen }, pieces: [{ offset: 0xffe, bytes: toBytes(0x2bn, 2) }] });
    expect(pop.map(({ vector, rip }) => [vector, rip])).toEqual([[13, code + 2n], [14, code]]);
  });

  test('IRETQ to 32-bit code cuts RIP, where Zen 4 compares all of it with the limit', () => {
    const bytes = new Uint8Array(new BigUint64Array([0x2_0000_0000n + code + 0x80n, 0x23n, 0x202n, data + 0x800n, 0x2bn]).buffer);
    expect(both('iretq', { mode: 64, pieces: [{ offset: 0x800, bytes }] }).map(({ vector, rip }) => [vector, rip])).toEqual([[13, code + 0x80n], [13, code]]);
  });

  test('IRET checks CS before it reads SS, and reads SS before RSP', () => {
    // SS and RSP are on the page that is not there; the first CS is null.
    const image = (cs: bigint): Uint8Array => Uint8Array.of(...toBytes(code, 4), ...toBytes(cs, 4), ...toBytes(0x202n, 4));
    const ret = (cs: bigint): [RunResult, RunResult] => both('iretd', { mode: 64, registers: { 4: data + 0xff4n }, pieces: [{ offset: 0xff4, bytes: image(cs) }] });
    expect(ret(0n).map(({ vector }) => vector)).toEqual([13, 14]);
    expect(ret(0x33n)[0].cr2).toBe(data + 0x1004n);
  });

  test('undefined flags: AAA has ZF and PF of AL, DAA OF = 0, TZCNT and BEXTR nothing, ROL of a register by an immediate keeps OF', () => {
    const flags = (text: string, rax: bigint, mode: 32 | 64 = 32): number => run(text, { mode, registers: { 0: rax }, rflags: 0xad7 & ~0x11, cpu: sapphireRapids }).rflags & 0x8d5;
    expect(flags('aaa', 0x0300n)).toBe(0x44);
    expect(flags('daa', 0x11n) & 0x800).toBe(0);
    expect(flags('tzcnt eax, eax', 8n)).toBe(0);
    expect(flags('bextr eax, eax, ebx', 0n)).toBe(0x40);
    expect([flags('rol eax, 4', 0x1n) & 0x800, flags('rol dword ptr [esp], 4', 0n) & 0x800]).toEqual([0x800, 0]);
  });

  test('a far CALL to 64-bit code pushes on the stack of that', () => {
    const result = run(`call 0x33:${code + 0x100n}`, { segments: [0x2b, 0x23, local(14), 0x2b, 0, 0], registers: { 4: data + 0x20n }, cpu: sapphireRapids });
    expect(result).toMatchObject({ vector: 13, rip: code + 0x100n });
  });

  test('a CALL beyond the limit with a bad stack is #SS', () => {
    const wrong: Case = { mode: 16, segments: [DATA_16, CODE_16, DATA_16, DATA_16, 0, 0], registers: { 4: 0x1001n }, cpu: sapphireRapids };
    expect(run('db 0x66, 0xe8, 0, 0, 1, 0', wrong).vector).toBe(12);
  });

  test('BOUND compares with the lower bound before it reads the upper one', () => {
    const given: Case = { registers: { 0: data + 0xffcn, 1: 0x8000_0000n } };
    expect(both('bound ecx, [eax]', { ...given, pieces: [{ offset: 0xffc, bytes: toBytes(0n, 4) }] }).map(({ vector }) => vector)).toEqual([5, 14]);
  });

  test('a fault in a later iteration of REPNE SCASB gives back the flags from before the instruction; Zen 4 keeps the last comparison', () => {
    const [intel, amd] = both('repne scasb', { registers: { 0: 0n, 1: 9n, 7: data + 0xffcn }, rflags: 0xad7 & ~0x400 });
    expect([intel.vector, intel.gpr[1], intel.rflags & 0x8d5]).toEqual([14, 5n, 0xad7 & 0x8d5]);
    expect([amd.vector, amd.gpr[1], amd.rflags & 0x40]).toEqual([14, 5n, 0]);
    expect(amd.rflags & 0x8d5).not.toBe(intel.rflags & 0x8d5);
  });

  test('REP with 32-bit addresses cuts RCX, RSI and RDI in 64-bit code although ECX is 0', () => {
    const high = 0xabcd_0000_0000n;
    const given: Case = { mode: 64, registers: { 1: high, 6: high | 7n, 7: high | 9n } };
    expect(both('rep a32 movsb', given).map(({ gpr }) => [gpr[1], gpr[6], gpr[7]])).toEqual([[0n, 7n, 9n], [high, high | 7n, high | 9n]]);
    expect(run('rep a32 lodsb', { ...given, cpu: sapphireRapids }).gpr.slice(6, 8)).toEqual([high | 7n, high | 9n]);
    expect(run('rep a32 stosb', { ...given, cpu: sapphireRapids }).gpr.slice(6, 8)).toEqual([high | 7n, 9n]);
  });

  test('an access around the end of a flat segment faults in paging, not at the limit', () => {
    expect(both('mov eax, [ebx]', { registers: { 3: 0xffff_fffdn } }).map(({ vector }) => vector)).toEqual([14, 13]);
    // With a base it is beyond the limit.
    expect(run('mov eax, [es:ebx]', { segments: [local(10), 0x23, 0x2b, 0x2b, 0, 0], registers: { 3: 0xffff_fffdn }, cpu: sapphireRapids }).vector).toBe(13);
  });

  test('FXSAVE asks for its last byte first, an x87 environment for its first word and then its last byte', () => {
    expect(both('fxsave [eax]', { registers: { 0: absent } }).map(({ cr2 }) => cr2)).toEqual([absent + 511n, absent]);
    expect(both('fnstenv [eax]', { registers: { 0: data + 0xff0n } }).map(({ cr2 }) => cr2)).toEqual([data + 0x100bn, data + 0x1000n]);
    expect(run('fnstenv [eax]', { registers: { 0: absent }, cpu: sapphireRapids }).cr2).toBe(absent);
  });

  test('XSAVE asks for the last byte that it stores, XRSTOR for XCOMP_BV', () => {
    const registers = { 0: 7n, 2: 0n, 3: absent };
    expect(both('xsave [ebx]', { registers }).map(({ cr2 }) => cr2)).toEqual([absent + 831n, absent]);
    expect(both('xrstor [ebx]', { registers }).map(({ cr2 }) => cr2)).toEqual([absent + 520n, absent + 512n]);
  });

  test('XSAVE accesses only what it stores: MXCSR is byte 24, and where nothing is in use XSAVEC stores the header alone', () => {
    // The beginning of the area is on the page that cannot be written.
    const area = data - 0x80n;
    const at = (text: string, rax: bigint): RunResult => run(text, { registers: { 0: rax, 3: area }, cpu: sapphireRapids });
    expect([1n, 2n, 3n, 4n].map((rax) => at('xsave [ebx]', rax).cr2 - area)).toEqual([0n, 24n, 0n, 24n]);
    expect(at('xsavec [ebx]', 2n).cr2 - area).toBe(24n);
    expect(at('xsavec [ebx]', 4n)).toMatchObject({ vector: 13, rip: code + 3n, written: [{ offset: 0x180, bytes: Uint8Array.of(...toBytes(0n, 8), 4, 0, 0, 0, 0, 0, 0, 0x80) }] });
  });

  test('XRSTOR asks for the last byte of what it is to load before it looks at the header, but for XCOMP_BV', () => {
    // Legacy region and header end with the page; AVX state would be on the next.
    const at = (rax: bigint, ...header: bigint[]): RunResult => {
      const bytes = Uint8Array.from(header.flatMap((value) => [...toBytes(value, 8)]));
      const pieces = [{ offset: 0xdc0, bytes: new Uint8Array(0x240) }, { offset: 0xfc0, bytes }];
      return run('xrstor [ebx]', { registers: { 0: rax, 3: data + 0xdc0n }, pieces, cpu: sapphireRapids });
    };
    const beyond = { vector: 14, cr2: data + 0x10ffn }, compacted = 1n << 63n, wrong = 1n << 61n;
    expect(at(3n)).toMatchObject({ vector: 13, rip: code + 3n });
    expect(at(4n)).toMatchObject(beyond);
    for (const header of [[wrong], [0n, 1n], [0n, 0n, 1n], [wrong, compacted | 7n], [0n, compacted | 7n, 1n]]) expect(at(7n, ...header)).toMatchObject(beyond);
    expect(at(7n, 0n, compacted | wrong | 7n)).toMatchObject({ vector: 13, rip: code });
    // Of the compacted format, too, no more than is requested.
    expect(at(3n, 7n, compacted | 7n)).toMatchObject({ vector: 13, rip: code + 3n });
  });

  test('MOVAPS is aligned before its segment is asked: #GP(0), not #SS', () => {
    const given: Case = { mode: 16, segments: IN_16, registers: { 4: 0x800n, 5: 0xfffdn }, cpu: sapphireRapids };
    expect(run('movaps xmm0, [bp]', given).vector).toBe(13);
  });

  test('FXSAVE looks at four bytes, at their alignment, and then at the rest', () => {
    const at = (offset: bigint): number => run('fxsave [bp]', { mode: 16, segments: IN_16, registers: { 4: 0x800n, 5: offset }, cpu: sapphireRapids }).vector;
    // Beyond the limit within four bytes: #SS. Beyond it later, and not aligned: #GP.
    expect([at(0xfffdn), at(0xfffbn)]).toEqual([12, 13]);
  });

  describe('while alignment is checked', () => {
    const AC = 0x4_0202;
    const odd = (text: string, given: Case = {}): number =>
      run(`vpcmpeqd ymm2, ymm2, ymm2\n${text}`, { mode: 64, rflags: AC, registers: { 0: data + 0x401n, 7: data + 0x401n }, cpu: sapphireRapids, ...given }).vector;

    test('gathers, masked moves and conversions of half precision raise no #AC, other accesses of 8 bytes do', () => {
      const spared = ['vpgatherdq ymm0, [rax + xmm1], ymm2', 'vmaskmovps xmm0, xmm2, [rax]', 'vpmaskmovq [rax], ymm2, ymm0', 'vcvtph2ps xmm0, qword ptr [rax]', 'vcvtps2ph qword ptr [rax], xmm0, 0'];
      expect(spared.map((text) => odd(text))).toEqual(spared.map(() => 13));
      expect(['vmovq xmm0, [rax]', 'vbroadcastsd ymm0, [rax]', 'maskmovdqu xmm0, xmm1'].map((text) => odd(text))).toEqual([17, 17, 17]);
    });

    test('an access around the end of a flat segment is #AC before its first byte faults in paging', () => {
      const around: Case = { registers: { 0: 0xffff_fffdn }, cpu: sapphireRapids };
      expect([0x202, AC].map((rflags) => run('mov ecx, [eax]', { ...around, rflags }).vector)).toEqual([14, 17]);
    });

    test('FXSAVE and FXRSTOR look at the alignment of their first four bytes before they ask whether the segment may be written or read', () => {
      const executeOnly: Case = { mode: 16, segments: [DATA_16, local(2), STACK_16, DATA_16, 0, 0], rflags: AC, cpu: sapphireRapids };
      expect([0x41n, 0x44n].map((offset) => run('fxrstor [cs:bx]', { ...executeOnly, registers: { 3: offset, 4: 0x800n } }).vector)).toEqual([17, 13]);
      const readOnly: Case = { segments: [0x2b, 0x23, 0x2b, local(11), 0, 0], rflags: AC, cpu: sapphireRapids };
      expect([0x41n, 0x44n, 0x40n].map((offset) => run('fxsave [eax]', { ...readOnly, registers: { 0: offset } }).vector)).toEqual([17, 13, 13]);
      // Beyond the limit within four bytes.
      expect(run('fxsave [eax]', { ...readOnly, registers: { 0: 0xffdn } }).vector).toBe(13);
    });

    test('MASKMOVDQU asks for its upper half, and for its alignment, before it looks at the lower one', () => {
      // The lower half begins below the limit of an expand-down segment.
      const low: Case = { segments: [0x2b, 0x23, 0x2b, local(14), 0, 0], registers: { 7: 0x47bn }, cpu: sapphireRapids };
      expect([0x202, AC].map((rflags) => run('maskmovdqu xmm0, xmm1', { ...low, rflags }).vector)).toEqual([13, 17]);
      expect(run('maskmovdqu xmm0, xmm1', { ...low, rflags: AC, registers: { 7: 0x478n } }).vector).toBe(13);
    });

    test('MASKMOVQ to a segment that may not be written is #GP, not #AC', () => {
      expect(run('cs maskmovq mm0, mm1', { rflags: AC, registers: { 7: data + 1n }, cpu: sapphireRapids }).vector).toBe(13);
      expect(run('maskmovq mm0, mm1', { rflags: AC, registers: { 7: data + 1n }, cpu: sapphireRapids }).vector).toBe(17);
    });
  });

  test('a store that an unmasked exception leaves without a result does not ask for its operand', () => {
    // FCW with #IA unmasked; the stack is empty.
    const text = 'fldcw [ebx]\n fninit\n fldcw [ebx]\n fst dword ptr [eax]\n hlt';
    const [intel, amd] = both(text, { registers: { 0: absent, 3: data }, pieces: [{ offset: 0, bytes: Uint8Array.of(0x7e, 0x03) }] });
    expect([intel!.vector, amd!.vector]).toEqual([13, 14]);
  });
});

describe('what sequences found on a Sapphire Rapids', () => {
  /** XINUSE as far as programs have components, after `text`; it begins with nothing in use, or with what `extended` loads. */
  const inUse = (text: string, given: Pick<RunRecord, 'mode' | 'extended'>): number => {
    const gpr = Array.from({ length: 16 }, (_, n) => (n === 4 ? data + 0x800n : n === 3 ? data : 0n));
    const bytes = assemble(`${text}\nmov ecx, 1\nxgetbv`, { mode: given.mode }).bytes;
    return Number(new Model(cpus.sapphireRapids, IMAGE).run({ place: 'low', code: bytes, gpr, rflags: 0x202, pieces: [], ...given }).gpr[0]! & 0xe7n);
  };
  /** Bits 127:0 and 255:128 of register 15 alone, which 32-bit code does not reach. */
  const upperRegister: RunRecord['extended'] = [{ offset: 512, bytes: Uint8Array.of(6) }, { offset: 400, bytes: Uint8Array.of(1) }, { offset: 576 + 240, bytes: Uint8Array.of(1) }];

  test('VZEROUPPER and VZEROALL take AVX and SSE state out of use in 32-bit code too, whatever registers 8 to 15 hold', () => {
    const after = (text: string): number => inUse(text, { mode: 32, extended: upperRegister });
    expect([after('nop'), after('vzeroupper'), after('vzeroall')]).toEqual([6, 2, 0]);
  });

  test('an instruction of 256 bits brings AVX state into use although its destination is an XMM register', () => {
    const after = (text: string): number => inUse(text, { mode: 64, extended: [] });
    const narrowing = ['vcvtpd2ps xmm1, ymm2', 'vcvtpd2dq xmm1, ymm2', 'vcvtps2ph xmm1, ymm2, 0', 'vextracti128 xmm1, ymm2, 1', 'vpgatherqd xmm1, dword ptr [rbx + ymm2], xmm3'];
    expect(narrowing.map(after)).toEqual(narrowing.map(() => 6));
    expect(['vcvtps2ph [rbx], ymm2, 0', 'vextractf128 [rbx], ymm2, 1', 'vptest ymm1, ymm2'].map(after)).toEqual([0, 0, 0]);
    // VADDSS with VEX.L = 1.
    expect(after('db 0xc5, 0xf6, 0x58, 0xc9')).toBe(2);
  });

  test('FNENI, FNDISI and FNSETPM do not bring x87 state into use, as FNOP does', () => {
    expect(['db 0xdb, 0xe0', 'db 0xdb, 0xe1', 'db 0xdb, 0xe4', 'fnop'].map((text) => inUse(text, { mode: 64, extended: [] }))).toEqual([0, 0, 0, 1]);
  });
});

/** Every hole of the opcode maps was tried before the end of a page: the lengths are those of isa/holes.ts. */
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
