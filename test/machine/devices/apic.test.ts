import { Machine, cpus } from 'hidden-state';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ApicBus } from '../../../spec/src/machine/devices/apic-bus.ts';
import { FreeClock } from '../../../spec/src/machine/devices/clock.ts';
import { IoApic } from '../../../spec/src/machine/devices/io-apic.ts';
import { LocalApic } from '../../../spec/src/machine/devices/local-apic.ts';
import { REGISTER } from '../../../spec/src/machine/devices/local-apic-registers.ts';

/** Local APICs on one bus, enabled by software; at 10 instructions a tick of the bus. */
function apicsOf(ids: readonly number[], { enable = true, x2apic = false } = {}) {
  const clock = new FreeClock(1_000_000_000);
  const bus = new ApicBus();
  const signals: string[] = [];
  const machines = ids.map(() => new Machine(undefined, { cpu: cpus.haswell }));
  const apics = ids.map((id, n) => {
    const { execution, state } = machines[n]!;
    state.set('IA32_APIC_BASE', x2apic ? 0xfee0_0c00n : 0xfee0_0800n);
    const apic = new LocalApic(execution, {
      id, clock, busFrequency: 100_000_000n, bus, acknowledgeExternal: () => 0x99,
      processor: { nmi: () => signals.push(`NMI ${id}`), init: () => signals.push(`INIT ${id}`), startup: (vector) => signals.push(`SIPI ${id} ${vector}`) },
    });
    if (enable) apic.writeRegister(REGISTER.svr, 0x1ff);
    return apic;
  });
  return { clock, bus, signals, machines, apics, apic: apics[0]! };
}
const fixed = (vector: number, level = false) => ({ vector, mode: 0, level, destination: 'all' as const, logical: false });
const bit = (apic: LocalApic, base: number, vector: number): number => (apic.readRegister(base + (vector >> 5)) >>> (vector & 31)) & 1;

