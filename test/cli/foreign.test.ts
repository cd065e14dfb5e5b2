/** Software that was not written for this engine, where the machine that tests has it: Debian's package bochsbios. */

import { existsSync, readFileSync } from 'node:fs';
import { DebugPort } from 'hidden-state';
import { run } from 'hidden-state/run';
import { describe, expect, test } from 'vitest';

const bios = '/usr/share/bochs/BIOS-bochs-latest';
const there = existsSync(bios);
const why = there ? '' : ` (skipped: there is no ${bios}; apt-get install bochsbios)`;

describe.skipIf(!there)(`the firmware of Bochs${why}`, () => {
  test('starts from RESET, goes to protected mode, counts three processors and waits for its timer', () => {
    const port = new DebugPort();
    const outcome = run(readFileSync(bios), { rom: true, cpus: 3, memory: 0x400_0000, limit: 20_000_000, ports: { 0x402: port } });
    expect(port.text).toMatch(/^\$Revision: [^]*\nStarting rombios32\n/);
    expect(port.text).toContain('\nFound 3 cpu(s)\n');
    expect(port.text).toMatch(/\nSMBIOS table addr=0x000f/);
    expect(outcome.reason).toBe('limit');
    expect(outcome.report()).toMatch(/\n {2}real-address mode, paging off [^\n]*\n\n {2}→ f000:\w{4} {2}f4 {24}hlt\n/);
  }, 60_000);
});
