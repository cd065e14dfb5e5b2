/** Everything of a PC but its processors: devices at their ports and addresses, and interrupt lines between them. */

import type { Machine } from '../machine.ts';
import { PAGE } from '../memory/address.ts';
import type { Memory } from '../memory/physical.ts';
import { DebugPort, type PortDevice, type Ports } from '../ports.ts';
import { acpiTables } from './acpi-tables.ts';
import { ApicBus } from './apic-bus.ts';
import { leaveBiosDataArea } from './bios-data-area.ts';
import type { Clock } from './clock.ts';
import { cmosBytes } from './cmos.ts';
import { CoprocessorError } from './coprocessor-error.ts';
import { copy } from './device.ts';
import { IO_APIC_ADDRESS, IoApic } from './io-apic.ts';
import { KeyboardController } from './keyboard-controller.ts';
import { LOCAL_APIC_ADDRESS, LocalApic } from './local-apic.ts';
import { PciConfiguration } from './pci.ts';
import { Pic } from './pic.ts';
import { Pit } from './pit.ts';
import { AcpiPower } from './power.ts';
import { Rtc } from './rtc.ts';
import { ExitPort, PostPort, SystemControlPort } from './simple-ports.ts';
import { Uart } from './uart.ts';

export interface BoardOptions {
  /** What the guest sends through COM1; by default it is collected in `serialText`. */
  serial?: ((byte: number) => void) | undefined;
  /** How fast serial ports are. Default: `immediate`. */
  serialTiming?: 'immediate' | 'baud' | undefined;
  /** Date and time at the beginning, in seconds since 1970. Default: 2020-01-01 00:00:00. */
  startTime?: number | undefined;
  /**
   * Hertz of the local APIC timers before they are divided. Default: the crystal that CPUID tells of, else a bus of 100
   * MHz. SDM vol. 3A, 10.5.4.
   */
  busFrequency?: number | undefined;
  timerBits?: 24 | 32 | undefined;
  /** Takes codes written to ports 80h and 190h. */
  post?: ((code: number) => void) | undefined;
}

/** What the board asks of whoever runs the machine. */
export interface BoardEvents {
  exit(code: number): void;
  powerOff(): void;
  reset(): void;
}

/** 2020-01-01 00:00:00. */
const START_TIME = 1_577_836_800;
const BUS_FREQUENCY = 100_000_000;
/** Where firmware leaves the ACPI tables: where kernels search, and RAM. */
const ACPI_ADDRESS = 0xe_0000;

export class Board {
  readonly pic = new Pic();
  readonly bus = new ApicBus();
  readonly ioApic: IoApic;
  readonly pit: Pit;
  readonly rtc: Rtc;
  /** COM1 and COM2. */
  readonly serial: readonly [Uart, Uart];
  readonly power: AcpiPower;
  readonly keyboard: KeyboardController;
  readonly pci: PciConfiguration;
  readonly coprocessorError: CoprocessorError;
  readonly post: readonly PostPort[];
  readonly debug = new DebugPort();
  readonly localApics: LocalApic[] = [];
  /** What COM1 sent, when nobody else takes it. */
  serialText = '';
  readonly #clock: Clock;
  readonly #busFrequency: bigint;

  /** A board for so many processors, with `size` bytes of RAM. */
  constructor(
    clock: Clock, memory: Memory, ports: Ports, { processors, size }: { processors: number; size: number },
    events: BoardEvents, options: BoardOptions = {},
  ) {
    this.#clock = clock;
    this.#busFrequency = BigInt(options.busFrequency ?? BUS_FREQUENCY);
    const line = (irq: number) => (level: boolean): void => this.setIrq(irq, level);
    const collect = (byte: number): void => { this.serialText += String.fromCharCode(byte); };
    const timing = options.serialTiming ?? 'immediate';
    this.ioApic = new IoApic(this.bus, processors);
    this.pit = new Pit(clock, line(0));
    this.keyboard = new KeyboardController(line(1), events.reset);
    this.serial = [
      new Uart(clock, line(4), { timing, output: options.serial ?? collect }), new Uart(clock, line(3), { timing }),
    ];
    this.rtc = new Rtc(
      clock, line(8), { startTime: options.startTime ?? START_TIME, bytes: cmosBytes(size, processors) },
    );
    this.power = new AcpiPower(
      clock, line(9), { powerOff: events.powerOff, ...(options.timerBits ? { timerBits: options.timerBits } : {}) },
    );
    this.pci = new PciConfiguration(events.reset);
    this.coprocessorError = new CoprocessorError(line(13));
    this.post = PostPort.PORTS.map(() => new PostPort(options.post));
    // INTR of the PICs goes to LINT0 of the processor that boots, and to pin 0 of the I/O APIC.
    this.pic.output = (level) => {
      this.localApics[0]?.setLint(0, level);
      this.ioApic.setLine(0, level);
    };
    this.#attachPorts(ports, events);
    memory.attach(IO_APIC_ADDRESS, PAGE, this.ioApic);
    memory.attach(LOCAL_APIC_ADDRESS, PAGE, {
      read: (offset, bytes, processor) =>
        this.#memoryMapped(processor)?.read(offset, bytes) ?? BigInt.asUintN(8 * bytes, -1n),
      write: (offset, bytes, value, processor) => this.#memoryMapped(processor)?.write(offset, bytes, value),
    });
  }