describe('local APIC', () => {
  test('after RESET: disabled by software, LVT masked, version 14h with six entries', () => {
    const { apic } = apicsOf([3], { enable: false });
    expect([REGISTER.id, REGISTER.version, REGISTER.svr, REGISTER.dfr, REGISTER.timer, REGISTER.lint0].map((register) => apic.readRegister(register) >>> 0))
      .toEqual([0x0300_0000, 0x0005_0014, 0xff, 0xffff_ffff, 0x1_0000, 0x1_0000]);
    apic.receive(fixed(0x40));
    expect(apic.pending()).toBe(false);
    apic.writeRegister(REGISTER.timer, 0x40);
    expect(apic.readRegister(REGISTER.timer)).toBe(0x1_0040);
  });

  test('IRR, ISR, EOI: the highest class first, an equal class waits', () => {
    const { apic } = apicsOf([0]);
    for (const vector of [0x41, 0x45, 0x33]) apic.receive(fixed(vector));
    expect(apic.acknowledge()).toBe(0x45);
    expect([bit(apic, REGISTER.isr, 0x45), bit(apic, REGISTER.irr, 0x45), apic.readRegister(REGISTER.ppr), apic.pending()]).toEqual([1, 0, 0x40, false]);
    apic.receive(fixed(0x51));
    expect(apic.acknowledge()).toBe(0x51);
    apic.writeRegister(REGISTER.eoi, 0);
    expect([bit(apic, REGISTER.isr, 0x51), apic.pending()]).toEqual([0, false]);
    apic.writeRegister(REGISTER.eoi, 0);
    expect([apic.acknowledge(), apic.pending()]).toEqual([0x41, false]);
    apic.writeRegister(REGISTER.eoi, 0);
    expect(apic.acknowledge()).toBe(0x33);
  });

  test('TPR and CR8 are one register: each shows what was written to the other', () => {
    const { apic, machines } = apicsOf([0]);
    apic.receive(fixed(0x45));
    apic.writeRegister(REGISTER.tpr, 0x47);
    expect([machines[0]!.state.get('CR8'), apic.readRegister(REGISTER.tpr), apic.readRegister(REGISTER.ppr), apic.pending()]).toEqual([4n, 0x47, 0x47, false]);
    machines[0]!.state.set('CR8', 3n);
    expect([apic.readRegister(REGISTER.tpr), apic.pending()]).toEqual([0x30, true]);
  });

  test('any requests, priorities and ends: what is taken is the highest, and above the processor priority', () => {
    const step = fc.oneof(fc.integer({ min: 16, max: 255 }).map((vector) => ({ vector })), fc.integer({ min: 0, max: 15 }).map((cr8) => ({ cr8 })), fc.constant('end' as const));
    fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { apic, machines } = apicsOf([0]);
      const requested = new Set<number>(), serving: number[] = [];
      let threshold = 0;
      for (const each of steps) {
        if (each === 'end') {
          apic.writeRegister(REGISTER.eoi, 0);
          serving.pop();
        } else if ('vector' in each) {
          apic.receive(fixed(each.vector));
          requested.add(each.vector);
        } else {
          machines[0]!.state.set('CR8', BigInt(each.cr8));
          threshold = each.cr8;
        }
        const highest = Math.max(...requested, 0);
        const takes = highest >> 4 > Math.max(threshold, (serving.at(-1) ?? 0) >> 4);
        expect(apic.pending()).toBe(takes);
        if (!takes) continue;
        expect(apic.acknowledge()).toBe(highest);
        requested.delete(highest);
        serving.push(highest);
      }
    }));
  });

  test('errors: a vector below 16 sent or received, and a register that is none', () => {
    const { apic } = apicsOf([0]);
    const esr = (): number => {
      apic.writeRegister(REGISTER.esr, 0);
      return apic.readRegister(REGISTER.esr);
    };
    apic.writeRegister(REGISTER.error, 0xfe);
    apic.receive(fixed(3));
    expect([esr(), esr()]).toEqual([0x40, 0]);
    expect(apic.acknowledge()).toBe(0xfe);
    apic.writeRegister(REGISTER.icr, 0x4_0005);
    expect(esr()).toBe(0x20);
    apic.readRegister(4);
    expect(esr()).toBe(0x80);
  });

  test('the timer: one-shot, periodic, divided, masked', () => {
    const { clock, apic } = apicsOf([0]);
    apic.writeRegister(REGISTER.divide, 0xb);
    apic.writeRegister(REGISTER.timer, 0x40);
    apic.writeRegister(REGISTER.initialCount, 100);
    clock.advance(500);
    expect(apic.readRegister(REGISTER.currentCount)).toBe(50);
    clock.advance(999);
    expect(apic.pending()).toBe(false);
    clock.advance(1000);
    expect([apic.acknowledge(), apic.readRegister(REGISTER.currentCount)]).toEqual([0x40, 0]);
    apic.writeRegister(REGISTER.eoi, 0);
    clock.advance(5000);
    expect(apic.pending()).toBe(false);
    apic.writeRegister(REGISTER.divide, 1); // 4
    apic.writeRegister(REGISTER.timer, 0x2_0041);
    apic.writeRegister(REGISTER.initialCount, 10);
    for (const time of [5400, 5800, 6200]) {
      clock.advance(time - 1);
      expect(apic.pending()).toBe(false);
      clock.advance(time);
      expect(apic.acknowledge()).toBe(0x41);
      apic.writeRegister(REGISTER.eoi, 0);
    }
    apic.writeRegister(REGISTER.timer, 0x3_0041);
    clock.advance(6200 + 400 * 7 + 80);
    expect([apic.pending(), apic.readRegister(REGISTER.currentCount)]).toEqual([false, 8]);
    apic.writeRegister(REGISTER.timer, 0x2_0041);
    clock.advance(6200 + 400 * 8);
    expect(apic.pending()).toBe(true);
  });

  test.each([[0, 2], [1, 4], [2, 8], [3, 16], [8, 32], [9, 64], [10, 128], [11, 1]])('divide configuration %i divides by %i', (value, divisor) => {
    const { clock, apic } = apicsOf([0]);
    apic.writeRegister(REGISTER.divide, value);
    apic.writeRegister(REGISTER.initialCount, 1000);
    clock.advance(12_800);
    expect(apic.readRegister(REGISTER.currentCount)).toBe(Math.max(0, 1000 - 1280 / divisor));
  });

  test('TSC deadline: armed by the MSR, 0 after it fired, nothing in other modes', () => {
    const { clock, apic, machines } = apicsOf([0]);
    apic.writeMsr(0x6e0, 1000n);
    expect(apic.readMsr(0x6e0)).toBe(0n);
    apic.writeRegister(REGISTER.timer, 0x4_0042);
    machines[0]!.state.set('TSC offset', 500n);
    apic.writeMsr(0x6e0, 2500n);
    apic.writeRegister(REGISTER.initialCount, 10);
    expect([apic.readMsr(0x6e0), apic.readRegister(REGISTER.currentCount)]).toEqual([2500n, 0]);
    clock.advance(1999);
    expect(apic.pending()).toBe(false);
    clock.advance(2000);
    expect([apic.acknowledge(), apic.readMsr(0x6e0)]).toEqual([0x42, 0n]);
    apic.writeRegister(REGISTER.eoi, 0);
    apic.writeMsr(0x6e0, 1n); // over already
    clock.advance(2001);
    expect(apic.pending()).toBe(true);
    apic.writeMsr(0x6e0, 99_999n);
    apic.writeRegister(REGISTER.timer, 0x42);
    expect(apic.readMsr(0x6e0)).toBe(0n);
  });

  test('LINT0: ExtINT passes the PIC on, fixed and NMI are interrupts of its own', () => {
    const { apic, signals, machines } = apicsOf([0]);
    apic.setLint(0, true);
    expect(apic.pending()).toBe(false);
    apic.writeRegister(REGISTER.lint0, 0x700);
    expect([apic.pending(), apic.acknowledge()]).toEqual([true, 0x99]);
    apic.setLint(0, false);
    apic.writeRegister(REGISTER.lint1, 0x400);
    apic.setLint(1, true);
    expect(signals).toEqual(['NMI 0']);
    apic.writeRegister(REGISTER.lint0, 0x8050); // level-triggered
    apic.setLint(0, true);
    expect([apic.acknowledge(), apic.readRegister(REGISTER.lint0)]).toEqual([0x50, 0xc050]);
    apic.writeRegister(REGISTER.eoi, 0);
    expect(apic.acknowledge()).toBe(0x50);
    apic.setLint(0, false);
    apic.writeRegister(REGISTER.eoi, 0);
    expect([apic.pending(), apic.readRegister(REGISTER.lint0)]).toEqual([false, 0x8050]);
    machines[0]!.state.set('IA32_APIC_BASE', 0xfee0_0000n);
    apic.setLint(0, true);
    expect(apic.pending()).toBe(true); // without an APIC the pin is INTR
  });
});

