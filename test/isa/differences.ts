/**
 * Where this project and iced-x86 differ on purpose: what, who is right, and why.
 *
 * Three more are built into what the two are asked: ES, CS, SS and DS prefixes in 64-bit mode are ignored (SDM vol. 1,
 * 3.3.7), while iced keeps them so that the bytes can be encoded again (`theirSegment` in iced.ts); the size of a
 * memory operand that our table leaves to the instruction (LEA, XSAVE) is not compared; near branches with 66 in
 * 64-bit mode are Intel's, which ignore it, not AMD's, which are 16 bits wide.
 */

import type { Mode } from '../../spec/src/isa/instruction.ts';

export interface Difference {
  readonly name: string;
  readonly right: 'ours' | 'theirs' | 'both';
  readonly why: string;
  /** Both sides' lines (see iced.ts) are brought to common words before they are compared. */
  readonly ours: (line: string) => string;
  readonly theirs: (line: string) => string;
  /** Bytes on which the two differ, in 64-bit mode unless another one is named. */
  readonly example: readonly number[];
  readonly mode?: Mode;
}

const same = (line: string): string => line;

export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'MOV to a segment register, LLDT, LTR, LMSW, VERR and VERW name their source as 16 bits',
    right: 'both',
    why: 'The SDM lists r/m16 and only 16 bits are used (vol. 2, MOV, LLDT, LTR, LMSW, VERR); iced names the register by operand size.',
    ours: same,
    theirs: (line) => line.replace(/( 8E: ..,|lldt .*:|ltr .*:|lmsw .*:|ver[rw] .*:) (?:[er]([a-z]{2})|(r\d+)d?)$/, (_, start, plain, numbered) =>
      `${start} ${plain ?? `${numbered}w`}`),
    example: [0x8e, 0xd8],
  },
  {
    name: 'ARPL names both operands as 16 bits',
    right: 'both',
    why: 'The SDM lists r/m16, r16 (vol. 2A, ARPL); iced names the registers by operand size.',
    ours: same,
    theirs: (line) => (line.includes(' arpl ') ? line.replace(/([:,]) e([a-z]{2})\b/g, '$1 $2') : line),
    example: [0x63, 0xc8],
    mode: 32,
  },
  {
    name: 'FLDENV, FNSTENV, FRSTOR and FNSAVE have an operand size of 64 with REX.W',
    right: 'both',
    why: 'REX.W leaves the 32-bit image in place (vol. 1, 8.1.10); the decoded size is kept, iced gives the image’s.',
    ours: (line) => line.replace(/o64 (D[9D] \/[46]:)/, 'o32 $1'),
    theirs: same,
    example: [0x48, 0xd9, 0x20],
  },
  {
    name: 'IN, OUT, INS and OUTS have an operand size of 64 with REX.W',
    right: 'both',
    why: 'There is no access of 64 bits: REX.W leaves it at 32 (vol. 2A, IN). The decoded size is kept, iced gives the access.',
    ours: (line) => line.replace(/o64 ((?:E[57DF]|6[DF]):)/, 'o32 $1'),
    theirs: same,
    example: [0x48, 0xed],
  },
  {
    name: 'what is left of 0F 18, 0F 1C and 0F 1F is a no-operation with one operand',
    right: 'both',
    why: 'ModRM.reg is part of the opcode there (vol. 2D, table A-6, group 16, CLDEMOTE, NOP); iced names a register for it. PREFETCHIT0 and '
      + 'PREFETCHIT1 (CPUID 7.1 EDX[14]) are hints of processors that no profile is of.',
    ours: (line) => line.replace(/hintnop\d+(?: o\d\d)? 0F 1[8CF] \/\d: (.*?)(?:(\/\d\d) \d+)?$/, 'hint $1$2'),
    theirs: (line) => line.replace(/(?:reserved)?nop o\d\d 0F 1[8CF]: (.*?)(?:(\/\d\d) \d+)?, \w+$/, 'hint $1$2')
      .replace(/prefetchit[01] 0F 18 \/[67]: (.*\/\d\d) 8$/, 'hint $1'),
    example: [0x0f, 0x18, 0x30],
  },
  {
    name: 'C0, C1 and D0 to D3 with digit 6 are SHL',
    right: 'both',
    why: 'Two names of one instruction; iced calls this encoding SAL and that of digit 4 SHL.',
    ours: (line) => line.replace(/ shl (o\d\d )?(C0|C1|D[0-3]) \/6:/, ' sal $1$2 /6:'),
    theirs: same,
    example: [0xd0, 0xf0],
  },
  {
    name: 'F3 before XCHG R8, rAX',
    right: 'ours',
    why: 'REX.B makes 90 an exchange whatever the prefix: seen on an AMD processor; QEMU and LLVM agree. '
      + 'iced, like XED and binutils, reads PAUSE.',
    ours: (line) => line.replace(/ xchg 90\+r: r8[dw]?, [er]?ax$/, ' pause F3 90: '),
    theirs: same,
    example: [0xf3, 0x49, 0x90],
  },
];