  #attachPorts(ports: Ports, events: BoardEvents): void {
    const several: readonly (readonly [PortDevice, readonly number[]])[] = [
      [this.pic, Pic.PORTS], [this.pit, Pit.PORTS], [this.rtc, Rtc.PORTS], [this.keyboard, KeyboardController.PORTS],
      [new ExitPort(events.exit), [ExitPort.PORT]], [new SystemControlPort(events.reset), [SystemControlPort.PORT]],
      [this.debug, [0xe9]], [this.coprocessorError, [CoprocessorError.PORT]],
    ];
    for (const [device, numbers] of several) for (const port of numbers) ports.attach(port, device);
    this.post.forEach((device, n) => ports.attach(PostPort.PORTS[n]!, device));
    ports.attach(0x3f8, this.serial[0], Uart.PORTS);
    ports.attach(0x2f8, this.serial[1], Uart.PORTS);
    ports.attach(AcpiPower.FIRST, this.power, AcpiPower.PORTS);
    ports.attach(PciConfiguration.FIRST, this.pci, PciConfiguration.PORTS);
  }

  /** The local APIC of `processor` where its registers are in memory: not while it is disabled or in x2APIC mode. */
  #memoryMapped(processor: number): LocalApic | undefined {
    const apic = this.localApics[processor];
    return apic?.enabled && !apic.x2apic ? apic : undefined;
  }

  /** Gives a processor its local APIC. */
  connect(machine: Machine, id: number): void {
    const { execution } = machine;
    const apic = new LocalApic(execution, {
      id, clock: this.#clock, busFrequency: this.#busFrequency, bus: this.bus, processor: machine.interrupts,
      acknowledgeExternal: () => this.pic.acknowledge(),
    });
    this.localApics.push(apic);
    machine.interrupts.controller = apic;
    execution.apic = apic;
    execution.coprocessor = this.coprocessorError.pins(this.localApics.length - 1);
  }

  /** Interrupt request line `irq`: an input of the PICs and of the I/O APIC, where IRQ 0 is pin 2. */
  setIrq(irq: number, level: boolean): void {
    this.pic.setLine(irq, level);
    this.ioApic.setLine(irq === 0 ? 2 : irq, level);
  }

  /**
   * Leaves the devices as firmware does: PICs at vectors 8 and 70h and masked, the PIT at 18.2 Hz, virtual wire, ACPI
   * tables.
   */
  leaveFirmware(memory: Memory): void {
    const commands = [
      [0x20, 0x11], [0x21, 8], [0x21, 4], [0x21, 1], [0x21, 0xff], [0xa0, 0x11], [0xa1, 0x70], [0xa1, 2], [0xa1, 1],
      [0xa1, 0xff],
    ] as const;
    for (const [port, value] of commands) this.pic.write(port, 1, value);
    for (const [port, value] of [[0x43, 0x36], [0x40, 0], [0x40, 0]] as const) this.pit.write(port, 1, value);
    this.localApics[0]?.enableVirtualWire();
    leaveBiosDataArea(memory);
    const processors = this.localApics.map(({ id }) => id);
    memory.writeBytes(
      BigInt(ACPI_ADDRESS),
      acpiTables({ address: ACPI_ADDRESS, processors, ioApicId: processors.length, timerBits: this.power.timerBits }),
    );
  }

  #parts(): readonly { snapshot(): unknown; restore(snapshot: never): void }[] {
    return [
      this.pic, this.pit, this.rtc, ...this.serial, this.power, this.keyboard, this.pci, this.coprocessorError,
      ...this.post, this.ioApic, ...this.localApics,
    ];
  }

  snapshot(): BoardSnapshot {
    return {
      parts: this.#parts().map((part) => part.snapshot()), serialText: this.serialText, debugText: this.debug.text,
    };
  }

  restore({ parts, serialText, debugText }: BoardSnapshot): void {
    this.#parts().forEach((part, n) => part.restore(copy(parts[n]) as never));
    this.serialText = serialText;
    this.debug.text = debugText;
  }
}

export interface BoardSnapshot {
  readonly parts: readonly unknown[];
  readonly serialText: string;
  readonly debugText: string;
}
