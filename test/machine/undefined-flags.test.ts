/** Flags that the manual leaves undefined: what they were seen to become, by family of processors. They stay undefined. */

import { type CpuProfile, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { AF, CF, OF, PF, SF, STATUS, ZF } from '../../spec/src/isa/flags.ts';

interface Ran { readonly flags: number; readonly open: number }

/** The flags after, from those before. */
type Rule = (before: number) => number;
interface Row { text: string; registers?: Readonly<Record<number, bigint>>; mode?: 32 | 64; open: number; zen: Rule; skylake: Rule; sapphireRapids?: Rule }

/** Status flags after one instruction that began with those of `before`. */
function run({ text, registers = {}, mode = 64 }: Row, cpu: CpuProfile, before: number): Ran {
  const machine = new Machine({ mode, origin: 0x1000n, bytes: assemble(text, { mode }).bytes }, { cpu });
  const { state } = machine;
  for (const [index, value] of Object.entries(registers)) state.gpr[Number(index)] = value;
  state.rflags = 2 | before;
  machine.run({ limit: 1 });
  return { flags: state.rflags & STATUS, open: state.undefinedFlags };
}

const same: Rule = (before) => before;
const clear: Rule = () => 0;
const carryToOverflow: Rule = (before) => (before & CF ? OF : 0);

/** Zen and Sapphire Rapids, where it is no Skylake: measured. Skylake: as VirtualBox's comments on a Core i7-6700K and an i9-10980XE say. `open` alone counts. */
const ROWS: readonly Row[] = [
  { text: 'and eax, ebx', open: AF, zen: clear, skylake: clear },
  { text: 'shl al, 1', registers: { 0: 0x40n }, open: AF, zen: () => AF, skylake: clear },
  // The first of the four shifts changes the sign bit, the last does not.
  { text: 'shl al, 4', registers: { 0: 0x41n }, open: AF | OF, zen: () => AF, skylake: () => OF },
  { text: 'shl al, 9', registers: { 0: 0xffn }, open: AF | OF | CF, zen: () => AF, skylake: clear },
  { text: 'shr al, 2', registers: { 0: 0x80n }, open: AF | OF, zen: () => AF, skylake: () => OF },
  { text: 'sar al, 2', registers: { 0: 0x80n }, open: AF | OF, zen: () => AF, skylake: clear },
  { text: 'rol al, 2', registers: { 0: 0x80n }, open: OF, zen: clear, skylake: () => OF, sapphireRapids: same },
  { text: 'ror al, 2', registers: { 0: 0x02n }, open: OF, zen: () => OF, skylake: clear, sapphireRapids: same },
  { text: 'rcl al, 9', registers: { 0: 0x80n }, open: OF, zen: (before) => (before & CF ? 0 : OF), skylake: same },
  { text: 'rcr al, 2', registers: { 0: 0n }, open: OF, zen: carryToOverflow, skylake: carryToOverflow },
  { text: 'shld eax, ebx, 2', registers: { 0: 0x4000_0000n }, open: AF | OF, zen: () => AF | OF, skylake: () => OF },
  // By more than 16, the result is that of the bits of the second operand that follow; of the first nothing is left.
  { text: 'shld ax, bx, 17', registers: { 3: 0x8000n }, open: STATUS, zen: () => AF, skylake: () => CF | ZF | PF },
  { text: 'shrd eax, ebx, 2', registers: { 3: 1n }, open: AF | OF, zen: () => AF | OF, skylake: () => OF },
  { text: 'mul bl', registers: { 0: 0x10n, 3: 8n }, open: SF | ZF | AF | PF, zen: same, skylake: () => SF },
  { text: 'mul bl', registers: { 0: 0x10n, 3: 0x10n }, open: SF | ZF | AF | PF, zen: same, skylake: () => PF },
  { text: 'div bl', registers: { 0: 9n, 3: 2n }, open: STATUS, zen: (before) => (before & (CF | OF)) | AF, skylake: same },
  { text: 'bt eax, 3', open: OF | SF | AF | PF, zen: same, skylake: same },
  { text: 'bsf eax, ebx', registers: { 3: 8n }, open: CF | OF | SF | AF | PF, zen: () => PF, skylake: () => PF },
  { text: 'bsr eax, ebx', registers: { 3: 2n }, open: CF | OF | SF | AF | PF, zen: clear, skylake: clear },
  { text: 'bsr eax, ebx', open: CF | OF | SF | AF | PF, zen: () => PF, skylake: () => PF },
  { text: 'lzcnt eax, ebx', open: OF | SF | AF | PF, zen: (before) => before & OF, skylake: clear },
  { text: 'tzcnt eax, ebx', registers: { 3: 8n }, open: OF | SF | AF | PF, zen: (before) => before & OF, skylake: () => PF, sapphireRapids: clear },
  { text: 'blsr eax, ebx', registers: { 3: 7n }, open: AF | PF, zen: () => PF, skylake: clear },
  { text: 'bextr eax, ebx, ecx', open: AF | SF | PF, zen: () => AF | PF, skylake: same, sapphireRapids: clear },
  // 76h + 1 * 10: OF and AF of the sum.
  { text: 'aad', mode: 32, registers: { 0: 0x176n }, open: OF | AF | CF, zen: () => OF | AF, skylake: () => OF | AF },
  { text: 'aam', mode: 32, registers: { 0: 0x7fn }, open: OF | AF | CF, zen: clear, skylake: clear },
  // AX + 106h before its upper nibble goes.
  { text: 'aaa', mode: 32, registers: { 0: 0x7fffn }, open: OF | SF | ZF | PF, zen: () => OF | SF | PF, skylake: same, sapphireRapids: () => PF },
  { text: 'aas', mode: 32, registers: { 0: 0x800fn }, open: OF | SF | ZF | PF, zen: () => OF | PF, skylake: same, sapphireRapids: () => PF },
  { text: 'daa', mode: 32, registers: { 0: 0x7an }, open: OF, zen: () => OF, skylake: same, sapphireRapids: clear },
  { text: 'das', mode: 32, registers: { 0: 0x9an }, open: OF, zen: () => OF, skylake: same, sapphireRapids: clear },
];

describe.each(ROWS)('$text', (row) => {
  const { text, open, zen, skylake, sapphireRapids = skylake } = row;
  const profiles: [CpuProfile, Rule][] = [
    [cpus.zen4, zen], [cpus.zen3, zen], [cpus.haswell, skylake], [cpus.sapphireRapids, sapphireRapids], [cpus.amdK10, same],
  ];
  const known = profiles.filter(([{ features }]) => features.has('BMI1') || !/lzcnt|tzcnt|bls|bextr/.test(text));
  test.each(known)('$name', (cpu, expected) => {
    for (const before of [0, STATUS, AF | OF, CF | SF, PF | ZF]) {
      // DAA and DAS decide by AF and CF: of a number whose digits need correction anyway, and not twice.
      if (/^d?a[as]/.test(text) && before & (AF | CF)) continue;
      const ran = run(row, cpu, before);
      expect(ran.open, 'flags called undefined').toBe(open);
      expect(ran.flags & open, `of ${before.toString(16)}h`).toBe(expected(before) & open);
    }
  });
});
