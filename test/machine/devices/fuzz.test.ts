import { Pc, Unmodelled, cpus } from 'hidden-state';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const PORTS = [
  0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x70, 0x71, 0x60, 0x64, 0x80, 0x92, 0xe9, 0xf0, 0x190, 0xf4, 0x2f8, 0x2fb,
  0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x600, 0x602, 0x604, 0x608, 0xcf8, 0xcf9, 0xcfc, 0xcfe, 0x1f0, 0x3d4, 0xffff,
];
const access = fc.oneof(
  fc.record({ kind: fc.constant('port' as const), at: fc.constantFrom(...PORTS), bytes: fc.constantFrom(1, 2, 4), value: fc.option(fc.nat(0xffff_ffff), { nil: undefined }) }),
  fc.record({ kind: fc.constant('apic' as const), at: fc.nat(0x3f).map((n) => 16 * n), bytes: fc.constant(4), value: fc.option(fc.nat(0xffff_ffff), { nil: undefined }) }),
  fc.record({ kind: fc.constant('io' as const), at: fc.constantFrom(0, 0x10), bytes: fc.constant(4), value: fc.option(fc.nat(0xffff_ffff), { nil: undefined }) }),
  fc.record({ kind: fc.constant('time' as const), at: fc.nat(3_000_000), bytes: fc.constant(1), value: fc.constant(undefined) }),
);
type Access = typeof access extends fc.Arbitrary<infer T> ? T : never;

/** What an access answers: a value, or that it is not modelled. Anything else is thrown on. */
function answer(pc: Pc, { kind, at, bytes, value }: Access): bigint | string {
  const { memory, ports, processors, clock } = pc;
  const address = (kind === 'apic' ? 0xfee0_0000n : 0xfec0_0000n) + BigInt(at);
  try {
    if (kind === 'time') {
      processors[0]!.execution.time += at;
      clock.advance(processors[0]!.execution.time);
    } else if (kind === 'port') {
      if (value === undefined) return ports.read(at, bytes);
      ports.write(at, bytes, BigInt.asUintN(8 * bytes, BigInt(value)));
    } else if (value === undefined) return memory.read(address, bytes);
    else memory.write(address, bytes, BigInt(value));
  } catch (error) {
    if (error instanceof Unmodelled) return error.what;
    throw error;
  }
  const { interrupts } = processors[0]!;
  try {
    return interrupts.requested ? BigInt(interrupts.controller!.acknowledge()) : 0n;
  } catch (error) {
    if (error instanceof Unmodelled) return error.what;
    throw error;
  }
}

describe('all devices of a PC', () => {
  test('any accesses at any times end in a value of their width or in Unmodelled; from a snapshot they go on the same', () => {
    fc.assert(fc.property(fc.array(access, { minLength: 1, maxLength: 150 }), fc.nat(149), (accesses, restart) => {
      const one = new Pc({ cpu: cpus.haswell, cpus: 2, memory: 0x10_0000 });
      let two = new Pc({ cpu: cpus.haswell, cpus: 2, memory: 0x10_0000 });
      accesses.forEach((each, n) => {
        if (n === restart) {
          const other = new Pc({ cpu: cpus.haswell, cpus: 2, memory: 0x10_0000 });
          other.restore(two.snapshot());
          two = other;
        }
        const [got, again] = [answer(one, each), answer(two, each)];
        expect(again).toBe(got);
        expect(typeof got === 'string' || (got >= 0n && got < 1n << BigInt(8 * each.bytes))).toBe(true);
      });
      expect(two.board.snapshot()).toEqual(one.board.snapshot());
    }), { numRuns: 150 });
  });
});
