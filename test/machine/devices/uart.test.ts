import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FreeClock } from '../../../spec/src/machine/devices/clock.ts';
import { Uart, type UartOptions } from '../../../spec/src/machine/devices/uart.ts';

function uartOf(options: UartOptions = {}) {
  const clock = new FreeClock(1_843_200);
  const sent: number[] = [];
  const line = { level: false };
  const uart = new Uart(clock, (level) => { line.level = level; }, { output: (byte) => sent.push(byte), ...options });
  const read = (register: number): number => uart.read(0x3f8 + register);
  const write = (register: number, value: number): void => uart.write(0x3f8 + register, 1, value);
  return { clock, uart, sent, line, read, write };
}
const DATA = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCRATCH = 7;
const OUT2 = 8;

describe('16550', () => {
  test('DLAB gives the divisor in place of data and IER', () => {
    const { read, write, sent } = uartOf();
    write(LCR, 0x83);
    write(DATA, 0x34);
    write(IER, 0x12);
    expect([read(DATA), read(IER), sent]).toEqual([0x34, 0x12, []]);
    write(LCR, 3);
    expect([read(IER), read(LCR)]).toEqual([0, 3]);
    write(SCRATCH, 0x5a);
    expect(read(SCRATCH)).toBe(0x5a);
  });

  test('what is written goes out, and the transmitter is empty', () => {
    const { read, write, sent } = uartOf();
    for (const byte of [0x48, 0x69]) write(DATA, byte);
    expect([sent, read(LSR)]).toEqual([[0x48, 0x69], 0x60]);
  });

  test('at its baud rate a byte takes start, data, parity and stop bits times the divisor', () => {
    for (const [lcr, halfBits] of [[3, 20], [7, 22], [0x1b, 22], [0, 14], [4, 15]] as const) {
      const { clock, read, write, sent } = uartOf({ timing: 'baud' });
      write(LCR, 0x80);
      write(DATA, 3);
      write(IER, 0);
      write(LCR, lcr);
      write(DATA, 0x55);
      write(DATA, 0x66);
      expect(read(LSR)).toBe(0);
      const time = halfBits * 8 * 3;
      clock.advance(time - 1);
      expect(sent).toEqual([]);
      clock.advance(time);
      expect([sent, read(LSR)]).toEqual([[0x55], 0x20]);
      clock.advance(2 * time);
      expect([sent, read(LSR)]).toEqual([[0x55, 0x66], 0x60]);
    }
  });

  test('received data: ready, read, gone; a second byte is an overrun that LSR tells once', () => {
    const { uart, read } = uartOf();
    uart.receive(1);
    expect(read(LSR)).toBe(0x61);
    uart.receive(2);
    expect([read(LSR), read(LSR)]).toEqual([0x63, 0x61]);
    expect([read(DATA), read(LSR)]).toEqual([2, 0x60]);
  });

  test('the FIFO holds sixteen; an overrun loses the newest', () => {
    const { uart, read, write } = uartOf();
    write(FCR, 1);
    for (let n = 0; n < 17; n++) uart.receive(n);
    expect(read(LSR)).toBe(0x63);
    expect(Array.from({ length: 16 }, () => read(DATA))).toEqual(Array.from({ length: 16 }, (_, n) => n));
    expect(read(LSR)).toBe(0x60);
  });

  test('bytes that are sent to it wait until there is room: none is lost', () => {
    for (const fifo of [0, 1]) {
      const { uart, read, write } = uartOf();
      write(FCR, fifo);
      const bytes = Array.from({ length: 50 }, (_, n) => n);
      uart.send(bytes);
      const got: number[] = [];
      while (read(LSR) & 1) got.push(read(DATA));
      expect(got).toEqual(bytes);
    }
  });

  test('interrupts by priority: line status, data, empty transmitter, modem status', () => {
    const { uart, read, write, line } = uartOf();
    write(MCR, OUT2);
    expect(read(IIR)).toBe(1);
    write(IER, 0xf);
    uart.setModemLines(0);
    uart.receive(1);
    uart.receive(2);
    expect([line.level, read(IIR)]).toEqual([true, 6]);
    read(LSR);
    expect(read(IIR)).toBe(4);
    read(DATA);
    expect([read(IIR), read(IIR)]).toEqual([2, 0]); // reading it ended the request of the transmitter
    expect(read(MSR)).toBe(0x0b);
    expect([read(IIR), line.level]).toEqual([1, false]);
  });

  test('the empty transmitter asks when enabled and after each byte, until IIR is read or a byte written', () => {
    const { read, write } = uartOf({ timing: 'baud' });
    write(IER, 2);
    expect([read(IIR), read(IIR)]).toEqual([2, 1]);
    write(IER, 0);
    write(IER, 2);
    expect(read(IIR)).toBe(2);
    write(DATA, 1);
    expect(read(IIR)).toBe(2); // it went straight into the shift register
    write(DATA, 2);
    expect(read(IIR)).toBe(1);
  });

  test.each([[0, 1], [0x40, 4], [0x80, 8], [0xc0, 14]])('trigger level %i is %i bytes', (bits, level) => {
    const { uart, read, write } = uartOf();
    write(FCR, 1 | bits);
    write(IER, 1);
    for (let n = 1; n < level; n++) uart.receive(n);
    expect(read(IIR)).toBe(0xc1);
    uart.receive(0);
    expect(read(IIR)).toBe(0xc4);
  });

  test('a character that waits for four character times is told, until the FIFO is read', () => {
    const { clock, uart, read, write } = uartOf();
    write(LCR, 0x80);
    write(DATA, 1);
    write(IER, 0);
    write(LCR, 3);
    write(FCR, 0x81);
    write(IER, 1);
    uart.receive(7);
    clock.advance(4 * 160 - 1);
    expect(read(IIR)).toBe(0xc1);
    clock.advance(4 * 160);
    expect(read(IIR)).toBe(0xcc);
    read(DATA);
    expect(read(IIR)).toBe(0xc1);
  });

  test('FCR empties the FIFOs', () => {
    const { uart, read, write } = uartOf();
    write(FCR, 1);
    uart.receive(1);
    write(FCR, 3);
    expect(read(LSR) & 1).toBe(0);
    uart.receive(1);
    write(FCR, 0);
    expect([read(LSR) & 1, read(IIR)]).toEqual([0, 1]);
  });

  test('loopback: bytes come back and do not go out, outputs are inputs, and the interrupt stays inside', () => {
    const { read, write, sent, line } = uartOf();
    write(IER, 1);
    for (const [mcr, lines] of [[0x11, 0x20], [0x12, 0x10], [0x14, 0x40], [0x18, 0x80], [0x1f, 0xf0]] as const) {
      write(MCR, mcr);
      expect(read(MSR) & 0xf0).toBe(lines);
    }
    write(DATA, 0xae);
    expect([read(DATA), sent, line.level]).toEqual([0xae, [], false]);
    write(MCR, OUT2);
    expect(read(MSR) & 0xf0).toBe(0xb0);
  });

  test('the end of a ring is noted, its beginning is not', () => {
    const { uart, read } = uartOf();
    uart.setModemLines(0xf0);
    expect(read(MSR)).toBe(0xf0);
    uart.setModemLines(0xb0);
    expect([read(MSR), read(MSR)]).toEqual([0xb4, 0xb0]);
  });

  test('OUT2 gates the interrupt', () => {
    const { write, line } = uartOf();
    write(IER, 2);
    expect(line.level).toBe(false);
    write(MCR, OUT2);
    expect(line.level).toBe(true);
  });

  test('the line goes low between two bytes, sent or received, for interrupt controllers that wait for edges', () => {
    for (const ier of [1, 2]) {
      const edges: boolean[] = [];
      const uart = new Uart(new FreeClock(), (level) => { if (edges.at(-1) !== level) edges.push(level); });
      uart.write(MCR, 1, OUT2);
      uart.write(IER, 1, ier);
      uart.send([1, 2, 3]);
      for (let n = 0; n < 3; n++) if (ier === 1) uart.read(DATA); else uart.write(DATA, 1, n);
      expect(edges.filter(Boolean)).toHaveLength(ier === 1 ? 3 : 4);
    }
  });

  test('a snapshot taken anywhere has the same future', () => {
    const step = fc.record({ register: fc.constantFrom(0, 1, 2, 4, 5), write: fc.boolean(), value: fc.integer({ min: 0, max: 255 }), wait: fc.nat(5000) });
    fc.assert(fc.property(fc.array(step, { maxLength: 30 }), fc.nat(30), (steps, moment) => {
      const run = (restart: boolean): unknown => {
        let at = uartOf({ timing: 'baud' });
        const values: number[] = [];
        steps.forEach((each, n) => {
          if (restart && n === moment) {
            const other = uartOf({ timing: 'baud' });
            other.clock.advance(at.clock.now);
            other.sent.push(...at.sent);
            other.uart.restore(at.uart.snapshot());
            at = other;
          }
          if (each.write) at.write(each.register, each.value);
          else values.push(at.read(each.register));
          if (n % 3 === 0) at.uart.receive(n);
          at.clock.advance(at.clock.now + each.wait);
        });
        return [values, at.sent, at.uart.snapshot()];
      };
      expect(run(true)).toEqual(run(false));
    }));
  });
});
