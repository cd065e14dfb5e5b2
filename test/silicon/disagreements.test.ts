/** What the processor did otherwise than the engine, each by name, now that they agree. The profile is the one it was seen on. */

import { assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { toBytes } from '../../spec/src/numbers/bits.ts';
import { saveImage } from '../fpu/save-image.ts';
import { PLACES, codePage, local } from './environment.ts';
import { type Case, IMAGE, run, absent, DATA_16, STACK_16, CODE_16, IN_16 } from './finding.ts';
import { Model } from './model.ts';
import type { RunRecord, RunResult } from './records.ts';

const { data, code } = PLACES.low;

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

  test('XSAVEOPT and XSAVEC ask for x87 state, and XSAVEC for MXCSR, where they are requested and nothing of them is stored', () => {
    // The area begins in a page that cannot be written.
    const at = (text: string, mask: bigint): bigint => run(`${text} [ebx]`, { registers: { 0: mask, 3: data - 64n }, cpu: sapphireRapids }).cr2;
    expect([1n, 3n, 4n].map((mask) => at('xsaveopt', mask))).toEqual([data - 64n, data - 64n, data - 40n]);
    expect([1n, 3n, 2n, 4n].map((mask) => at('xsavec', mask))).toEqual([data - 64n, data - 64n, data - 40n, 0n]);
  });

  test('XRSTOR of the compacted format asks for them where they are only initialised', () => {
    // The area begins in a page that is not there, and its header is in that of the code.
    const page = codePage('low'), gpr = Array.from({ length: 16 }, () => 0n);
    const at = (mask: number): bigint => {
      const text = `jmp start\n align 64\n resb 384\n dq 0, 0x8000000000000007, 0, 0, 0, 0, 0, 0\n start: mov eax, ${mask}\n xrstor64 [${page - 64n}]`;
      const { bytes } = assemble(text, { mode: 64, origin: page });
      return new Model(sapphireRapids, IMAGE).run({ mode: 64, place: 'low', code: bytes, at: page, ip: page, gpr, rflags: 0x202, pieces: [] }).cr2;
    };
    expect([1, 2, 3, 4].map(at)).toEqual([page - 64n, page - 40n, page - 64n, 0n]);
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
  const inUse = (text: string, given: Pick<RunRecord, 'mode' | 'extended'> & Partial<Pick<RunRecord, 'pieces'>>): number => {
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

  test('a load of AVX state takes SSE state out of use that only registers 8 to 15 had in use, where they hold nothing', () => {
    const zeros: RunRecord['pieces'] = [{ offset: 0, bytes: saveImage({ xstateBv: 4n }) }];
    const after = (write: string): number => inUse(`${write}\n mov eax, 4\n mov edx, 0\n xrstor64 [rbx]`, { mode: 64, extended: [], pieces: zeros });
    expect(['nop', 'paddd xmm12, xmm3', 'paddd xmm2, xmm3', 'pcmpeqb xmm12, xmm12'].map(after)).toEqual([4, 4, 6, 6]);
  });

  test('FNENI, FNDISI and FNSETPM do not bring x87 state into use, as FNOP does', () => {
    expect(['db 0xdb, 0xe0', 'db 0xdb, 0xe1', 'db 0xdb, 0xe4', 'fnop'].map((text) => inUse(text, { mode: 64, extended: [] }))).toEqual([0, 0, 0, 1]);
  });
});

/** Every hole of the opcode maps was tried before the end of a page: the lengths are those of isa/holes.ts. */
