/** Paging: rights, error codes, CR2, accessed and dirty bits, in the formats of 32-bit and PAE paging. */

import { BROADWELL, IVY_BRIDGE, type Processor, bochsCase } from '../case.ts';
import { type Attempt, FLAT, PROTECTED, attempts, gate, gdt, loadTask, recordRange, recorder, system, tss32 } from './parts.ts';

/** Structures: directory at 40000h, tables behind it; the page that is tried is linear 400000h, physical 50000h. */
const DIRECTORY = 0x4_0000, LOW = 0x4_1000, HIGH = 0x4_2000, POINTERS = 0x4_3000, PAGE = 0x5_0000, LINEAR = 0x40_0000;
const [PRESENT, WRITABLE, USER, ACCESSED, DIRTY, LARGE] = [1, 2, 4, 0x20, 0x40, 0x80] as const;
const WP = 0x1_0000, PAE = 0x20, PSE = 0x10, SMEP = 0x10_0000, SMAP = 0x20_0000, NXE = 0x800, AC = 0x4_0000;

type Format = '32-bit' | 'PAE';
const size = (format: Format): number => (format === 'PAE' ? 8 : 4);
/** The entry for the page, or for its table. */
const writeEntry = (format: Format, at: number, low: number, nx = false): string =>
  `mov dword ptr [${at}], ${low}${format === 'PAE' ? `\n mov dword ptr [${at + 4}], ${nx ? 0x8000_0000 : 0}` : ''}`;
const directoryEntry = (format: Format): number => (format === 'PAE' ? DIRECTORY + 2 * 8 : DIRECTORY + 4);

/** Identity for the first 4 MiB, everything allowed, or with SMEP or SMAP for supervisors only; CR3, and paging on. */
const enable = (format: Format, cr4 = 0, low = cr4 & (SMEP | SMAP) ? 3 : 7): string => `
        mov    edi, ${LOW}
        mov    eax, ${low}
        mov    ecx, ${format === 'PAE' ? 512 : 1024}
fill:   mov    [edi], eax
        add    eax, 0x1000
        add    edi, ${size(format)}
        loop   fill
        mov    byte ptr [${PAGE}], 0xc3
${format === 'PAE' ? `
        mov    dword ptr [${POINTERS}], ${DIRECTORY + 1}
        mov    dword ptr [${DIRECTORY}], ${LOW + low}
        mov    dword ptr [${DIRECTORY + 8}], ${0x20_00e0 + low}
        mov    eax, ${POINTERS}` : `
        mov    dword ptr [${DIRECTORY}], ${LOW + low}
        mov    eax, ${DIRECTORY}`}
        mov    cr3, eax
        mov    eax, ${(format === 'PAE' ? PAE : 0) | cr4}
        mov    cr4, eax
${format === 'PAE' ? `
        mov    ecx, 0xc0000080
        mov    eax, ${NXE}
        mov    edx, 0
        wrmsr` : ''}
        mov    eax, cr0
        or     eax, 0x80000000
        mov    cr0, eax
`;

const ACCESSES: Readonly<Record<string, string>> = {
  read: `mov ecx, [${LINEAR}]`, write: `mov dword ptr [${LINEAR}], 0xc3`, execute: `mov ecx, ${LINEAR}\n call ecx`,
};

const rights = (flags: number): string => `${flags & WRITABLE ? 'W' : '-'}${flags & USER ? 'U' : '-'}${flags & PRESENT ? 'P' : '-'}`;
const cr0 = (wp: boolean): string => `mov eax, cr0\n ${wp ? `or eax, ${WP}` : `and eax, ${0xffff_ffff - WP}`}\n mov cr0, eax`;

/** Rights of the page with everything allowed by its table, then rights of the table with everything allowed by the page. */
function combinations(format: Format, { bare = [false, true], nx = [false] as boolean[], levels = [0, 3], flags = 2 } = {}): readonly Attempt[] {
  const entries = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((low) => nx.flatMap((no) => [
    { name: `page ${rights(low)}${no ? ' NX' : ''}`, low, table: 7, no, tableNo: false }, { name: `table ${rights(low)}${no ? ' NX' : ''}`, low: 7, table: low, no: false, tableNo: no },
  ]));
  return entries.flatMap(({ name, low, table, no, tableNo }) => Object.entries(ACCESSES).flatMap(([access, code]) => levels.flatMap((level) => bare.map((wp) => ({
    name: `${name}: ${access} at ${level}${wp ? ', WP' : ''}`,
    before: `${writeEntry(format, HIGH, PAGE | low, no)}\n ${writeEntry(format, directoryEntry(format), HIGH | table, tableNo)}\n invlpg [${LINEAR}]\n mov eax, 0\n mov cr2, eax\n ${cr0(wp)}`,
    code: `${level === 0 && flags & AC ? 'pushfd\n or dword ptr [esp], 0x40000\n popfd\n' : ''}${code}\n mov eax, 0${level === 0 ? `\n mov ebx, [${HIGH}]\n mov edx, [${directoryEntry(format)}]` : ''}`,
    ...(level === 3 ? { user: true as const, flags } : {}),
  })))));
}

/** #PF: CR2 into the record's EBX, and the page's entries afterwards into EDX and ECX of nobody. */
const handler = `
page_fault:
        mov    ebx, cr2
        push   14
        jmp    record
`;

