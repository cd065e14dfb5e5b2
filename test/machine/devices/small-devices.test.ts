import { Pc, assemble } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { acpiTables, checksum } from '../../../spec/src/machine/devices/acpi-tables.ts';
import { Clock, FreeClock } from '../../../spec/src/machine/devices/clock.ts';
import { KeyboardController } from '../../../spec/src/machine/devices/keyboard-controller.ts';
import { PciConfiguration } from '../../../spec/src/machine/devices/pci.ts';
import { AcpiPower, PM_TIMER_HERTZ } from '../../../spec/src/machine/devices/power.ts';
import { Ports } from '../../../spec/src/machine/ports.ts';
import { FLAT_TABLE, intoFlat } from './flat.ts';

describe('time', () => {
  test('timers fire at their own moments, in order, and those of one moment in the order they were made', () => {
    const clock = new FreeClock();
    const fired: [string, number][] = [];
    const timers = ['a', 'b', 'c'].map((name) => clock.timer(() => fired.push([name, clock.now])));
    [30, 10, 30].forEach((time, n) => timers[n]!.set(time));
    expect(clock.next).toBe(10);
    clock.advance(40);
    expect([fired, clock.next, clock.now]).toEqual([[['b', 10], ['a', 30], ['c', 30]], Infinity, 40]);
  });

  test('a tick that has come is the first time at which it counts, at any frequency', () => {
    for (const frequency of [1, 1000, 999_999_937, 3_000_000_000]) {
      const clock = new Clock(frequency);
      for (const tick of [1n, 2n, 1_193_182n, 10n ** 12n]) {
        const at = clock.at(tick, 1_193_182n);
        expect([clock.ticks(1_193_182n, at) >= tick, clock.ticks(1_193_182n, at - 1) >= tick]).toEqual([true, false]);
      }
    }
    expect(() => new Clock(0.5)).toThrow(/whole number of instructions per second/);
  });
});

describe('ports', () => {
  test('an 8-bit device sees a wide access as one a byte, at consecutive ports', () => {
    const ports = new Ports();
    const seen: number[][] = [];
    ports.attach(0x10, { width: 1, read: (port) => port, write: (...access) => void seen.push(access) }, 4);
    expect(ports.read(0x10, 4)).toBe(0x1312_1110n);
    ports.write(0x11, 2, 0xbeefn);
    expect(seen).toEqual([[0x11, 1, 0xef], [0x12, 1, 0xbe]]);
  });

  test('the open bus reads ones and loses writes, by byte where a device is next to it; it has to be asked for', () => {
    const ports = new Ports();
    ports.attach(0x11, { width: 1, read: () => 5 });
    expect(() => ports.read(0x10, 2)).toThrow(/no device/);
    ports.absent = 'open bus';
    expect([ports.read(0x10, 2), ports.read(0x10, 1), ports.read(0x80, 4)]).toEqual([0x5ffn, 0xffn, 0xffff_ffffn]);
    expect(() => ports.write(0x10, 4, 0n)).not.toThrow();
  });
});

