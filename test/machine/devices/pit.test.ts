import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Clock, FreeClock } from '../../../spec/src/machine/devices/clock.ts';
import { PIT_HERTZ, Pit } from '../../../spec/src/machine/devices/pit.ts';

/** A timer whose clock has one instruction a tick: time and ticks are the same. */
function pitOf() {
  const clock = new FreeClock(Number(PIT_HERTZ));
  const edges: [number, boolean][] = [];
  let level: boolean | undefined;
  const pit = new Pit(clock, (high) => {
    if (high !== level) edges.push([clock.now, high]);
    level = high;
  });
  const write = (port: number, ...values: number[]): void => values.forEach((value) => pit.write(port, 1, value));
  const read = (counter: number): number => {
    write(0x43, counter << 6);
    return pit.read(0x40 + counter) | (pit.read(0x40 + counter) << 8);
  };
  return { clock, pit, edges, write, read };
}
/** Counter 0, both bytes, binary. */
const control = (mode: number): number => 0x30 | (mode << 1);
const at = (t: ReturnType<typeof pitOf>, times: readonly number[]) => times.map((time) => {
  t.clock.advance(time);
  return [t.read(0), t.pit.out(0)];
});

describe('8254', () => {
  test('mode 0: loaded by the next pulse, OUT goes high when the count is over, and counting goes on', () => {
    const t = pitOf();
    t.write(0x43, control(0));
    t.write(0x40, 4, 0);
    expect(at(t, [1, 2, 4, 5, 6])).toEqual([[4, false], [3, false], [1, false], [0, true], [0xffff, true]]);
  });

  test('mode 0: the first byte of a new count stops the counting', () => {
    const t = pitOf();
    t.write(0x43, control(0));
    t.write(0x40, 4, 0);
    t.clock.advance(3);
    t.write(0x40, 9);
    t.clock.advance(100);
    expect(t.pit.out(0)).toBe(false);
    t.write(0x40, 0);
    expect(at(t, [101, 110])).toEqual([[9, false], [0, true]]);
  });

  test('mode 2: OUT is low in the last pulse of each period', () => {
    const t = pitOf();
    t.write(0x43, control(2));
    t.write(0x40, 3, 0);
    expect(at(t, [1, 2, 3, 4, 5, 6, 7])).toEqual([[3, true], [2, true], [1, false], [3, true], [2, true], [1, false], [3, true]]);
    expect(t.edges.slice(1)).toEqual([[3, false], [4, true], [6, false], [7, true]]);
  });

  test('mode 2: a new count waits for the end of the period', () => {
    const t = pitOf();
    t.write(0x43, control(2));
    t.write(0x40, 4, 0);
    t.clock.advance(2);
    t.write(0x40, 3, 0);
    expect(at(t, [4, 5, 6, 7, 8])).toEqual([[1, false], [3, true], [2, true], [1, false], [3, true]]);
  });

  test('mode 3: an even count is high for half of it, going down by two', () => {
    const t = pitOf();
    t.write(0x43, control(3));
    t.write(0x40, 4, 0);
    expect(at(t, [1, 2, 3, 4, 5])).toEqual([[4, true], [2, true], [4, false], [2, false], [4, true]]);
  });

  test('mode 3: an odd count is high for one pulse more, and shows even values', () => {
    const t = pitOf();
    t.write(0x43, control(3));
    t.write(0x40, 5, 0);
    expect(at(t, [1, 2, 3, 4, 5, 6, 7])).toEqual([[4, true], [2, true], [0, true], [4, false], [2, false], [4, true], [2, true]]);
  });

  test('mode 3: a new count waits for the end of the half-cycle', () => {
    const t = pitOf();
    t.write(0x43, control(3));
    t.write(0x40, 4, 0);
    t.clock.advance(2);
    t.write(0x40, 6, 0);
    expect(at(t, [3, 4, 5, 6, 8, 9])).toEqual([[6, false], [4, false], [2, false], [6, true], [2, true], [6, false]]);
  });

  test('mode 4: OUT is low for the pulse at which the count is over', () => {
    const t = pitOf();
    t.write(0x43, control(4));
    t.write(0x40, 3, 0);
    expect(at(t, [1, 3, 4, 5, 70_000])).toEqual([[3, true], [1, true], [0, false], [0xffff, true], [(3 - 69_999) & 0xffff, true]]);
  });

  const gate = (t: ReturnType<typeof pitOf>, on: boolean): void => t.write(0x61, on ? 1 : 0);

  test('modes 1 and 5: the gate of counter 2 triggers, and triggers again', () => {
    for (const [mode, expected] of [[1, [true, false, false, false, true]], [5, [true, true, true, true, false]]] as const) {
      const t = pitOf();
      t.write(0x43, 0xb0 | (mode << 1));
      t.write(0x42, 3, 0);
      t.clock.advance(50);
      const outs = [t.pit.out(2)];
      gate(t, true);
      t.clock.advance(51);
      outs.push(t.pit.out(2));
      gate(t, false);
      gate(t, true);
      for (const time of [52, 54, 55]) {
        t.clock.advance(time);
        outs.push(t.pit.out(2));
      }
      expect(outs).toEqual(expected);
    }
  });

  test('mode 0 with its gate: held up and gone on', () => {
    const t = pitOf();
    gate(t, true);
    t.write(0x43, 0xb0);
    t.write(0x42, 10, 0);
    t.clock.advance(4);
    gate(t, false);
    t.clock.advance(100);
    expect([t.read(2), t.pit.out(2)]).toEqual([7, false]);
    gate(t, true);
    t.clock.advance(107);
    expect([t.read(2), t.pit.out(2), t.pit.read(0x61) & 0x20]).toEqual([0, true, 0x20]);
  });

  test('mode 3 with its gate: low is high OUT, and the rising gate starts a full cycle', () => {
    const t = pitOf();
    gate(t, true);
    t.write(0x43, 0xb6);
    t.write(0x42, 6, 0);
    t.clock.advance(5);
    expect(t.pit.out(2)).toBe(false);
    gate(t, false);
    expect(t.pit.out(2)).toBe(true);
    t.clock.advance(20);
    gate(t, true);
    const outs = [20, 21, 23, 24, 26, 27].map((time) => {
      t.clock.advance(time);
      return t.pit.out(2);
    });
    expect(outs).toEqual([true, true, true, false, false, true]);
  });

  test('a latched count stays until it is read, and a second latch does not replace it', () => {
    const t = pitOf();
    t.write(0x43, control(2));
    t.write(0x40, 0, 1);
    t.clock.advance(10);
    t.write(0x43, 0);
    t.clock.advance(20);
    t.write(0x43, 0);
    expect([t.pit.read(0x40), t.pit.read(0x40)]).toEqual([0xf7, 0]);
    expect(t.read(0)).toBe(0x100 - 19);
  });

  test('read-back latches status and counts of several counters; status comes first; null count until it is loaded', () => {
    const t = pitOf();
    t.write(0x43, control(2));
    t.write(0x40, 8);
    t.write(0x43, 0xe2);
    expect(t.pit.read(0x40)).toBe(0x80 | 0x40 | 0x34);
    t.write(0x40, 0);
    t.clock.advance(3);
    t.write(0x43, 0xc2);
    t.clock.advance(9);
    expect([t.pit.read(0x40), t.pit.read(0x40), t.pit.read(0x40)]).toEqual([0x80 | 0x34, 6, 0]);
  });

  test('BCD counts in tens, and 0 is 10,000', () => {
    const t = pitOf();
    t.write(0x43, control(2) | 1);
    t.write(0x40, 0x00, 0x10);
    t.clock.advance(2);
    expect(t.read(0)).toBe(0x999);
    t.write(0x43, control(2) | 1);
    t.write(0x40, 0, 0);
    t.clock.advance(3);
    expect(t.read(0)).toBe(0);
    t.clock.advance(4);
    expect(t.read(0)).toBe(0x9999);
  });

  test('one byte only: low or high', () => {
    const t = pitOf();
    t.write(0x43, 0x14);
    t.write(0x40, 9);
    t.clock.advance(1);
    expect(t.pit.read(0x40)).toBe(9);
    t.write(0x43, 0x24);
    t.write(0x40, 2);
    t.clock.advance(3);
    expect(t.pit.read(0x40)).toBe(1);
  });

  test('port 61h: the refresh bit toggles every 18 pulses', () => {
    const t = pitOf();
    const bit = (): number => t.pit.read(0x61) & 0x10;
    const seen = [0, 17, 18, 35, 36].map((time) => {
      t.clock.advance(time);
      return bit();
    });
    expect(seen).toEqual([0, 0, 0x10, 0x10, 0]);
  });
});

