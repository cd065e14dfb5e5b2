import { DebugPort, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';

describe('I/O ports', () => {
  test('a boot sector says hello through the debug port', () => {
    const machine = new Machine(assemble(`
        mov    si, text
next:   mov    al, [si]
        test   al, al
        jz     done
        out    0xe9, al
        inc    si
        jmp    next
done:   hlt
text:   db 'Hello, hidden state', 10, 0
`, { mode: 16 }));
    const port = new DebugPort();
    machine.ports.attach(0xe9, port);
    machine.run();
    expect(port.text).toBe('Hello, hidden state\n');
  });

  test('each width is told to the device, and cut to it on the way in', () => {
    const seen: [number, number, number][] = [];
    const machine = new Machine(assemble('mov dx, 0x1234\n out dx, al\n out dx, ax\n out dx, eax\n xor eax, eax\n in ax, dx\n hlt', { mode: 64 }));
    machine.ports.attach(0x1234, { read: () => 0x1_abcd, write: (...access) => void seen.push(access) });
    machine.state.gpr[0] = 0xffff_ffff_8765_4321n;
    machine.run();
    expect(seen).toEqual([[0x1234, 1, 0x21], [0x1234, 2, 0x4321], [0x1234, 4, 0x8765_4321]]);
    expect(machine.state.gpr[0]).toBe(0xabcdn);
  });

  test('a port without a device is not modelled, and says which; a taken one cannot be taken again', () => {
    const machine = new Machine(assemble('in al, 0x60\n hlt', { mode: 64 }));
    expect(() => machine.run()).toThrow(/reading I\/O port 0x60: no device/);
    machine.ports.attach(0x60, {});
    expect(() => machine.ports.attach(0x5f, {}, 2)).toThrow(/port 0x60 has a device already/);
    expect(() => machine.ports.attach(0xffff, {}, 2)).toThrow(/ports are 0 to FFFFh/);
  });

  // SDM vol. 1, 18.5.2: the I/O permission bit map.
  test('at CPL 3 with IOPL 0 the bit map decides; beyond its end nothing is open', () => {
    const access = (port: number, open: readonly number[], limit = 0x88): string => {
      const machine = new Machine(assemble(`mov dx, ${port}\n in ax, dx\n hlt`, { mode: 64 }), { cpu: cpus.ivyBridge });
      machine.ports.attach(0, { read: () => 0 }, 0x400);
      machine.memory.map(0x3_0000n, 0x1000);
      machine.memory.write(0x3_0066n, 2, 0x68n);
      machine.memory.writeBytes(0x3_0068n, new Uint8Array(0x40).fill(0xff));
      for (const each of open) {
        const at = 0x3_0068n + BigInt(each >> 3);
        machine.memory.write(at, 1, machine.memory.read(at, 1) & ~(1n << BigInt(each & 7)));
      }
      machine.state.setSegment(7, { selector: 0x30, base: 0x3_0000n, limit, attributes: 0x8b });
      machine.state.setSegment(2, { selector: 0x23, base: 0n, limit: 0xffff_ffff, attributes: 0xc0f3 });
      try {
        machine.step();
        machine.step();
        return 'open';
      } catch (error) {
        return (error as { notation: string }).notation;
      }
    };
    expect(access(0x60, [0x60, 0x61])).toBe('open');
    expect(access(0x60, [0x60])).toBe('#GP(0)');
    expect(access(0x67, [0x67, 0x68])).toBe('open');
    expect(access(0x100, [0x100, 0x101])).toBe('#GP(0)');
    expect(access(0x60, [0x60, 0x61], 0x66)).toBe('#GP(0)');
  });
});
