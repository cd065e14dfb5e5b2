/**
 * What RFLAGS becomes when it is loaded from an address: for every place where a linker may put a function, by
 * executing the instructions that load it.
 */

import { assemble } from '../asm/assemble.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import { requireKnown } from '../machine/options.ts';
import { Machine } from '../machine/machine.ts';
import { hex, u } from '../numbers/bits.ts';
import { CS, OFFSET, R11, RCX, RSP, SS } from '../state/fields.ts';
import { FLAT, flatSegment } from '../state/state.ts';

export interface LinkAddressOptions {
  cpu: CpuProfile;
  /** The first address, and the first one beyond. */
  from: bigint;
  to: bigint;
  /** From one address to the next. Default 16: functions are aligned so. */
  step?: bigint;
  /**
   * How it is loaded: by SYSRET or IRETQ as Xen's iret hypercall leads to them, with IOPL and VM cleared and IF set; or
   * by POPFQ at CPL 3. Default: `SYSRET`.
   */
  by?: LinkAddressLoad;
}

export type LinkAddressLoad = 'SYSRET' | 'IRETQ' | 'POPFQ';

/** One flag. */
export interface LinkFlag {
  readonly name: string;
  readonly bit: number;
  /** Where it becomes 1: from the first address up to, not including, the second one. */
  readonly ranges: readonly { readonly from: bigint; readonly to: bigint }[];
}

/** Flags by bit; IOPL as its two bits. SDM vol. 1, figure 3-8. */
const BITS: readonly (readonly [string, number])[] = [
  ['CF', 0], ['PF', 2], ['AF', 4], ['ZF', 6], ['SF', 7], ['TF', 8], ['IF', 9], ['DF', 10], ['OF', 11], ['IOPL[0]', 12],
  ['IOPL[1]', 13], ['NT', 14], ['RF', 16], ['VM', 17], ['AC', 18], ['VIF', 19], ['VIP', 20], ['ID', 21],
];

const CODE = 0x1000n, STACK = 0x9000n, GDT = 0xa000n;
const CODE_3 = 0x0b, DATA_3 = 0x13;
/** What `do_iret` makes of the flags in the guest's context. */
const MASKED = 'and r11, -0x23001\n or r11, 0x200';
const LOADS: Readonly<Record<LinkAddressLoad, string>> = {
  SYSRET: `${MASKED}\n sysretq`,
  IRETQ: `${MASKED}\n push ${DATA_3}\n push rsp\n push r11\n push ${CODE_3}\n push rcx\n iretq`,
  POPFQ: 'push r11\n popfq',
};
const MAXIMUM_ADDRESSES = 1 << 20;

/** The flags that are 1 anywhere, and where. */
export function flagsByLinkAddress(options: LinkAddressOptions): LinkFlag[] {
  requireKnown('flagsByLinkAddress', options, ['cpu', 'from', 'to', 'step', 'by']);
  const { cpu, from, to, step = 16n, by = 'SYSRET' } = options;
  if (to <= from || step <= 0n || (to - from) / step > MAXIMUM_ADDRESSES) {
    throw new RangeError(
      `flagsByLinkAddress: from, to and step are ${hex(from)}, ${hex(to)} and ${step}; they have to be 1 to `
        + `${MAXIMUM_ADDRESSES} addresses upwards`,
    );
  }
  const load = loader(cpu, by);
  const found = BITS.map(([name, bit]) => ({ name, bit, ranges: [] as { from: bigint; to: bigint }[] }));
  for (let address = from; address < to; address += step) {
    const rflags = load(address);
    for (const { bit, ranges } of found) {
      if (!((rflags >>> bit) & 1)) continue;
      const last = ranges.at(-1);
      if (last?.to === address) last.to = u(64, address + step);
      else ranges.push({ from: address, to: u(64, address + step) });
    }
  }
  return found.filter(({ ranges }) => ranges.length > 0);
}

/** RFLAGS after the load of an address, executed. */
function loader(cpu: CpuProfile, by: LinkAddressLoad): (address: bigint) => number {
  const program = assemble(LOADS[by], { mode: 64, origin: CODE });
  const machine = new Machine(program, { cpu });
  const { state, memory } = machine;
  memory.map(STACK - 0x1000n, 0x1000);
  memory.map(GDT, 0x1000);
  memory.write(GDT + BigInt(CODE_3 & ~7), 8, 0x00af_fb00_0000_ffffn);
  memory.write(GDT + BigInt(DATA_3 & ~7), 8, 0x00cf_f300_0000_ffffn);
  state.setQuad(OFFSET.gdtrBase, GDT);
  state.setWord(OFFSET.gdtrLimit, 0x17);
  state.gpr[RSP] = STACK;
  state.gpr[RCX] = CODE;
  if (by === 'POPFQ') {
    state.setSegment(CS, flatSegment(0x33, FLAT.code64 | 0x60));
    state.setSegment(SS, flatSegment(0x2b, FLAT.data3));
  }
  const start = state.snapshot();
  const instructions = program.listing.length;
  return (address) => {
    state.restore(start);
    state.gpr[R11] = address;
    for (let n = 0; n < instructions; n++) machine.step();
    return state.rflags;
  };
}