describe('ACPI fixed hardware', () => {
  const read = (power: AcpiPower, port: number, bytes: number): number => Array.from({ length: bytes }, (_, n) => power.read(port + n) * 2 ** (8 * n)).reduce((sum, byte) => sum + byte, 0);

  test.each([[24, 0x100_0000], [32, 0x1_0000_0000]] as const)('a timer of %i bits counts 3.579545 MHz, and tells when its highest bit changes', (timerBits, range) => {
    const clock = new FreeClock(1_000_000_000);
    const line = { level: false };
    const power = new AcpiPower(clock, (level) => { line.level = level; }, { timerBits });
    clock.advance(1_000_000_000);
    expect(read(power, 0x608, 4)).toBe(3_579_545);
    power.write(0x602, 1, 1);
    const half = clock.at(BigInt(range / 2), PM_TIMER_HERTZ);
    clock.advance(half - 1);
    expect([line.level, read(power, 0x600, 2)]).toEqual([false, 0]);
    clock.advance(half);
    expect([line.level, read(power, 0x600, 2), read(power, 0x608, 4)]).toEqual([true, 1, range / 2]);
    power.write(0x600, 1, 1);
    expect(line.level).toBe(false);
    clock.advance(2 * half);
    expect([line.level, read(power, 0x608, 4)]).toEqual([true, 0]);
  });

  test('SCI_EN is 1; the power button asks if it may; S5 is off and no other sleep is modelled', () => {
    const ended: string[] = [];
    const line = { level: false };
    const power = new AcpiPower(new FreeClock(), (level) => { line.level = level; }, { powerOff: () => ended.push('off') });
    expect(read(power, 0x604, 2)).toBe(1);
    power.pressPowerButton();
    expect(line.level).toBe(false);
    power.write(0x603, 1, 1);
    expect([line.level, read(power, 0x602, 2)]).toEqual([true, 0x100]);
    expect(() => power.write(0x605, 1, 0x20)).toThrow(/SLP_TYP 0/);
    power.write(0x605, 1, 0x34);
    expect(ended).toEqual(['off']);
  });
});

