import { Machine, asm64, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';

/** EAX, EBX, ECX and EDX of CPUID. */
function cpuid(leaf: number, ecx: number, cpu = cpus.haswell): number[] {
  const machine = new Machine(asm64`mov eax, ${leaf}\n mov ecx, ${ecx}\n cpuid\n hlt`, { cpu });
  machine.run();
  return [0, 3, 1, 2].map((index) => Number(machine.state.gpr[index]));
}

describe('CPUID', () => {
  // Found by Xen 4.17, which asks for 80000001h with what SHLD has left in ECX, and answered "Not a 64-bit CPU!".
  test.each(Object.values(cpus))('a leaf without sub-leaves does not ask ECX: $name', (cpu) => {
    for (const leaf of [1, 0x8000_0001]) expect(cpuid(leaf, 0x8000, cpu), leaf.toString(16)).toEqual(cpuid(leaf, 0, cpu));
    expect(cpuid(0x8000_0001, 0x8000, cpu)[3]! & (1 << 29)).not.toBe(0);
  });

  test('sub-leaves of leaf 7 and 0Dh differ', () => {
    expect(cpuid(7, 0)).not.toEqual(cpuid(7, 1));
    expect(cpuid(0xd, 2)).toEqual([256, 576, 0, 0]);
  });
});
