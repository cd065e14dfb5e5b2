/** ACPI tables of the machine. ACPI Specification 3.0b, 5.2: from the root pointer to the MADT. There is no HPET. */

import { IO_APIC_ADDRESS } from './io-apic.ts';
import { LOCAL_APIC_ADDRESS } from './local-apic.ts';
import { PM1_CONTROL, PM1_EVENT, PM_TIMER, SLEEP_S5 } from './power.ts';

export interface AcpiOptions {
  /** Where the tables go: RAM, below 1 MiB for those who search there, at a multiple of 64. */
  address: number;
  /** Local APIC identifiers, the processor that boots first. */
  processors: readonly number[];
  ioApicId: number;
  timerBits: 24 | 32;
}

const HEADER = 36;
/** The system control interrupt, and the port and value that reset the machine. */
const SCI = 9;
const RESET_PORT = 0xcf9, RESET_VALUE = 6;
const CENTURY_REGISTER = 0x32;

/** Bytes written in order, little-endian. */
class Writer {
  readonly bytes: number[] = [];

  put(size: 1 | 2 | 4 | 8, ...values: (number | bigint)[]): this {
    for (const value of values) {
      for (let n = 0; n < size; n++) this.bytes.push(Number((BigInt(value) >> BigInt(8 * n)) & 0xffn));
    }
    return this;
  }

  text(text: string, length = text.length): this {
    this.bytes.push(...Array.from(text.padEnd(length), (letter) => letter.codePointAt(0)!));
    return this;
  }

  zeros(count: number): this {
    this.bytes.push(...Array.from({ length: count }, () => 0));
    return this;
  }
}

/** The byte that makes all of them add up to 0. */
export const checksum = (bytes: Iterable<number>): number =>
  -Array.from(bytes).reduce((sum, byte) => sum + byte, 0) & 0xff;

function table(signature: string, revision: number, body: readonly number[]): number[] {
  const writer = new Writer().text(signature).put(4, HEADER + body.length).put(1, revision, 0)
    .text('HIDDEN', 6).text('STATE', 8).put(4, 1).text('HDST').put(4, 1);
  const bytes = [...writer.bytes, ...body];
  bytes[9] = checksum(bytes);
  return bytes;
}

/** Name (\_S5, Package { SLP_TYPa, SLP_TYPb, 0, 0 }) in AML: 18.2.5.1, 18.2.5.4. */
const DSDT_BODY: readonly number[] = [
  0x08, ...Array.from('_S5_', (letter) => letter.codePointAt(0)!), 0x12, 8, 4, 0x0a, SLEEP_S5, 0x0a, SLEEP_S5, 0, 0,
];

/** A register in I/O space: a generic address structure, 5.2.3.1. */
const ioRegister = (writer: Writer, bytes: number, port: number): Writer =>
  port ? writer.put(1, 1, 8 * bytes, 0, bytes === 4 ? 3 : bytes).put(8, port) : writer.zeros(12);

/** Table 5-9. Legacy devices and a keyboard controller are there, VGA is not. */
function fixedDescription({ timerBits }: AcpiOptions, facs: number, dsdt: number): number[] {
  // WBINVD, PROC_C1, SLP_BUTTON, TMR_VAL_EXT, RESET_REG_SUP
  const flags = 1 | 4 | 0x20 | (timerBits === 32 ? 0x100 : 0) | 0x400;
  const writer = new Writer().put(4, facs, dsdt).put(1, 0, 1).put(2, SCI).put(4, 0).put(1, 0, 0, 0, 0)
    .put(4, PM1_EVENT, 0, PM1_CONTROL, 0, 0, PM_TIMER, 0, 0).put(1, 4, 2, 0, 4, 0, 0, 0, 0)
    .put(2, 0xfff, 0xfff, 0, 0).put(1, 0, 0, 0, 0, CENTURY_REGISTER).put(2, 7).put(1, 0).put(4, flags);
  ioRegister(writer, 1, RESET_PORT).put(1, RESET_VALUE, 0, 0, 0).put(8, facs, dsdt);
  for (const [bytes, port] of [
    [4, PM1_EVENT], [0, 0], [2, PM1_CONTROL], [0, 0], [0, 0], [4, PM_TIMER], [0, 0], [0, 0],
  ] as const) {
    ioRegister(writer, bytes, port);
  }
  return table('FACP', 4, writer.bytes);
}

/**
 * 5.2.11. Local APICs, the I/O APIC, IRQ 0 at its pin 2, the SCI level-triggered and active high, NMI at LINT1 of all.
 */
function interruptDescription({ processors, ioApicId }: AcpiOptions): number[] {
  const writer = new Writer().put(4, LOCAL_APIC_ADDRESS, 1);
  processors.forEach((id, n) => writer.put(1, 0, 8, n, id).put(4, 1));
  writer.put(1, 1, 12, ioApicId, 0).put(4, IO_APIC_ADDRESS, 0);
  writer.put(1, 2, 10, 0, 0).put(4, 2).put(2, 0);
  writer.put(1, 2, 10, 0, SCI).put(4, SCI).put(2, 0xd);
  writer.put(1, 4, 6, 0xff).put(2, 0).put(1, 1);
  return table('APIC', 2, writer.bytes);
}

/** All tables, the root pointer first, to be written to RAM at `address`. */
export function acpiTables(options: AcpiOptions): Uint8Array {
  const { address } = options;
  if (address % 64 !== 0 || options.processors.length > 128) {
    throw new RangeError('ACPI tables go to a multiple of 64, with up to 128 processors');
  }
  const image: number[] = new Array<number>(64).fill(0);
  /** Appends at a multiple of 64: the FACS needs it, the others may have it. */
  const place = (bytes: readonly number[]): number => {
    const at = image.length;
    image.push(...bytes, ...new Array<number>(-bytes.length & 63).fill(0));
    return address + at;
  };
  const facs = place(new Writer().text('FACS').put(4, 64).zeros(24).put(1, 1).zeros(31).bytes);
  const dsdt = place(table('DSDT', 1, DSDT_BODY));
  const tables = [place(fixedDescription(options, facs, dsdt)), place(interruptDescription(options))];
  const rsdt = place(table('RSDT', 1, new Writer().put(4, ...tables).bytes));
  const xsdt = place(table('XSDT', 1, new Writer().put(8, ...tables).bytes));
  const root = new Writer().text('RSD PTR ').put(1, 0).text('HIDDEN', 6).put(1, 2)
    .put(4, rsdt, 36).put(8, xsdt).put(1, 0, 0, 0, 0).bytes;
  root[8] = checksum(root.slice(0, 20));
  root[32] = checksum(root);
  root.forEach((byte, n) => { image[n] = byte; });
  return Uint8Array.from(image);
}
