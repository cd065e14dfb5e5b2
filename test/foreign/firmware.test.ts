import { DebugPort, Pc, cpus } from 'hidden-state';
import { run } from 'hidden-state/run';
import { describe, expect, test } from 'vitest';
import { foreignBytes, foreignFile, unless } from './packages.ts';

const BOCHS_BIOS = foreignFile('usr/share/bochs', /^BIOS-bochs-latest$/);
const SEABIOS = foreignFile('usr/share/seabios', /^bios\.bin$/);
/** Where both print what they do. */
const DEBUG_PORTS = [0x402, 0x403];

const MOST = 400_000_000, TIMEOUT = 120_000;

/**
 * Runs a 128 KiB BIOS from RESET, at the top of the address space and below 1 MiB, where it is RAM, on two processors,
 * until it has said `last`. Answers all that it said.
 */
function boot(file: string, last: string): string {
  const bios = foreignBytes(file);
  let text = '';
  const pc = new Pc({ cpu: cpus.haswell, cpus: 2, memory: 0x400_0000, firmware: false, startTime: Date.UTC(2026, 10, 21) / 1000 });
  for (const port of DEBUG_PORTS) pc.ports.attach(port, { read: () => 0xe9, write: (_port, _bytes, value) => { text += String.fromCharCode(value & 0xff); } });
  pc.memory.rom(BigInt(0x1_0000_0000 - bios.length), bios);
  pc.memory.writeBytes(BigInt(0x10_0000 - bios.length), bios);
  while (!text.includes(last) && pc.time < MOST) pc.run({ limit: 1_000_000 });
  return text;
}

describe('foreign firmware', () => {
  test.skipIf(!SEABIOS)(`SeaBIOS finds memory, processors, devices and the speed, and looks for something to boot${unless(SEABIOS)}`, () => {
    const text = boot(SEABIOS!, 'Press ESC for boot menu');
    expect(text).toContain('RamSize: 0x04000000 [cmos]');
    expect(text).toContain('Found 1 PCI devices');
    expect(text).toContain('Found 2 cpu(s) max supported 2 cpu(s)');
    expect(text).toContain('CPU Mhz=1000');
    expect(text).toContain('PS2 keyboard initialized');
    expect(text).toContain('Found 2 serial ports');
    expect(text).toContain('Press ESC for boot menu');
  }, TIMEOUT);

  test.skipIf(!BOCHS_BIOS)(`Bochs's BIOS starts the second processor, and builds its tables${unless(BOCHS_BIOS)}`, () => {
    const text = boot(BOCHS_BIOS!, 'MP table addr=');
    expect(text).toContain('ram_size=0x04000000');
    expect(text).toContain('Found 2 cpu(s)');
    expect(text).toContain('vendor_id=0x8086 device_id=0x1237 class=0x0600');
    expect(text).toContain('MP table addr=');
  }, TIMEOUT);

  test.skipIf(!BOCHS_BIOS)(`Bochs's BIOS, run as a ROM, counts three processors and waits for its timer${unless(BOCHS_BIOS)}`, () => {
    const port = new DebugPort();
    const outcome = run(foreignBytes(BOCHS_BIOS!), { rom: true, cpus: 3, memory: 0x400_0000, limit: 20_000_000, ports: { 0x402: port } });
    expect(port.text).toMatch(/^\$Revision: [^]*\nStarting rombios32\n/);
    expect(port.text).toContain('\nFound 3 cpu(s)\n');
    expect(port.text).toMatch(/\nSMBIOS table addr=0x000f/);
    expect(outcome.reason).toBe('limit');
    expect(outcome.report()).toMatch(/\n {2}real-address mode, paging off [^\n]*\n\n {2}→ f000:\w{4} {2}f4 {24}hlt\n/);
  }, TIMEOUT);
});
