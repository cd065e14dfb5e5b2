/** Xen boots: from its Multiboot entry to the panic that no kernel for domain 0 can be made of an empty module. */

import { gunzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { Workplace } from '../cli/command.ts';
import { foreignFile, unless } from './packages.ts';

const XEN = foreignFile('boot', /^xen-[\d.]+-amd64\.gz$/);
const OPTIONS = 'com1=115200,8n1 console=com1 loglvl=all no-real-mode noreboot';
const TIMEOUT = 300_000;

const work = new Workplace();
afterAll(() => work.remove());
if (XEN) work.write('xen', gunzipSync(readFileSync(XEN)));
work.write('nothing', new Uint8Array(4096));

interface Boot { readonly code: number | null; readonly end: string; readonly text: string; readonly lines: readonly string[] }

/** Boots Xen on a processor. Its delays are by the clock: at 10 MHz they take few instructions. */
async function boot(cpu: string, { options = OPTIONS, processors = 1, module = true } = {}): Promise<Boot> {
  const { code, stdout, stderr } = await work.run([
    'run', 'xen', '--append', options, ...(module ? ['--module', 'nothing'] : []), '--cpu', cpu, '--cpus', String(processors), '--memory', '256M',
    '--frequency', '1e7', '--limit', '6e7', '--serial', 'stdout',
  ]);
  return { code, end: stderr.split('\n')[0]!, text: stdout, lines: stdout.split(/\r?\n/).map((line) => line.replace(/^\(XEN\) /, '')) };
}

/** Everything that Xen brings up before there is a guest. */
function expectToBeUp({ code, end, lines, text }: Boot, processors: number): void {
  expect(lines).toContain('ACPI: PM-Timer IO Port: 0x608 (32 bits)');
  expect(lines).toContain(`IOAPIC[0]: apic_id ${processors}, version 17, address 0xfec00000, GSI 0-23`);
  expect(lines).toContain('Platform timer is 3.580MHz ACPI PM Timer');
  expect(text).toMatch(/Detected (9\.99\d|10\.00\d) MHz processor/);
  // The interrupt of the PIT came through the I/O APIC at once: Xen would try other ways with words.
  expect(text).toMatch(/\.\.TIMER: vector=0xF0 apic1=0 pin1=2 apic2=-1 pin2=-1\r?\n\(XEN\) (?!\.\.)/);
  expect(lines).toContain(`Brought up ${processors} CPUs`);
  expect(lines).toContain('NX (Execute Disable) protection active');
  expect(lines).toContain('*** Building a PV Dom0 ***');
  expect(lines).toContain('ELF: not an ELF binary');
  expect(lines).toContain('Could not construct domain 0');
  expect(lines).toContain("Manual reset required ('noreboot' specified)");
  expect([code, end]).toEqual([0, expect.stringMatching(/^halted with interrupts off after [\d,]+ instructions$/)]);
}

describe.skipIf(!XEN)(`Xen${unless(XEN)}`, () => {
  test('comes up on a Haswell in x2APIC mode', async () => {
    const up = await boot('haswell');
    expectToBeUp(up, 1);
    expect(up.text).toContain('Family 6 (0x6), Model 60 (0x3c), Stepping 3 (raw 000306c3)');
    expect(up.lines).toContain('Switched to APIC driver x2apic_mixed');
    expect(up.lines).toContain('xstate: size: 0x340 and states: 0x7');
  }, TIMEOUT);

  test('starts the second processor of an Ivy Bridge, in xAPIC mode', async () => {
    const up = await boot('ivyBridge', { processors: 2, options: `${OPTIONS} x2apic=0` });
    expectToBeUp(up, 2);
    expect(up.text).not.toContain('x2apic_mixed');
    expect(up.lines).toContain('Adding cpu 1 to runqueue 0');
  }, TIMEOUT);

  test('comes up on a Sapphire Rapids', async () => {
    const up = await boot('sapphireRapids', { options: `${OPTIONS} no-xsave` });
    expectToBeUp(up, 1);
    expect(up.text).toContain('Family 6 (0x6), Model 143 (0x8f)');
  }, TIMEOUT);

  // It hides features from its guests by AMD's registers of what CPUID reports.
  test('starts the second processor of a Zen 3, in x2APIC mode', async () => {
    const up = await boot('zen3', { processors: 2, options: `${OPTIONS} no-xsave` });
    expectToBeUp(up, 2);
    expect(up.text).toContain('CPU Vendor: AMD, Family 25 (0x19), Model 33 (0x21), Stepping 0 (raw 00a20f10)');
    expect(up.lines).toContain('Switched to APIC driver x2apic_mixed');
  }, TIMEOUT);

  test('without a module it panics early, and resets the machine', async () => {
    const { code, end, lines } = await boot('haswell', { module: false, options: OPTIONS.replace('noreboot', 'reboot=acpi') });
    expect(lines).toContain('dom0 kernel not specified. Check bootloader configuration');
    expect(lines).toContain('Reboot in five seconds...');
    expect([code, end]).toEqual([10, expect.stringMatching(/^stopped where the guest reset the machine, after [\d,]+ instructions$/)]);
  }, TIMEOUT);
});
