/** INS and OUTS, and the one-byte instructions INT1 and SALC. */

import { Fault, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { CF, DF, STATUS } from '../../spec/src/isa/flags.ts';
import { CS, ES, OFFSET, SS, TR } from '../../spec/src/state/fields.ts';
import type { Mode } from '../../spec/src/isa/instruction.ts';

const PORT = 0x1f0;

interface Access { direction: 'in' | 'out'; bytes: number; value?: number }

/** A device at ports 1F0h to 1F3h that gives 11h, 22h, 33h and so on in every byte, and notes what it is asked. */
function machineOf(text: string, mode: Mode = 64): { machine: Machine; accesses: Access[] } {
  const machine = new Machine(assemble(text, { mode }), { cpu: cpus.haswell });
  const accesses: Access[] = [];
  machine.ports.attach(PORT, {
    read(_port, bytes) {
      accesses.push({ direction: 'in', bytes });
      return (0x1111_1111 * accesses.length) % 2 ** (8 * bytes);
    },
    write(_port, bytes, value) {
      accesses.push({ direction: 'out', bytes, value });
    },
  }, 4);
  machine.memory.map(0x5000n, 0x1000);
  const { state } = machine;
  state.gpr[2] = 0xffff_0000n | BigInt(PORT);
  state.gpr[6] = state.gpr[7] = 0x5100n;
  return { machine, accesses };
}

function faultOf(machine: Machine): Fault | undefined {
  try {
    machine.step();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  return undefined;
}

describe.for([16, 32, 64] as const)('in %i-bit code', (mode) => {
  test.for([['insb', 1], ['insw', 2], ['insd', 4]] as const)('%s stores at ES:rDI and moves it', ([text, bytes]) => {
    const { machine, accesses } = machineOf(text, mode);
    machine.step();
    expect(accesses).toEqual([{ direction: 'in', bytes }]);
    expect([machine.memory.read(0x5100n, 8), machine.state.gpr[7], machine.state.gpr[6]]).toEqual([0x1111_1111n % (1n << BigInt(8 * bytes)), 0x5100n + BigInt(bytes), 0x5100n]);
  });
  test.for([['outsb', 1], ['outsw', 2], ['outsd', 4]] as const)('%s reads at DS:rSI and moves it', ([text, bytes]) => {
    const { machine, accesses } = machineOf(text, mode);
    machine.memory.write(0x5100n, 4, 0x8765_4321n);
    machine.state.rflags |= DF;
    machine.step();
    expect(accesses).toEqual([{ direction: 'out', bytes, value: 0x8765_4321 % 2 ** (8 * bytes) }]);
    expect([machine.state.gpr[6], machine.state.gpr[7]]).toEqual([0x5100n - BigInt(bytes), 0x5100n]);
  });
  test('REP INSW takes rCX words, one a step, and can be resumed between any two', () => {
    const { machine, accesses } = machineOf('rep insw\nhlt', mode);
    machine.state.gpr[1] = 3n;
    const start = machine.state.rip;
    machine.step();
    expect([machine.state.rip, machine.state.gpr[1], machine.state.gpr[7]]).toEqual([start, 2n, 0x5102n]);
    machine.run();
    expect([accesses.length, machine.state.gpr[1], machine.memory.read(0x5100n, 8)]).toEqual([3, 0n, 0x3333_2222_1111n]);
  });
  test('REP with a count of 0 asks nobody', () => {
    const { machine, accesses } = machineOf('rep outsb\nhlt', mode);
    machine.state.gpr[1] = 0n;
    machine.run();
    expect([accesses, machine.state.gpr[6]]).toEqual([[], 0x5100n]);
  });
});

test('REX.W makes no wider access', () => {
  const { machine, accesses } = machineOf('db 0x48, 0x6d, 0x48, 0x6f');
  machine.step();
  machine.step();
  expect([accesses.map(({ bytes }) => bytes), machine.state.gpr[7], machine.state.gpr[6]]).toEqual([[4, 4], 0x5104n, 0x5104n]);
});

test('a segment override moves the source of OUTS, and not the destination of INS', () => {
  const out = machineOf('fs outsb'), into = machineOf('db 0x64 ; fs\ninsb');
  for (const { machine } of [out, into]) machine.state.setBase(4, 0x80n);
  out.machine.memory.write(0x5180n, 1, 0x77n);
  out.machine.step();
  into.machine.step();
  expect(out.accesses).toEqual([{ direction: 'out', bytes: 1, value: 0x77 }]);
  expect([into.machine.memory.read(0x5100n, 1), into.machine.memory.read(0x5180n, 1)]).toEqual([0x11n, 0n]);
});

test('the address size chooses SI, ESI or RSI and CX, ECX or RCX', () => {
  const { machine } = machineOf('addr32 rep outsb');
  machine.state.gpr[6] = 0xffff_ffff_0000_5100n;
  machine.state.gpr[1] = 0xffff_ffff_0000_0002n;
  machine.step();
  expect([machine.state.gpr[6], machine.state.gpr[1]]).toEqual([0x5101n, 1n]);
});

describe('a fault comes before the device is asked', () => {
  test('INS to a page that is not there', () => {
    const { machine, accesses } = machineOf('insb');
    machine.state.gpr[7] = 0x9_0000n;
    expect([faultOf(machine)?.notation, accesses]).toEqual(['#PF(0x2)', []]);
  });
  test('INS beyond the limit of ES', () => {
    const { machine, accesses } = machineOf('insd', 32);
    machine.state.setSegment(ES, { ...machine.state.segment(ES), limit: 0x5102 });
    expect([faultOf(machine)?.notation, accesses]).toEqual(['#GP(0)', []]);
  });
  /** At CPL 3 with IOPL 0 and an I/O map that opens the first `open` ports from 1F0h on. */
  function user(text: string, open: number) {
    const made = machineOf(text, 32);
    const { state, memory } = made.machine;
    memory.map(0x6000n, 0x1000);
    memory.write(0x6066n, 2, 0x68n);
    for (let n = 0; n < 0x80; n++) memory.write(0x6068n + BigInt(n), 1, 0xffn);
    memory.write(0x6068n + BigInt(PORT / 8), 1, BigInt(0xff & ~((1 << open) - 1)));
    state.setSegment(TR, { selector: 0x28, base: 0x6000n, limit: 0xe7, attributes: 0x8b });
    for (const segment of [CS, SS]) state.setSegment(segment, { ...state.segment(segment), attributes: state.attributes(segment) | 0x60 });
    return made;
  }
  test.for([['insb', 1], ['outsb', 1], ['insw', 2], ['outsw', 2], ['insd', 4], ['outsd', 4]] as const)('%s needs the bits of all its ports in the I/O map', ([text, bytes]) => {
    const refused = user(text, bytes - 1), allowed = user(text, bytes);
    expect([faultOf(refused.machine)?.notation, refused.accesses, faultOf(allowed.machine), allowed.accesses.length]).toEqual(['#GP(0)', [], undefined, 1]);
  });
});

describe('INT1', () => {
  test('is #DB that leaves DR6 alone and returns behind itself', () => {
    const machine = new Machine(assemble(`
        mov    word ptr [4], handler
        mov    word ptr [6], 0
        int1
next:   hlt
handler:
        pop    ax
        hlt`, { mode: 16 }), { faults: 'deliver' });
    const before = machine.state.get('DR6');
    machine.run();
    // MOV takes 6 bytes, twice.
    expect([machine.state.gpr[0], machine.state.get('DR6')]).toEqual([0x7c00n + 13n, before]);
  });
});

describe('SALC', () => {
  test.for([[0, 0x5500n], [CF, 0x55ffn]] as const)('with CF = %i', ([carry, expected]) => {
    const { machine } = machineOf('salc', 32);
    machine.state.gpr[0] = 0x5566n;
    machine.state.rflags = 2 | carry;
    machine.step();
    expect([machine.state.gpr[0], machine.state.rflags & STATUS]).toEqual([expected, carry]);
  });
  test('is #UD in 64-bit mode', () => {
    expect(faultOf(machineOf('db 0xd6').machine)?.mnemonic).toBe('#UD');
  });
});

// Seen on an AMD Zen 4: 0F 18 with any ModRM and any prefix does nothing, but LOCK is #UD.
test.for([
  ['0f1820', 'ok'], ['0f18ff', 'ok'], ['0f18c0', 'ok'], ['660f1820', 'ok'], ['f30f1820', 'ok'], ['f00f1820', '#UD'],
] as const)('%s: %s', ([bytes, expected]) => {
  const { machine } = machineOf(`db ${bytes.match(/../g)!.map((byte) => `0x${byte}`).join(', ')}`);
  const before = machine.snapshot();
  expect(faultOf(machine)?.mnemonic ?? 'ok').toBe(expected);
  expect(machine.diff(before).fields.map(({ field }) => field.name)).toEqual(expected === 'ok' ? ['RIP'] : []);
  expect(machine.state.quad(OFFSET.cr2)).toBe(0n);
});