function pagingCase(name: string, title: string, format: Format, list: readonly Attempt[], cr4 = 0, processor: Processor = IVY_BRIDGE) {
  return bochsCase({
    name, title, processor,
    memory: { records: recordRange(list), pageEntry: { at: HIGH, bytes: 8 }, directoryEntry: { at: directoryEntry(format), bytes: 8 } },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('taskSegment')}
        mov    esp, 0x38000
${enable(format, cr4)}
        point paging on
${attempts(list)}
        point after
        finish
${handler}
${tss32('tss')}
${recorder(list.length, { 14: gate('code32', 'page_fault', 0x8e) })}
${gdt({ ...FLAT, taskSegment: system('tss', 0x67, 0x89) })}`,
  });
}

/** Accessed and dirty bits: what each access leaves in both entries. */
const marks: readonly Attempt[] = [0, ACCESSED, DIRTY, ACCESSED | DIRTY].flatMap((before) => Object.entries(ACCESSES).map(([access, code]) => ({
  name: `${access} with ${before.toString(16)} set`,
  before: `${writeEntry('32-bit', HIGH, PAGE | 7 | before)}\n ${writeEntry('32-bit', DIRECTORY + 4, HIGH | 7)}\n invlpg [${LINEAR}]`,
  code: `${code}\n mov ebx, [${HIGH}]\n mov edx, [${DIRECTORY + 4}]\n mov ecx, 0\n mov eax, 0`,
})));
const large: readonly Attempt[] = [['4 MiB', LARGE | 7], ['4 MiB, read-only', LARGE | 5], ['4 MiB, PAT', LARGE | 0x1007], ['4 MiB, reserved bit 21', LARGE | 0x20_0007]].flatMap(([name, entry]) =>
  Object.entries(ACCESSES).map(([access, code]) => ({
    name: `${name}: ${access}`,
    before: `mov dword ptr [${DIRECTORY + 4}], ${entry}\n mov byte ptr [0], 0xc3\n invlpg [${LINEAR}]\n ${cr0(true)}`,
    code: `${code}\n mov edx, [${DIRECTORY + 4}]\n mov ecx, 0\n mov eax, 0`,
  })));
const reserved: readonly Attempt[] = [
  ['page, bit 62', HIGH, `mov dword ptr [${HIGH}], ${PAGE | 7}\n mov dword ptr [${HIGH + 4}], 0x40000000`], ['page, bit 51', HIGH, `mov dword ptr [${HIGH}], ${PAGE | 7}\n mov dword ptr [${HIGH + 4}], 0x80000`],
  ['absent page, bit 51', HIGH, `mov dword ptr [${HIGH}], ${PAGE | 6}\n mov dword ptr [${HIGH + 4}], 0x80000`],
].flatMap(([name, , setup]) => Object.entries(ACCESSES).map(([access, code]) => ({
  name: `${name}: ${access}`, before: `${writeEntry('PAE', directoryEntry('PAE'), HIGH | 7)}\n ${setup}\n invlpg [${LINEAR}]`, code: `${code}\n mov ecx, 0\n mov eax, 0`,
})));
const loads: readonly Attempt[] = [
  ['reserved bits in a pointer', `mov dword ptr [${POINTERS + 8}], 0x7`], ['an absent pointer with reserved bits', `mov dword ptr [${POINTERS + 8}], 0x6`], ['bit 63', `mov dword ptr [${POINTERS + 12}], 0x80000000\n mov dword ptr [${POINTERS + 8}], 1`],
].map(([name, setup]) => ({
  name: `MOV to CR3, ${name}`, before: `mov dword ptr [${POINTERS + 8}], 0\n mov dword ptr [${POINTERS + 12}], 0\n ${setup}`, code: `mov eax, cr3\n mov cr3, eax\n mov eax, 0`,
}));

export const PAGING_CASES = [
  pagingCase('paging-32', '32-bit paging: P, R/W and U/S of both entries, each access, CPL 0 and 3, WP', '32-bit', combinations('32-bit')),
  pagingCase('paging-smep', '32-bit paging with SMEP', '32-bit', combinations('32-bit', { bare: [true], levels: [0] }), SMEP),
  pagingCase('paging-nx', 'PAE paging with NX', 'PAE', combinations('PAE', { nx: [true], bare: [true] })),
  pagingCase('paging-nx-smep', 'PAE paging with NX and SMEP', 'PAE', combinations('PAE', { nx: [false, true], bare: [false], levels: [0] }), SMEP),
  pagingCase('paging-smap', '32-bit paging with SMAP', '32-bit', combinations('32-bit', { levels: [0] }), SMAP, BROADWELL),
  pagingCase('paging-smap-ac', '32-bit paging with SMAP and EFLAGS.AC', '32-bit', combinations('32-bit', { flags: AC | 2, bare: [true], levels: [0] }), SMAP | SMEP, BROADWELL),
  pagingCase('paging-marks', 'accessed and dirty bits that each access sets', '32-bit', marks),
  pagingCase('paging-large', '4 MiB pages', '32-bit', large, PSE),
  pagingCase('paging-reserved', 'reserved bits of PAE paging', 'PAE', [...reserved, ...loads]),
];
