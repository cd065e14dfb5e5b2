/** CET state: the MSRs, IA32_XSS, XSAVES and XRSTORS. Of the supervisor components Bochs has these two. */

import { type MemoryRange, TIGER_LAKE, bochsCase } from '../case.ts';
import { type Attempt, FLAT, PROTECTED, attempts, gdt, recordRange, recorder } from './parts.ts';

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
const pair = (value: bigint): string => `mov eax, ${hex(value & 0xffff_ffffn)}\n mov edx, ${hex(value >> 32n)}`;
const write = (msr: number, value: bigint): string => `mov ecx, ${hex(msr)}\n ${pair(value)}\n wrmsr`;
const read = (msr: number): string => `mov ecx, ${hex(msr)}\n rdmsr`;

const IA32_XSS = 0xda0, U_CET = 0x6a0, S_CET = 0x6a2, PL0_SSP = 0x6a4, PL2_SSP = 0x6a6, PL3_SSP = 0x6a7, TABLE = 0x6a8;
const NOT_CANONICAL = [0x0000_8000_0000_0000n, 0xffff_0000_0000_1000n];
const CANONICAL = [0n, 0x7fff_ffff_f000n, 0xffff_8000_0000_0000n];
const single = (positions: readonly number[]): bigint[] => positions.map((position) => 1n << BigInt(position));

const values: readonly (readonly [name: string, msr: number, values: readonly bigint[]])[] = [
  ...([['IA32_U_CET', U_CET], ['IA32_S_CET', S_CET]] as const).map(([name, msr]) =>
    [name, msr, [...single(Array.from({ length: 13 }, (_, position) => position)), 0xc00n, 0xc3fn, 0x43fn, ...CANONICAL, ...NOT_CANONICAL]] as const),
  ...[PL0_SSP, PL0_SSP + 1, PL2_SSP, PL3_SSP].map((msr) => [`IA32_PL${msr - PL0_SSP}_SSP`, msr, [...single([0, 1, 2, 3]), ...CANONICAL, ...NOT_CANONICAL]] as const),
  ['IA32_INTERRUPT_SSP_TABLE_ADDR', TABLE, [8n, ...CANONICAL, ...NOT_CANONICAL]],
  ['IA32_XSS', IA32_XSS, [0n, ...single(Array.from({ length: 20 }, (_, position) => position)), 0x1800n]],
];
const msrs: Attempt[] = values.flatMap(([name, msr, list]) =>
  list.map((value) => ({ name: `${name} = ${hex(value)}`, code: `${write(msr, value)}\n ${read(msr)}` })));

/** Two areas far from the text; the header and the first bytes behind it are compared. */
const AREA = 0x5_0000, HEADER = AREA + 512, STATE = AREA + 576;
const area = (at: number, bytes: number): MemoryRange => ({ at, bytes });
const quad = (at: number, value: bigint): string => `mov dword ptr [${hex(at)}], ${hex(value & 0xffff_ffffn)}\n mov dword ptr [${hex(at + 4)}], ${hex(value >> 32n)}`;
/** An area in the compacted format with these quadwords behind its header. */
const image = (xstateBv: bigint, xcompBv: bigint, quads: readonly bigint[]): string =>
  [quad(HEADER, xstateBv), quad(HEADER + 8, xcompBv), ...quads.map((value, n) => quad(STATE + 8 * n, value))].join('\n');

const COMPACTED = 1n << 63n, CET_U = 0x800n, CET_S = 0x1000n;
const XSAVES = `xsaves [${hex(AREA)}]`, XRSTORS = `xrstors [${hex(AREA)}]`;
const restore = (mask: bigint): string => `${pair(mask)}\n ${XRSTORS}`;

const BOTH = CET_U | CET_S;
const good = [0x0000_1234_5678_9003n, 0x7fff_ffff_f004n, 0x1000n, 0x2004n, 0xffff_8000_0000_0008n];
const replaced = (n: number, value: bigint): bigint[] => good.map((each, place) => (place === n ? value : each));
const broken = (name: string, xstateBv: bigint, xcompBv: bigint, quads: readonly bigint[], mask = BOTH): Attempt =>
  ({ name, before: image(xstateBv, xcompBv, quads), code: `${restore(mask)}\n ${read(U_CET)}` });

