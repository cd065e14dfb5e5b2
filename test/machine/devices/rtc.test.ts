import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FreeClock } from '../../../spec/src/machine/devices/clock.ts';
import { RTC, Rtc } from '../../../spec/src/machine/devices/rtc.ts';

const SECOND = 1_000_000;
function rtcOf(startTime = Date.UTC(2020, 0, 1) / 1000) {
  const clock = new FreeClock(SECOND);
  const interrupts: number[] = [];
  let level = false;
  const rtc = new Rtc(clock, (high) => {
    if (high && !level) interrupts.push(clock.now);
    level = high;
  }, { startTime });
  const read = (register: number): number => {
    rtc.write(0x70, 1, register);
    return rtc.read(0x71);
  };
  const write = (register: number, value: number): void => {
    rtc.write(0x70, 1, register);
    rtc.write(0x71, 1, value);
  };
  return { clock, rtc, interrupts, read, write, advance: (seconds: number) => clock.advance(clock.now + Math.round(seconds * SECOND)) };
}
const bcd = (value: number): number => Number.parseInt(String(value), 16);
const date = (read: (register: number) => number): number[] => [RTC.century, RTC.year, RTC.month, RTC.day, RTC.weekday, RTC.hour, RTC.minute, RTC.second].map(read);

describe('MC146818', () => {
  test('starts at the moment given, in BCD and 24 hours', () => {
    const { read } = rtcOf(Date.UTC(2024, 1, 29, 23, 58, 7) / 1000);
    expect(date(read)).toEqual([0x20, 0x24, 2, 0x29, 5, 0x23, 0x58, 7]);
    expect([read(RTC.a), read(RTC.b), read(RTC.d)]).toEqual([0x26, 2, 0x80]);
  });

  test('any time later it is what the calendar says, within a century', () => {
    const start = Date.UTC(2001, 0, 1) / 1000;
    fc.assert(fc.property(fc.integer({ min: 0, max: 86_400 * 366 * 8 }), fc.integer({ min: 0, max: 200_000 }), (from, seconds) => {
      const { read, advance } = rtcOf(start + from);
      advance(seconds);
      const now = new Date((start + from + seconds) * 1000);
      expect(date(read)).toEqual([0x20, now.getUTCFullYear() % 100, now.getUTCMonth() + 1, now.getUTCDate(), now.getUTCDay() + 1, now.getUTCHours(), now.getUTCMinutes(), now.getUTCSeconds()].map((value, n) => (n === 0 ? value : bcd(value))));
    }), { numRuns: 30 });
  });

  test('binary and 12 hours: noon and midnight are 12, the afternoon sets bit 7', () => {
    for (const [b, format] of [[0, bcd], [4, Number]] as const) {
      const { read, write, advance } = rtcOf();
      write(RTC.b, b | 0x80);
      for (const [register, value] of [[RTC.hour, 11], [RTC.minute, 59], [RTC.second, 59], [RTC.day, 28], [RTC.month, 2], [RTC.year, 21]] as const) write(register, format(value));
      write(RTC.b, b);
      advance(1);
      expect([read(RTC.hour), read(RTC.minute)]).toEqual([format(12) | 0x80, 0]);
      advance(3600);
      expect(read(RTC.hour)).toBe(format(1) | 0x80);
      advance(11 * 3600);
      expect([read(RTC.hour), read(RTC.day), read(RTC.month)]).toEqual([format(12), 1, 3]);
    }
  });

  test('SET stops the updates, and the flag of their end', () => {
    const { read, write, advance } = rtcOf();
    write(RTC.a, 0x20); // no periodic flag
    write(RTC.b, 0x92);
    expect(read(RTC.b)).toBe(0x82);
    advance(10);
    expect([read(RTC.second), read(RTC.c)]).toEqual([0, 0]);
    write(RTC.b, 2);
    advance(1);
    expect([read(RTC.second), read(RTC.c), read(RTC.c)]).toEqual([1, 0x10, 0]);
  });

  test('UIP is 1 from 244 us before the update cycle to its end, 2228 us in all', () => {
    const { read, advance } = rtcOf();
    advance(0.9977);
    expect(read(RTC.a) & 0x80).toBe(0);
    advance(0.0002);
    expect([read(RTC.a) & 0x80, read(RTC.second)]).toEqual([0x80, 0]);
    advance(0.0021);
    expect([read(RTC.a) & 0x80, read(RTC.second)]).toEqual([0, 1]);
  });

  test.each([[1, 256], [2, 128], [3, 8192], [6, 1024], [10, 64], [15, 2]])('periodic interrupt: rate %i is %i Hz', (rate, hertz) => {
    const { clock, rtc, interrupts, write, read } = rtcOf();
    write(RTC.a, 0x20 | rate);
    write(RTC.b, 0x42);
    for (let n = 1; n <= 2 * hertz; n++) {
      clock.advance(Math.ceil((n * SECOND) / hertz));
      expect(read(RTC.c) & 0xc0).toBe(0xc0);
    }
    expect(interrupts).toHaveLength(2 * hertz);
    expect(interrupts[hertz - 1]).toBe(SECOND);
    expect(rtc.nmiMasked).toBe(false);
  });

  test('an interrupt stays until register C is read; without that there is no second one', () => {
    const { interrupts, write, read, advance } = rtcOf();
    write(RTC.b, 0x12);
    advance(3.5);
    expect(interrupts).toEqual([SECOND]);
    expect([read(RTC.c), read(RTC.c)]).toEqual([0xd0, 0]); // the periodic flag is set as well
    advance(1);
    expect(interrupts).toEqual([SECOND, 4 * SECOND]);
  });

  test('alarm: at its time, and with C0h as any', () => {
    const { interrupts, write, read, advance } = rtcOf(Date.UTC(2020, 0, 1, 6, 29, 50) / 1000);
    write(RTC.hourAlarm, 0xff);
    write(RTC.minuteAlarm, 0x30);
    write(RTC.secondAlarm, 5);
    write(RTC.b, 0x22);
    advance(14.9);
    expect(read(RTC.c) & 0x20).toBe(0);
    advance(0.1);
    expect(interrupts).toEqual([15 * SECOND]);
    expect(read(RTC.c)).toBe(0xf0);
    advance(3600);
    expect(read(RTC.c) & 0x20).toBe(0x20);
  });

  test('flags are set without their interrupts enabled', () => {
    const { interrupts, read, advance } = rtcOf();
    advance(1);
    expect([read(RTC.c), interrupts]).toEqual([0x50, []]);
  });

  test('a divider that is let go begins with half a second', () => {
    const { write, read, advance } = rtcOf();
    write(RTC.a, 0x76);
    advance(5);
    expect(read(RTC.second)).toBe(0);
    write(RTC.a, 0x26);
    advance(0.49);
    expect(read(RTC.second)).toBe(0);
    advance(0.02);
    expect(read(RTC.second)).toBe(1);
  });

  test('CMOS memory keeps what is written; registers C and D do not', () => {
    const { write, read, rtc } = rtcOf();
    write(0x7f, 0xa5);
    write(RTC.c, 0xff);
    write(RTC.d, 0);
    expect([read(0x7f), read(RTC.c), read(RTC.d)]).toEqual([0xa5, 0, 0x80]);
    rtc.write(0x70, 1, 0x80);
    expect(rtc.nmiMasked).toBe(true);
  });

  test('a snapshot taken anywhere has the same future', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 3_000_000 }), fc.constantFrom(0x12, 0x42, 0x72), (moment, b) => {
      const one = rtcOf(), two = rtcOf();
      one.write(RTC.b, b);
      one.clock.advance(moment);
      two.clock.advance(moment);
      two.rtc.restore(one.rtc.snapshot());
      for (const each of [one, two]) {
        each.clock.advance(moment + 1_234_567);
        each.read(RTC.c);
        each.clock.advance(moment + 2_500_000);
      }
      expect(two.rtc.snapshot()).toEqual(one.rtc.snapshot());
      expect(date(two.read)).toEqual(date(one.read));
    }), { numRuns: 50 });
  });
});