describe('closed form and pulse by pulse', () => {
  /** Counts of modes 2 and 3 pulse by pulse, as the data sheet tells it. */
  function* pulses(mode: number, n: number): Generator<{ count: number; out: boolean }> {
    if (mode === 2) {
      for (;;) for (let count = n; count >= 1; count--) yield { count: count & 0xffff, out: count !== 1 };
    }
    for (;;) {
      for (const out of [true, false]) {
        const last = n % 2 === 0 || !out ? 2 : 0;
        for (let count = n & ~1; count >= last; count -= 2) yield { count: count & 0xffff, out };
      }
    }
  }

  test('any count in modes 2 and 3, at any time, with a clock of any rate', () => {
    fc.assert(fc.property(fc.constantFrom(2, 3), fc.integer({ min: 2, max: 300 }), fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 12 }), fc.integer({ min: 1_000_000, max: 4_000_000_000 }), (mode, n, gaps, frequency) => {
      const clock = new FreeClock(frequency);
      const pit = new Pit(clock, () => {});
      for (const [port, value] of [[0x43, control(mode)], [0x40, n & 0xff], [0x40, n >> 8]] as const) pit.write(port, 1, value);
      const expected = [...take(pulses(mode, n), gaps.reduce((sum, gap) => sum + gap, 1))];
      let tick = 0;
      for (const gap of gaps) {
        tick += gap;
        clock.advance(clock.at(BigInt(tick), PIT_HERTZ));
        const now = Number(clock.ticks(PIT_HERTZ)) - 1; // loaded at the first pulse
        if (now >= expected.length) continue;
        pit.write(0x43, 1, 0);
        expect([pit.read(0x40) | (pit.read(0x40) << 8), pit.out(0)]).toEqual([expected[now]!.count, expected[now]!.out]);
      }
    }), { numRuns: 200 });
  });

  test('edges told to the line are those that looking at every tick finds; also after a restore', () => {
    const command = fc.oneof(
      fc.record({ control: fc.constantFrom(0, 2, 3, 4), count: fc.integer({ min: 2, max: 40 }), wait: fc.nat(60) }),
      fc.record({ control: fc.constant(undefined), count: fc.integer({ min: 2, max: 40 }), wait: fc.nat(60) }),
    );
    fc.assert(fc.property(fc.array(command, { minLength: 1, maxLength: 8 }), fc.nat(7), (commands, restart) => {
      const told = pitOf(), looked = pitOf();
      const levels: [number, boolean][] = [];
      const look = (): void => {
        const level = looked.pit.out(0);
        if (levels.at(-1)?.[1] !== level) levels.push([looked.clock.now, level]);
      };
      look();
      commands.forEach((each, n) => {
        for (const t of [told, looked]) {
          if (each.control !== undefined || n === 0) t.write(0x43, control(each.control ?? 2));
          if (t === looked) look();
          t.write(0x40, each.count);
          if (t === looked) look();
          t.write(0x40, 0);
          if (t === looked) look();
        }
        if (n === restart) told.pit.restore(told.pit.snapshot());
        const until = told.clock.now + each.wait;
        told.clock.advance(until);
        for (let time = looked.clock.now + 1; time <= until; time++) {
          looked.clock.advance(time);
          look();
        }
      });
      expect(told.edges).toEqual(levels);
    }), { numRuns: 200 });
  });

  test('no drift: a day has its number of periods, to the tick', () => {
    const clock = new Clock();
    const day = 86_400 * 1_000_000_000;
    expect(clock.ticks(PIT_HERTZ, day)).toBe(PIT_HERTZ * 86_400n);
    expect(clock.at(PIT_HERTZ * 86_400n, PIT_HERTZ)).toBe(day);
  });
});

function* take<T>(from: Iterable<T>, count: number): Generator<T> {
  let left = count;
  for (const each of from) {
    if (left-- <= 0) return;
    yield each;
  }
}