const restores: Attempt[] = [
  broken('both', BOTH, COMPACTED | BOTH, good),
  broken('both initial', 0n, COMPACTED | BOTH, good), broken('CET_U alone in the image', CET_U, COMPACTED | CET_U, good),
  broken('initial although XCOMP_BV has neither', 0n, COMPACTED, good),
  broken('the mask has CET_S alone', BOTH, COMPACTED | BOTH, good, CET_S),
  broken('the mask has neither', BOTH, COMPACTED | BOTH, good, 0n),
  broken('not compacted', BOTH, 0n, good), broken('XSTATE_BV beyond XCOMP_BV', BOTH, COMPACTED | CET_S, good),
  broken('XCOMP_BV has PASID', BOTH, COMPACTED | BOTH | 0x400n, good), broken('XCOMP_BV has LBR', 0n, COMPACTED | 0x8000n, good),
  ...[0x40n, 0x80n, 0x100n, 0x200n, 0xc00n, 0x0000_8000_0000_0000n].map((value) => broken(`IA32_U_CET = ${hex(value)}`, BOTH, COMPACTED | BOTH, replaced(0, value))),
  ...[1, 2, 3, 4].flatMap((n) => [1n, 2n, 0x0000_8000_0000_0000n].map((value) => broken(`quadword ${n} = ${hex(value)}`, BOTH, COMPACTED | BOTH, replaced(n, value)))),
];

const EVERY = [U_CET, PL3_SSP, PL0_SSP, PL0_SSP + 1, PL2_SSP];
/** All five, where they can be compared. */
const show = (name: string): string => `${EVERY.map((msr, n) => `${read(msr)}\n mov [${hex(0x5_2000 + 8 * n)}], eax\n mov [${hex(0x5_2004 + 8 * n)}], edx`).join('\n')}\n point ${name}`;
const setAll = (list: readonly bigint[]): string => EVERY.map((msr, n) => write(msr, list[n]!)).join('\n');
const fill = `mov edi, ${hex(AREA)}\n mov eax, 0xa5a5a5a5\n mov ecx, 512\n cld\n rep stosd\n mov edi, ${hex(HEADER)}\n xor eax, eax\n mov ecx, 16\n rep stosd`;
const save = (mask: bigint): string => `${fill}\n ${pair(mask)}\n ${XSAVES}`;
const OTHERS = [0x20n, 0x40n, 0x80n, 0x100n, 0x200n];

const ENABLE = 'mov eax, cr4\n or eax, 0x40200\n mov cr4, eax';
const QUIET = 'xor eax, eax\n xor ecx, ecx\n xor edx, edx';

export const SUPERVISOR_CASES = [
  bochsCase({
    name: 'cet-registers', title: 'which values the MSRs of CET and IA32_XSS take', processor: TIGER_LAKE,
    memory: { records: recordRange(msrs) },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${ENABLE}
${attempts(msrs)}
        point attempts
        finish
${gdt(FLAT)}
${recorder(msrs.length)}
`,
  }),
  bochsCase({
    name: 'cet-saves', title: 'XSAVES and XRSTORS of CET state: what is in use, loaded and made initial', processor: TIGER_LAKE,
    // XSAVES of Bochs 2.7 puts components into the legacy region, from byte 160 on: its header is all that can be compared.
    memory: { header: area(HEADER, 64), registers: area(0x5_2000, 40) },
    text: `
${PROTECTED}
        ${ENABLE}
        ${write(IA32_XSS, BOTH)}
        ${save(CET_S)}
        point nothing in use
        ${setAll(good)}
        ${show('set')}
        ${[CET_S, 0n, CET_S | 0x1_e500n, BOTH].map((mask) => `${save(mask)}\n ${QUIET}\n point saved ${mask.toString(16)}`).join('\n')}
        ${write(PL0_SSP, 0n)}
        ${write(PL0_SSP + 1, 0n)}
        ${save(CET_S)}
        point IA32_PL2_SSP alone in use
        ${write(PL2_SSP, 0n)}
        ${save(CET_S)}
        point CET_S not in use
        ${setAll(OTHERS)}
        ${image(CET_S, COMPACTED | CET_S, good.slice(2))}
        ${restore(CET_S)}
        ${show('CET_S restored')}
        ${setAll(OTHERS)}
        ${image(BOTH, COMPACTED | BOTH, good)}
        ${restore(BOTH)}
        ${show('both restored')}
        ${setAll(OTHERS)}
        ${image(CET_U, COMPACTED | BOTH, good)}
        ${restore(BOTH)}
        ${show('CET_S initial')}
        ${image(0n, COMPACTED | CET_S, good)}
        ${restore(BOTH)}
        ${show('both initial')}
        ${write(IA32_XSS, CET_U)}
        ${setAll(good)}
        ${save(CET_S)}
        point without CET_S in IA32_XSS
        finish
${gdt(FLAT)}
`,
  }),
  bochsCase({
    name: 'cet-restores', title: 'what XRSTORS of CET state refuses', processor: TIGER_LAKE,
    memory: { records: recordRange(restores) },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${ENABLE}
        ${write(IA32_XSS, BOTH)}
${attempts(restores)}
        ${QUIET}
        point attempts
        finish
${gdt(FLAT)}
${recorder(restores.length)}
`,
  }),
];
