/** RFLAGS as a function of the address that a linker gives syscall_enter, executed, against the bits of the address. */

import { asm64, cpus, flagsByLinkAddress, pv } from 'hidden-state';
import { describe, expect, test } from 'vitest';

const IMAGE = 0xffff_828c_8000_0000n;
const cpu = cpus.ivyBridge;
const MEBIBYTE = 0x10_0000n;
const range = (from: bigint, to: bigint) => ({ from: IMAGE + from, to: IMAGE + to });

/** What SYSRET takes from R11 but IOPL, which the hypercall clears; IF, which it sets, is always 1. */
const TAKEN = { SYSRET: 0x3c_7fd7 & ~0x3000, IRETQ: 0x3d_7fd7 & ~0x3000, POPFQ: 0x24_4dd5 };
const ALWAYS = { SYSRET: 0x200, IRETQ: 0x200, POPFQ: 0 };
const NAMES = {
  SYSRET: ['AF', 'ZF', 'SF', 'TF', 'IF', 'DF', 'OF', 'NT', 'AC', 'VIF', 'VIP', 'ID'],
  IRETQ: ['AF', 'ZF', 'SF', 'TF', 'IF', 'DF', 'OF', 'NT', 'RF', 'AC', 'VIF', 'VIP', 'ID'],
  POPFQ: ['AF', 'ZF', 'SF', 'TF', 'DF', 'OF', 'NT', 'AC', 'ID'],
};

describe.for(['SYSRET', 'IRETQ', 'POPFQ'] as const)('by %s', (by) => {
  test('each flag is its bit of the address, for every aligned address of 2 MiB', { timeout: 300_000 }, () => {
    const from = IMAGE + MEBIBYTE, to = from + 2n * MEBIBYTE;
    const found = flagsByLinkAddress({ cpu, from, to, by });
    for (const { bit, ranges } of found) {
      const set = new Set<bigint>();
      for (const each of ranges) for (let at = each.from; at < each.to; at += 16n) set.add(at);
      let wrong = 0;
      for (let at = from; at < to; at += 16n) {
        const expected = (ALWAYS[by] >> bit) & 1 || ((TAKEN[by] >> bit) & 1 && (at >> BigInt(bit)) & 1n);
        if (Boolean(expected) !== set.has(at)) wrong++;
      }
      expect([bit, wrong]).toEqual([bit, 0]);
    }
    expect(found.map(({ name }) => name)).toEqual(NAMES[by]);
  });
});

test('AC comes in granules of 256 KiB', () => {
  const flags = flagsByLinkAddress({ cpu, from: IMAGE + MEBIBYTE, to: IMAGE + 3n * MEBIBYTE, step: 0x1_0000n });
  expect(flags.find(({ name }) => name === 'AC')!.ranges).toEqual([
    range(0x14_0000n, 0x18_0000n), range(0x1c_0000n, 0x20_0000n), range(0x24_0000n, 0x28_0000n), range(0x2c_0000n, 0x30_0000n),
  ]);
});

describe('the whole way, by SYSRET and by IRET', () => {
  const user = asm64`
        org    0x400000
        mov    eax, 39
        syscall
        nop
        mov    eax, 60
        syscall`;
  const rflagsAfter = (syscallEnter: bigint, returns: 'SYSRET' | 'IRET', profile = cpu): number => {
    const world = pv.pvWorld({ cpu: profile, trampoline: pv.indirectJump, user, kernel: { ...pv.popsRegisters, returns }, syscallEnter });
    world.finish(pv.atHandler);
    world.finish(pv.inUser);
    return world.machine.state.rflags;
  };
  const OFFSETS = [0x10_0000n, 0x14_0000n, 0x14_8400n, 0x18_4010n, 0x1c_0840n, 0x20_0080n, 0x2f_bed0n];

  test.for(OFFSETS)('offset %s', (offset) => {
    for (const profile of [cpus.ivyBridge, cpus.zen3]) {
      const at = IMAGE + offset;
      const expected = (by: 'SYSRET' | 'IRETQ') =>
        flagsByLinkAddress({ cpu: profile, from: at, to: at + 16n, by }).reduce((sum, { bit }) => sum | (1 << bit), 2);
      expect(rflagsAfter(offset, 'SYSRET', profile)).toBe(expected('SYSRET'));
      expect(rflagsAfter(offset, 'IRET', profile)).toBe(expected('IRETQ'));
    }
  });

  test('RF comes by IRET alone', () => {
    const RF = 0x1_0000;
    expect([rflagsAfter(0x11_0000n, 'SYSRET') & RF, rflagsAfter(0x11_0000n, 'IRET') & RF]).toEqual([0, RF]);
  });

  test('TF: the program is stopped after one instruction', () => {
    const world = pv.pvWorld({ cpu, trampoline: pv.indirectJump, user, kernel: pv.popsRegisters, syscallEnter: 0x10_0100n });
    expect(world.finish()).toEqual({ kind: 'exception', exception: '#DB' });
    expect(world.bouncedRip).toBe(0x40_0007n);
  });
});

test('what cannot be asked is refused', () => {
  expect(() => flagsByLinkAddress({ cpu, from: 0x2000n, to: 0x1000n })).toThrow(RangeError);
  expect(() => flagsByLinkAddress({ cpu, from: 0n, to: 1n << 40n })).toThrow(/1 to 1048576 addresses/);
});