describe('interrupts between processors', () => {
  const send = (apic: LocalApic, destination: number, low: number): void => {
    apic.writeRegister(REGISTER.icrHigh, destination << 24);
    apic.writeRegister(REGISTER.icr, low);
  };
  const pending = (apics: readonly LocalApic[]): number[] => apics.filter((apic) => apic.pending()).map(({ id }) => id);

  test('physical destinations, broadcast, and shorthands', () => {
    for (const [destination, low, expected] of [
      [2, 0x40, [2]], [0xff, 0x40, [0, 1, 2]], [7, 0x40, []], [2, 0x4_0040, [0]], [2, 0x8_0040, [0, 1, 2]], [2, 0xc_0040, [1, 2]],
    ] as const) {
      const { apics } = apicsOf([0, 1, 2]);
      send(apics[0]!, destination, low);
      expect(pending(apics)).toEqual(expected);
    }
  });

  test('logical destinations: flat and cluster', () => {
    for (const [dfr, ldrs, destination, expected] of [
      [0xffff_ffff, [1, 2, 4], 5, [0, 2]], [0xffff_ffff, [1, 2, 4], 8, []],
      [0x0fff_ffff, [0x11, 0x12, 0x21], 0x13, [0, 1]], [0x0fff_ffff, [0x11, 0x12, 0x21], 0x21, [2]], [0x0fff_ffff, [0x11, 0x12, 0x21], 0xf1, [0, 2]],
    ] as const) {
      const { apics } = apicsOf([0, 1, 2]);
      apics.forEach((apic, n) => {
        apic.writeRegister(REGISTER.dfr, dfr);
        apic.writeRegister(REGISTER.ldr, ldrs[n]! << 24);
      });
      send(apics[0]!, destination, 0x840);
      expect(pending(apics)).toEqual(expected);
    }
  });

  test('lowest priority: the one that keeps out least', () => {
    const { apics, machines } = apicsOf([0, 1, 2]);
    machines.forEach(({ state }, n) => state.set('CR8', [5n, 2n, 3n][n]!));
    send(apics[0]!, 0xff, 0x160);
    expect(pending(apics)).toEqual([1]);
  });

  test('NMI, INIT and start-up; INIT resets the APIC; the de-assert of INIT does nothing', () => {
    const { apics, signals } = apicsOf([0, 1]);
    for (const low of [0x400, 0xc500, 0x8500, 0x608]) send(apics[0]!, 1, low);
    expect(signals).toEqual(['NMI 1', 'INIT 1', 'SIPI 1 8']);
    expect(apics[1]!.readRegister(REGISTER.svr)).toBe(0xff);
    expect(() => send(apics[0]!, 1, 0x200)).toThrow(/system management interrupts/);
  });

  test('x2APIC: registers are MSRs, identifiers have 32 bits, logical ones come from them', () => {
    const { apics, machines } = apicsOf([0, 1, 0x23], { x2apic: true });
    expect(apics.map((apic) => [apic.readMsr(0x802), apic.readMsr(0x80d)])).toEqual([[0n, 1n], [1n, 2n], [0x23n, 0x2_0008n]]);
    apics[0]!.writeMsr(0x830, (0x23n << 32n) | 0x41n);
    expect(pending(apics)).toEqual([0x23]);
    apics[0]!.writeMsr(0x830, (3n << 32n) | 0x842n);
    expect(pending(apics)).toEqual([0, 1, 0x23]);
    expect([apics[0]!.acknowledge(), apics[0]!.readMsr(0x830)]).toEqual([0x42, (3n << 32n) | 0x842n]);
    apics[0]!.writeMsr(0x80b, 0n);
    apics[0]!.writeMsr(0x83f, 0x77n);
    expect(apics[0]!.acknowledge()).toBe(0x77);
    expect(machines).toHaveLength(3);
  });

  test('x2APIC: what does not exist, is read-only, write-only or reserved is #GP(0)', () => {
    const { apic } = apicsOf([0], { x2apic: true });
    for (const msr of [0x80b, 0x83f, 0x80e, 0x831, 0x800]) expect(() => apic.readMsr(msr)).toThrow(/#GP\(0\)/);
    for (const [msr, value] of [[0x802, 0n], [0x80d, 1n], [0x80e, 0n], [0x831, 0n], [0x839, 1n], [0x80b, 1n], [0x808, 0x100n], [0x828, 1n], [0x83f, 0x100n]] as const) {
      expect(() => apic.writeMsr(msr, value)).toThrow(/#GP\(0\)/);
    }
  });
});

describe('82093AA', () => {
  function io(ids = [0, 1]) {
    const all = apicsOf(ids);
    const ioApic = new IoApic(all.bus, 5);
    const write = (register: number, value: number): void => {
      ioApic.write(0, 4, BigInt(register));
      ioApic.write(0x10, 4, BigInt(value));
    };
    const read = (register: number): number => {
      ioApic.write(0, 4, BigInt(register));
      return Number(ioApic.read(0x10, 4));
    };
    const entry = (pin: number, low: number, destination = 0): void => {
      write(0x11 + 2 * pin, destination * 0x100_0000);
      write(0x10 + 2 * pin, low);
    };
    return { ...all, ioApic, write, read, entry };
  }

  test('identifier, version, and entries that begin masked; delivery status and remote IRR are read-only', () => {
    const { read, write } = io();
    expect([read(0), read(1), read(0x10), read(0x3e), read(0x40)]).toEqual([0x0500_0000, 0x17_0011, 0x1_0000, 0x1_0000, 0]);
    write(0, 0x0a00_0000);
    write(0x12, 0xffff_ffff);
    expect([read(0), read(0x12)]).toEqual([0x0a00_0000, 0x1_afff]);
  });

  test('an edge is sent once to its destination; one at a masked pin is lost', () => {
    const { ioApic, entry, apics } = io();
    entry(4, 0x1_0044, 1);
    ioApic.setLine(4, true);
    entry(4, 0x44, 1);
    expect(apics[1]!.pending()).toBe(false);
    ioApic.setLine(4, false);
    ioApic.setLine(4, true);
    expect([apics[0]!.pending(), apics[1]!.acknowledge()]).toEqual([false, 0x44]);
    apics[1]!.writeRegister(REGISTER.eoi, 0);
    expect(apics[1]!.pending()).toBe(false);
  });

  test('a level is served until its device is content: remote IRR from acceptance to EOI', () => {
    const { ioApic, entry, read, apic } = io();
    entry(9, 0x8049);
    ioApic.setLine(9, true);
    expect([read(0x22), apic.acknowledge()]).toEqual([0xc049, 0x49]);
    expect(apic.pending()).toBe(false);
    apic.writeRegister(REGISTER.eoi, 0);
    expect([apic.acknowledge(), read(0x22)]).toEqual([0x49, 0xc049]);
    ioApic.setLine(9, false);
    apic.writeRegister(REGISTER.eoi, 0);
    expect([apic.pending(), read(0x22)]).toEqual([false, 0x8049]);
  });

  test('a level that waits behind a mask comes when the mask goes', () => {
    const { ioApic, entry, apic } = io();
    entry(9, 0x1_8049);
    ioApic.setLine(9, true);
    expect(apic.pending()).toBe(false);
    entry(9, 0x8049);
    expect(apic.pending()).toBe(true);
  });

  test('logical destinations, NMI and ExtINT', () => {
    const { ioApic, entry, apics, signals } = io();
    apics.forEach((apic, n) => apic.writeRegister(REGISTER.ldr, (1 << n) << 24));
    entry(3, 0x855, 3);
    ioApic.setLine(3, true);
    expect(apics.map((apic) => apic.acknowledge())).toEqual([0x55, 0x55]);
    entry(5, 0x400, 1);
    ioApic.setLine(5, true);
    expect(signals).toEqual(['NMI 1']);
    entry(0, 0x700, 0);
    ioApic.setLine(0, true);
    expect([apics[0]!.acknowledge(), apics[0]!.pending()]).toEqual([0x99, false]);
  });

  test('a level-triggered entry made edge-triggered for a moment is ended', () => {
    const { ioApic, entry, read, apic } = io();
    entry(9, 0x8049);
    ioApic.setLine(9, true);
    apic.acknowledge();
    ioApic.setLine(9, false);
    entry(9, 0x1_0049);
    entry(9, 0x8049);
    expect(read(0x22)).toBe(0x8049);
  });
});
