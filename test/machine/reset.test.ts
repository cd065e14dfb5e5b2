/** Power-up, RESET, INIT and the start-up IPI. SDM vol. 3A, table 9-1 and 8.4. */

import { Machine, RESET_TABLE, STARTUP_TABLE, assemble, cpus, printCitation } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { FIELDS } from '../../spec/src/state/fields.ts';

/** A machine all of whose state is wrong for any start. */
function scrambled(): Machine {
  const machine = new Machine(undefined, { cpu: cpus.ivyBridge });
  machine.state.bytes.fill(0xa5);
  machine.state.set('IA32_APIC_BASE', 0xfee0_0900);
  machine.state.set('pending INIT', 0);
  machine.state.set('pending SIPI', 0);
  return machine;
}

describe('the table', () => {
  test('has every field of the state once, but for the two signals that it answers and the seed of random numbers, which is an input', () => {
    const named = RESET_TABLE.flatMap(({ fields }) => fields);
    expect(new Set(named).size).toBe(named.length);
    const left = FIELDS.map(({ name }) => name).filter((name) => !named.includes(name));
    expect(left).toEqual(['random state', 'pending INIT', 'pending SIPI']);
    expect(named.filter((name) => !FIELDS.some((field) => field.name === name))).toEqual([]);
  });
  test('cites a source for every row', () => {
    for (const row of RESET_TABLE) expect(printCitation(row.source).length).toBeGreaterThan(10);
  });
});

// What a person would look up in the manual: written down here a second time, on purpose.
describe('RESET', () => {
  const machine = scrambled();
  machine.execution.time = 1000;
  machine.reset();
  test.each([
    ['RFLAGS', 2n], ['RIP', 0xfff0n], ['CR0', 0x6000_0010n], ['CR2', 0n], ['CR3', 0n], ['CR4', 0n], ['CS', 0xf000], ['CS.base', 0xffff_0000n],
    ['CS.limit', 0xffff], ['CS.attributes', 0x93], ['SS', 0], ['SS.base', 0n], ['GS.limit', 0xffff], ['RAX', 0n], ['RDX', 0x306a9n], ['R15', 0n],
    ['GDTR.base', 0n], ['IDTR.limit', 0xffff], ['LDTR.limit', 0xffff], ['TR', 0], ['DR0', 0n], ['DR6', 0xffff_0ff0n], ['DR7', 0x400n],
    ['FCW', 0x40], ['FSW', 0], ['FTW', 0xff], ['R7', 0n], ['XMM15', 0n], ['MXCSR', 0x1f80], ['XCR0', 1n], ['IA32_EFER', 0n],
    ['IA32_PAT', 0x7_0406_0007_0406n], ['IA32_APIC_BASE', 0xfee0_0900n], ['activity state', 0], ['TSC offset', BigInt.asUintN(64, -1000n)],
  ] as const)('%s is %s', (field, value) => {
    expect(machine.state.get(field)).toBe(value);
  });
  test('EDX is the signature of each profile', () => {
    for (const cpu of Object.values(cpus)) {
      const other = new Machine(undefined, { cpu });
      other.reset();
      expect(other.state.gpr[2]).toBe(BigInt(cpu.signature));
    }
  });
  test('the first instruction is the one at FFFFFFF0h', () => {
    const rom = new Machine();
    rom.load(assemble('mov ax, cs\n hlt', { mode: 16, origin: 0xfff0n }).bytes, 0xffff_fff0n);
    rom.reset();
    expect(rom.run().reason).toBe('halted');
    expect(rom.state.gpr[0]).toBe(0xf000n);
  });
  test('a processor that is not the bootstrap processor waits for a start-up IPI', () => {
    const application = scrambled();
    application.state.set('IA32_APIC_BASE', 0xfee0_0800);
    application.reset();
    expect([application.state.get('IA32_APIC_BASE'), application.run().reason]).toEqual([0xfee0_0800n, 'waiting for SIPI']);
  });
});

