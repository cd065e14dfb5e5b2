/**
 * Encodings that exist and that the table of instructions lacks. To decode one is `Unmodelled`, and says what it is;
 * what is neither there nor here is a hole of the opcode map: #UD.
 *
 * A line is `opcodes | prefixes | ModRM`, each of which may be left out: `0F 71-72 | NP 66 | r/2 r/4 r/6`, with `VEX`
 * in front where there is such a prefix, whatever its W and L. `m` and `r` are ModRM bytes of memory and of registers,
 * `/4` those with that digit, two hexadecimal digits are one whole byte.
 */

import type { CpuProfile } from '../cpus/profile.ts';
import { type Citation, apm, laterSdm, measured, sdm } from '../state/citation.ts';

export interface Beyond {
  /** What is missing, as a message names it. */
  readonly what: string;
  readonly encodings: readonly string[];
  /** Only in 64-bit mode. */
  readonly only64?: true;
  /** Only this vendor's processors have it; to the other's the encoding is a hole. */
  readonly vendor?: CpuProfile['vendor'];
  readonly source: Citation;
}

export const BEYOND: readonly Beyond[] = [
  { what: 'an instruction with an EVEX prefix, of AVX-512', encodings: ['62'], source: sdm('2A', '2.6') },
  {
    what: 'an instruction on opmask registers, of AVX-512',
    encodings: [
      'VEX 0F 41-42 44-47 4A 98-99 | NP 66 | r', 'VEX 0F 4B | NP 66 | r', 'VEX 0F 90 | NP 66', 'VEX 0F 91 | NP 66 | m',
      'VEX 0F 92-93 | NP 66 F2 | r', 'VEX 0F3A 30-33 | 66 | r',
    ],
    source: sdm('2D', 'A.3, tables A-3 to A-5'),
  },
  {
    what: 'an instruction of AVX-VNNI', encodings: ['VEX 0F38 50-53 | 66'], source: laterSdm('2C', '5.3, VPDPBUSD'),
  },
  {
    what: 'an instruction of AMX', only64: true,
    encodings: [
      'VEX 0F38 49 | NP | m/0 C0', 'VEX 0F38 49 | 66 | m/0', 'VEX 0F38 49 | F2 | r', 'VEX 0F38 4B | 66 F3 F2 | m',
      'VEX 0F38 5C | F3 | r', 'VEX 0F38 5E | NP 66 F3 F2 | r',
    ],
    source: laterSdm('2A', '3.2, LDTILECFG; 2B, 4.3, TDPBF16PS'),
  },
  { what: 'a 3DNow! instruction', vendor: 'AuthenticAMD', encodings: ['0F 0E-0F'], source: apm('3', 'A.1.2') },
  {
    what: 'an instruction of VMX',
    encodings: [
      '0F 01 | NP | C1 C2 C3 C4 D4', '0F 78-79 | NP', '0F C7 | NP | m/6 m/7', '0F C7 | 66 F3 | m/6',
      '0F38 80-81 | 66 | m',
    ],
    source: sdm('3C', '30.3'),
  },
  {
    what: 'an instruction of SVM', vendor: 'AuthenticAMD', encodings: ['0F 01 | | D8 D9 DA DB DC DD DE DF'],
    source: apm('2', '15'),
  },
  { what: 'GETSEC', encodings: ['0F 37 | NP'], source: sdm('2D', '6.3') },
  { what: 'an instruction of SGX', encodings: ['0F 01 | NP | C0 CF D7'], source: sdm('3D', '40') },
  {
    what: 'an instruction of transactional memory',
    encodings: ['C6-C7 | | F8', '0F 01 | NP | D5 D6', '0F 01 | F2 | E8 E9'], source: sdm('2C', '5.3, XBEGIN and XEND'),
  },
  {
    what: 'an instruction of shadow stacks',
    encodings: ['0F 01 | F3 | m/5 E8 EA', '0F AE | F3 | r/5 m/6', '0F38 F5 | 66 | m', '0F38 F6 | NP | m'],
    source: laterSdm('1', '18'),
  },
  {
    what: 'UMONITOR, UMWAIT or TPAUSE', encodings: ['0F AE | 66 F3 F2 | r/6'],
    source: laterSdm('2B', '4.3, UMONITOR, UMWAIT and TPAUSE'),
  },
  { what: 'MOVDIR64B', encodings: ['0F38 F8 | 66 | m'], source: laterSdm('2B', '4.3, MOVDIR64B') },
  {
    what: 'a reserved no-operation', encodings: ['0F 1C | 66 F3 F2 | m/0'], source: sdm('2D', 'A.3, table A-3'),
  },
  { what: 'PTWRITE', encodings: ['0F AE | F3 | /4'], source: laterSdm('2B', '4.3, PTWRITE') },
  {
    what: 'a no-operation of Intel’s processors that no manual has', vendor: 'GenuineIntel', encodings: ['0F 0D | | r'],
    source: measured(
      'an EPYC of the Zen 4 generation (family 19h, model 11h) and a Sapphire Rapids class Xeon', '2026-11',
      '0F 0D with a register is #UD on the first; on the second it leaves everything as it was',
    ),
  },
  { what: 'PCONFIG', encodings: ['0F 01 | NP | C5'], source: laterSdm('2B', '4.3, PCONFIG') },
  { what: 'ENQCMD or ENQCMDS', encodings: ['0F38 F8 | F3 F2 | m'], source: laterSdm('2A', '3.2, ENQCMD') },
  {
    what: 'an instruction of user interrupts', encodings: ['0F 01 | F3 | EC ED EE EF', '0F C7 | F3 | r/6'],
    only64: true,
    source: laterSdm('2B', '4.3, SENDUIPI'),
  },
  { what: 'TDCALL', encodings: ['0F 01 | 66 | CC'], source: laterSdm('2B', '4.3, TDCALL') },
  {
    what: 'SEAMCALL or its kind', encodings: ['0F 01 | 66 | CD CE CF'], only64: true,
    source: laterSdm('2B', '4.3, SEAMCALL'),
  },
  {
    what: 'RDPRU, MCOMMIT, INVLPGB, TLBSYNC or PVALIDATE', vendor: 'AuthenticAMD',
    encodings: ['0F 01 | NP | FD FE FF', '0F 01 | F3 | FA', '0F 01 | F2 | FF'],
    source: apm('3', '4'),
  },
  {
    what: 'RMPUPDATE, RMPADJUST or PSMASH', vendor: 'AuthenticAMD',
    encodings: ['0F 01 | F3 | FE FF', '0F 01 | F2 | FE'], only64: true,
    source: apm('3', '4'),
  },
];

/** What is left of the maps, those of EVEX aside. */
export const HOLES: readonly Citation[] = [
  sdm('2D', 'A.1'),
  measured(
    'an EPYC of the Zen 4 generation (family 19h, model 11h)', '2026-11',
    'all 600,001 encodings of one, two and three opcode bytes '
      + 'with each ModRM byte and each of no prefix, 66, F3 and F2 that iced-x86 calls invalid in 64-bit mode, or of '
      + 'other processors, raise #UD, but CLZERO after 66, F3 or F2',
  ),
];
