/** Xen boots: from its Multiboot entry to the panic that no kernel for domain 0 can be made of an empty module. */

import { cpus, type CpuProfile } from 'hidden-state';
import { type Outcome, run } from 'hidden-state/run';
import { describe, expect, test } from 'vitest';
import { foreignBytes, foreignFile, unless } from './packages.ts';

const XEN = foreignFile('boot', /^xen-[\d.]+-amd64\.gz$/);
const OPTIONS = 'com1=115200,8n1 console=com1 loglvl=all no-real-mode noreboot';
/** Its delays are by the clock: at 10 MHz they take few instructions. */
const FREQUENCY = 1e7;
const LIMIT = 60_000_000, TIMEOUT = 300_000;

interface Boot { readonly outcome: Outcome; readonly text: string; readonly lines: readonly string[] }

function boot(cpu: CpuProfile, { options = OPTIONS, processors = 1, module = true }: { options?: string; processors?: number; module?: boolean } = {}): Boot {
  let text = '';
  const outcome = run(foreignBytes(XEN!), {
    cpu, cpus: processors, memory: 0x1000_0000, frequency: FREQUENCY, limit: LIMIT, commandLine: `xen ${options}`,
    modules: module ? [{ bytes: new Uint8Array(4096), string: 'nothing' }] : [],
    serial: (byte) => { text += String.fromCharCode(byte); },
  });
  return { outcome, text, lines: text.split('\r\n').map((line) => line.replace(/^\(XEN\) /, '')) };
}

/** Everything that Xen brings up before there is a guest. */
function expectToBeUp({ outcome, lines, text }: Boot, processors: number): void {
  expect(lines).toContain('ACPI: PM-Timer IO Port: 0x608 (32 bits)');
  expect(lines).toContain(`IOAPIC[0]: apic_id ${processors}, version 17, address 0xfec00000, GSI 0-23`);
  expect(lines).toContain('Platform timer is 3.580MHz ACPI PM Timer');
  expect(text).toMatch(/Detected (9\.99\d|10\.00\d) MHz processor/);
  // The interrupt of the PIT came through the I/O APIC at once: Xen would try other ways with words.
  expect(text).toMatch(/\.\.TIMER: vector=0xF0 apic1=0 pin1=2 apic2=-1 pin2=-1\r\n\(XEN\) (?!\.\.)/);
  expect(lines).toContain(`Brought up ${processors} CPUs`);
  expect(lines).toContain('NX (Execute Disable) protection active');
  expect(lines).toContain('*** Building a PV Dom0 ***');
  expect(lines).toContain('ELF: not an ELF binary');
  expect(lines).toContain('Could not construct domain 0');
  expect(lines).toContain("Manual reset required ('noreboot' specified)");
  expect(outcome.reason).toBe('halted');
}

describe.skipIf(!XEN)(`Xen${unless(XEN)}`, () => {
  test('comes up on a Haswell in x2APIC mode', () => {
    const up = boot(cpus.haswell);
    expectToBeUp(up, 1);
    expect(up.text).toContain('Family 6 (0x6), Model 60 (0x3c), Stepping 3 (raw 000306c3)');
    expect(up.lines).toContain('Switched to APIC driver x2apic_mixed');
    expect(up.lines).toContain('xstate: size: 0x340 and states: 0x7');
  }, TIMEOUT);

  test('starts the second processor of an Ivy Bridge, in xAPIC mode', () => {
    const up = boot(cpus.ivyBridge, { processors: 2, options: `${OPTIONS} x2apic=0` });
    expectToBeUp(up, 2);
    expect(up.text).not.toContain('x2apic_mixed');
    expect(up.lines).toContain('Adding cpu 1 to runqueue 0');
  }, TIMEOUT);

  test('comes up on a Sapphire Rapids', () => {
    const up = boot(cpus.sapphireRapids, { options: `${OPTIONS} no-xsave` });
    expectToBeUp(up, 1);
    expect(up.text).toContain('Family 6 (0x6), Model 143 (0x8f)');
  }, TIMEOUT);

  // It hides features from its guests by AMD's registers of what CPUID reports.
  test('starts the second processor of a Zen 3, in x2APIC mode', () => {
    const up = boot(cpus.zen3, { processors: 2, options: `${OPTIONS} no-xsave` });
    expectToBeUp(up, 2);
    expect(up.text).toContain('CPU Vendor: AMD, Family 25 (0x19), Model 33 (0x21), Stepping 0 (raw 00a20f10)');
    expect(up.lines).toContain('Switched to APIC driver x2apic_mixed');
  }, TIMEOUT);

  test('without a module it panics early, and resets the machine', () => {
    const { outcome, lines } = boot(cpus.haswell, { module: false, options: OPTIONS.replace('noreboot', 'reboot=acpi') });
    expect(lines).toContain('dom0 kernel not specified. Check bootloader configuration');
    expect(lines).toContain('Reboot in five seconds...');
    expect(outcome.reason).toBe('reset');
  }, TIMEOUT);
});