describe('ACPI tables', () => {
  const address = 0xe_0000;
  const image = acpiTables({ address, processors: [0, 1, 2], ioApicId: 3, timerBits: 32 });
  const view = new DataView(image.buffer);
  const text = (at: number, length: number): string => String.fromCharCode(...image.subarray(at, at + length));
  const table = (at: number) => ({ signature: text(at, 4), length: view.getUint32(at + 4, true), bytes: image.subarray(at, at + view.getUint32(at + 4, true)) });

  test('the root pointer leads to RSDT and XSDT, those to the same tables; all sums are 0', () => {
    expect([text(0, 8), checksum(image.subarray(0, 20)), checksum(image.subarray(0, 36)), image[15]]).toEqual(['RSD PTR ', 0, 0, 2]);
    const rsdt = view.getUint32(16, true) - address, xsdt = Number(view.getBigUint64(24, true)) - address;
    expect([table(rsdt).signature, table(xsdt).signature]).toEqual(['RSDT', 'XSDT']);
    const pointers = [0, 1].map((n) => view.getUint32(rsdt + 36 + 4 * n, true) - address);
    expect([0, 1].map((n) => Number(view.getBigUint64(xsdt + 36 + 8 * n, true)) - address)).toEqual(pointers);
    expect(pointers.map((at) => table(at).signature)).toEqual(['FACP', 'APIC']);
    for (const at of [rsdt, xsdt, ...pointers]) expect(checksum(table(at).bytes)).toBe(0);
    expect([table(rsdt).length, table(xsdt).length]).toEqual([44, 52]);
  });

  const fadt = view.getUint32(view.getUint32(16, true) - address + 36, true) - address;
  test('FADT: 244 bytes, FACS at a multiple of 64, DSDT, blocks at their ports in both forms', () => {
    const [facs, dsdt] = [36, 40].map((offset) => view.getUint32(fadt + offset, true) - address) as [number, number];
    expect([table(fadt).length, facs % 64, table(facs).signature, table(facs).length, table(dsdt).signature, checksum(table(dsdt).bytes)]).toEqual([244, 0, 'FACS', 64, 'DSDT', 0]);
    expect([view.getUint16(fadt + 46, true), view.getUint32(fadt + 48, true)]).toEqual([9, 0]);
    expect([56, 64, 76].map((offset) => view.getUint32(fadt + offset, true))).toEqual([0x600, 0x604, 0x608]);
    expect([88, 89, 91].map((offset) => image[fadt + offset])).toEqual([4, 2, 4]);
    expect([image[fadt + 108], view.getUint16(fadt + 109, true), view.getUint32(fadt + 112, true)]).toEqual([0x32, 7, 0x525]);
    expect([image[fadt + 116], view.getUint32(fadt + 120, true), image[fadt + 128]]).toEqual([1, 0xcf9, 6]);
    expect([132, 140].map((offset) => Number(view.getBigUint64(fadt + offset, true)) - address)).toEqual([facs, dsdt]);
    expect([148, 172, 208].map((offset) => [image[fadt + offset], image[fadt + offset + 1], view.getUint32(fadt + offset + 4, true)])).toEqual([[1, 32, 0x600], [1, 16, 0x604], [1, 32, 0x608]]);
  });

  test(String.raw`DSDT: \_S5 is a package of four with the sleep type of soft off`, () => {
    const dsdt = view.getUint32(fadt + 40, true) - address;
    expect([...table(dsdt).bytes.subarray(36)]).toEqual([8, 0x5f, 0x53, 0x35, 0x5f, 0x12, 8, 4, 0x0a, 5, 0x0a, 5, 0, 0]);
  });

  test('MADT: every entry by its length', () => {
    const madt = view.getUint32(view.getUint32(16, true) - address + 40, true) - address;
    expect(view.getUint32(madt + 36, true)).toBe(0xfee0_0000);
    const entries: number[][] = [];
    for (let at = madt + 44; at < madt + table(madt).length; at += image[at + 1]!) entries.push([...image.subarray(at, at + image[at + 1]!)]);
    expect(entries).toEqual([
      [0, 8, 0, 0, 1, 0, 0, 0], [0, 8, 1, 1, 1, 0, 0, 0], [0, 8, 2, 2, 1, 0, 0, 0], [1, 12, 3, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
      [2, 10, 0, 0, 2, 0, 0, 0, 0, 0], [2, 10, 0, 9, 9, 0, 0, 0, 0xd, 0], [4, 6, 0xff, 0, 0, 1],
    ]);
  });

  test('a PC has them where kernels search', () => {
    const pc = new Pc({ cpus: 3 });
    expect([...pc.memory.readBytes(0xe_0000n, image.length)]).toEqual([...image]);
    expect(new Pc({ firmware: false }).memory.read(0xe_0000n, 8)).toBe(0n);
  });
});

describe('keyboard controller', () => {
  function keyboard() {
    const events: string[] = [];
    const line = { level: false };
    const device = new KeyboardController((level) => { line.level = level; }, () => events.push('reset'));
    const answers = (): number[] => {
      const all: number[] = [];
      while (device.read(0x64) & 1) all.push(device.read(0x60));
      return all;
    };
    return { device, events, line, answers, command: (value: number) => device.write(0x64, 1, value), data: (value: number) => device.write(0x60, 1, value) };
  }

  test('self-test, interface test, command byte, output port', () => {
    const { command, data, answers } = keyboard();
    for (const value of [0xaa, 0xab]) command(value);
    command(0x60);
    data(0x47);
    command(0x20);
    command(0xd0);
    expect(answers()).toEqual([0x55, 0, 0x47, 0xcf]);
  });

  test('A20 through D1h stays on; turning it off is not modelled; FEh resets', () => {
    const { command, data, events } = keyboard();
    command(0xd1);
    data(0xdf);
    command(0xd1);
    expect(() => data(0xdd)).toThrow(/address line 20 turned off by the keyboard controller/);
    command(0xfe);
    expect(events).toEqual(['reset']);
  });

  test('the keyboard answers, and each byte is an interrupt if enabled', () => {
    const { device, command, data, answers, line } = keyboard();
    data(0xff);
    expect(line.level).toBe(true);
    expect(answers()).toEqual([0xfa, 0xaa]);
    expect(line.level).toBe(false);
    for (const value of [0xf2, 0xed, 7, 0xee, 0x12]) data(value);
    expect(answers()).toEqual([0xfa, 0xab, 0x83, 0xfa, 0xfa, 0xee, 0xfe]);
    command(0x60);
    data(0x44);
    device.press([0x1e]);
    expect([line.level, answers()]).toEqual([false, [0x1e]]);
  });
});

describe('PCI', () => {
  test('a host bridge at 0:0.0 and nothing else; without the enable bit, ones', () => {
    const pci = new PciConfiguration(() => {});
    const read = (address: number, port = 0xcfc, bytes = 4): number => {
      pci.write(0xcf8, 4, address);
      return pci.read(port, bytes) >>> 0;
    };
    expect([read(0x8000_0000), read(0x8000_0008), read(0x8000_0800), read(0x8001_0000), read(0)]).toEqual([0x1237_8086, 0x0600_0002, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff]);
    expect([read(0x8000_0008, 0xcff, 1) & 0xff, pci.read(0xcf8, 4)]).toEqual([6, 0x8000_0008]);
  });
});

test('firmware finds the size of memory in CMOS, with a checksum', () => {
  const pc = new Pc({ cpus: 2, memory: 0x800_0000 });
  const cmos = (at: number): number => {
    pc.ports.write(0x70, 1, BigInt(at));
    return Number(pc.ports.read(0x71, 1));
  };
  const word = (at: number): number => cmos(at) | (cmos(at + 1) << 8);
  expect([word(0x15), word(0x17), word(0x30), word(0x34), cmos(0x5f)]).toEqual([640, 0xfc00, 0xfc00, 0x700, 1]);
  const sum = Array.from({ length: 0x1e }, (_, n) => cmos(0x10 + n)).reduce((all, byte) => all + byte, 0);
  expect((cmos(0x2e) << 8) | cmos(0x2f)).toBe(sum);
});

test('the serial port of a PC: a program writes, reads, and is interrupted', () => {
  const pc = new Pc({ program: assemble(`
        mov    word ptr [0x0c * 4], received
        mov    word ptr [0x0c * 4 + 2], 0
        mov    al, 0xef
        out    0x21, al             ; IRQ 4
        mov    dx, 0x3f9
        mov    al, 1
        out    dx, al
        mov    dx, 0x3fc
        mov    al, 8                ; OUT2
        out    dx, al
        sti
wait:   hlt
        jmp    wait
received:
        mov    dx, 0x3f8
        in     al, dx
        cmp    al, '.'
        je     last
        sub    al, 32
        out    dx, al
        mov    al, 0x20
        out    0x20, al
        iret
last:   mov    al, 0
        out    0xf4, al
        iret
`, { mode: 16 }) });
  pc.board.serial[0].send(Array.from('hello.', (letter) => letter.codePointAt(0)!));
  expect(pc.run({ limit: 10_000 })).toMatchObject({ reason: 'exit', code: 1 });
  expect(pc.board.serialText).toBe('HELLO');
});

test('the local APIC timer wakes a 32-bit program through its IDT', () => {
  const pc = new Pc({ program: assemble(`
        bits   16
        mov    ax, 0
        mov    ds, ax
        cli
        ${intoFlat('flat')}
        mov    ax, 0x10
        mov    ds, ax
        mov    ss, ax
        mov    esp, 0x7000
        lidt   [idt]
        mov    ebx, 0xfee00000
        mov    dword ptr [ebx + 0xf0], 0x1ff
        mov    dword ptr [ebx + 0x3e0], 0xb
        mov    dword ptr [ebx + 0x320], 0x20020
        mov    dword ptr [ebx + 0x380], 1000
        sti
wait:   hlt
        cmp    ecx, 3
        jb     wait
        mov    al, cl
        out    0xf4, al
tick:   inc    ecx
        mov    dword ptr [ebx + 0xb0], 0
        iretd
        ${FLAT_TABLE}
idt:    dw     0x107
        dd     gates
gates:  resb   0x100
        dw     tick, 8, 0x8e00, 0
`, { mode: 16, origin: 0x7c00n }) });
  const stop = pc.run({ limit: 1_000_000 });
  expect(stop).toMatchObject({ reason: 'exit', code: 7 });
  // Three periods of 1000 ticks at 100 MHz, 10 instructions each.
  expect(stop.time).toBeGreaterThan(30_000);
  expect(stop.time).toBeLessThan(30_050);
});