describe('INIT', () => {
  test('sets what RESET sets, but for what the table says it keeps', () => {
    const before = scrambled(), reset = scrambled(), machine = scrambled();
    reset.reset();
    machine.init();
    for (const { fields, initKeeps } of RESET_TABLE) {
      for (const field of fields.filter((name) => name !== 'CR0' && name !== 'IA32_APIC_BASE')) {
        expect([field, machine.state.get(field)]).toEqual([field, (initKeeps === 'all' ? before : reset).state.get(field)]);
      }
    }
  });
  test.each([[0x8005_0033n, 0x10n], [0xe005_0033n, 0x6000_0010n], [0x4000_0011n, 0x4000_0010n]])('of CR0 %s it leaves %s', (before, after) => {
    const machine = new Machine();
    machine.state.cr0 = before;
    machine.init();
    expect(machine.state.cr0).toBe(after);
  });
  test('keeps the x87 unit, the vector registers and most MSRs', () => {
    const machine = new Machine(assemble('fld1\n movups xmm0, [one]\n mov ecx, 0xc0000082\n mov eax, 0x1234\n xor edx, edx\n wrmsr\n hlt\none: dq 1.0, 2.0', { mode: 64 }));
    machine.run();
    machine.init();
    expect([machine.state.fcw, machine.state.x87(7), machine.state.xmm(0) !== 0n, machine.state.get('IA32_LSTAR')]).toEqual([0x37f, 0x3fff_8000_0000_0000_0000n, true, 0x1234n]);
  });
  test('translations and the mapping of the loader are gone: the next instruction is at a physical address', () => {
    const machine = new Machine(assemble('hlt', { mode: 64 }));
    machine.run();
    machine.load(Uint8Array.of(0xf4), 0xffff_fff0n);
    machine.init();
    expect(machine.run()).toMatchObject({ reason: 'halted', executed: 1, rip: 0xfff1n });
  });
  test('as a signal it acts at the next boundary, and ends HLT and shutdown', () => {
    for (const activity of [0, 1, 2]) {
      const machine = new Machine(assemble('nop\n nop\n hlt', { mode: 64 }));
      machine.load(Uint8Array.of(0xf4), 0xffff_fff0n);
      machine.state.set('activity state', activity);
      machine.interrupts.init();
      expect(machine.state.get('CS')).toBe(0x10);
      expect(machine.run()).toMatchObject({ reason: 'halted', executed: 1 });
      expect(machine.state.get('CS')).toBe(0xf000);
    }
  });
  test('an NMI that is pending is lost', () => {
    const machine = new Machine();
    machine.interrupts.nmi();
    machine.init();
    expect(machine.state.get('pending NMI')).toBe(0);
  });
});

describe('the start-up IPI', () => {
  const application = (): Machine => {
    const machine = new Machine();
    machine.load(assemble('mov ax, cs\n hlt', { mode: 16, origin: 0n }).bytes, 0x9_a000n);
    machine.state.set('IA32_APIC_BASE', 0xfee0_0800);
    machine.init();
    return machine;
  };
  test('starts a waiting processor at V000h', () => {
    const machine = application();
    expect(machine.run()).toMatchObject({ reason: 'waiting for SIPI', executed: 0 });
    machine.startup(0x9a);
    expect(STARTUP_TABLE.map(({ field }) => machine.state.get(field))).toEqual([0x9a00, 0x9_a000n, 0n]);
    expect(machine.run()).toMatchObject({ reason: 'halted', executed: 2 });
    expect(machine.state.gpr[0]).toBe(0x9a00n);
  });
  test('a second one is ignored, as one is on a processor that does not wait', () => {
    const machine = application();
    machine.startup(0x9a);
    machine.startup(0x10);
    expect(machine.state.get('CS')).toBe(0x9a00);
  });
  test('INIT and start-up IPI as signals, one after the other before the boundary', () => {
    const machine = application();
    machine.startup(0x9a);
    machine.run();
    machine.interrupts.init();
    machine.interrupts.startup(0x9a);
    expect(machine.run()).toMatchObject({ reason: 'halted', executed: 2 });
  });
  test('an INIT that leaves the processor waiting does not count as an instruction', () => {
    const machine = application();
    machine.startup(0x9a);
    machine.interrupts.init();
    expect(machine.run()).toMatchObject({ reason: 'waiting for SIPI', executed: 0 });
  });
  test('a step has no instruction to execute while the processor waits', () => {
    const machine = application();
    machine.interrupts.init();
    expect(() => machine.step()).toThrow(/waits for a start-up IPI/);
  });
  test('its vector has eight bits', () => {
    expect(() => application().startup(0x100)).toThrow(/0 to FFh/);
  });
});

test('the states in which a program starts have DR6, DR7 and PAT as RESET leaves them', () => {
  for (const mode of [16, 32, 64] as const) {
    const { state } = new Machine(assemble('hlt', { mode, ...(mode === 16 ? { origin: 0x7c00n } : {}) }));
    expect(['DR6', 'DR7', 'IA32_PAT', 'IA32_APIC_BASE'].map((name) => state.get(name))).toEqual([0xffff_0ff0n, 0x400n, 0x7_0406_0007_0406n, 0xfee0_0900n]);
  }
});
