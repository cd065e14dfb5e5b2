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

describe('what CPUID reports on AMD is a register, by which hypervisors hide features', () => {
  const FEATURES = 0xc001_1004, EXTENDED = 0xc001_1005, STRUCTURED = 0xc001_1002;
  /** EAX, EBX, ECX, EDX of a leaf after `change` was flipped in an MSR, and the MSR before that. */
  function flipped(msr: number, change: bigint, leaf: number, cpu = cpus.zen3, before = ''): { registers: number[]; was: bigint } {
    const machine = new Machine(asm64`${before}
        mov ecx, ${msr}
        rdmsr
        mov r8d, eax
        mov r9d, edx
        xor eax, ${Number(change & 0xffff_ffffn)}
        xor edx, ${Number(change >> 32n)}
        wrmsr
        mov eax, ${leaf}
        xor ecx, ecx
        cpuid
        hlt`, { cpu });
    machine.run();
    return { registers: [0, 3, 1, 2].map((index) => Number(machine.state.gpr[index])), was: (machine.state.gpr[9]! << 32n) | machine.state.gpr[8]! };
  }

  test.each([cpus.amdK10, cpus.zen3, cpus.zen4])('$name: nothing is changed by what is read, written back', (cpu) => {
    for (const [msr, leaf] of [[FEATURES, 1], [EXTENDED, 0x8000_0001]] as const) {
      const { registers, was } = flipped(msr, 0n, leaf, cpu);
      expect(registers).toEqual(cpuid(leaf, 0, cpu));
      expect(was & 0xffff_ffffn).toBe(BigInt(registers[3]!));
    }
  });

  test('a bit that is cleared is gone from its leaf alone', () => {
    const [aes, fpu, nx] = [1 << 9, 1, 1 << 20];
    const [, , ecx, edx] = cpuid(1, 0, cpus.zen3);
    expect(flipped(FEATURES, (BigInt(aes) << 32n) | BigInt(fpu), 1).registers.slice(2)).toEqual([(ecx! ^ aes) >>> 0, (edx! ^ fpu) >>> 0]);
    expect(flipped(FEATURES, BigInt(fpu), 0x8000_0001).registers).toEqual(cpuid(0x8000_0001, 0, cpus.zen3));
    expect(flipped(EXTENDED, BigInt(nx), 0x8000_0001).registers[3]! & nx).toBe(0);
    expect(flipped(STRUCTURED, 8n, 7).registers[1]).toBe(cpuid(7, 0, cpus.zen3)[1]! ^ 8);
  });

  test('OSXSAVE is reported if CR4 and the register both say so', () => {
    const off = 'mov rax, cr4\nbtr rax, 18\nmov cr4, rax', OSXSAVE = 1 << 27;
    expect((flipped(FEATURES, 0n, 1, cpus.zen3, off).was >> 32n) & BigInt(OSXSAVE)).toBe(BigInt(OSXSAVE));
    expect([flipped(FEATURES, 0n, 1, cpus.zen3, off), flipped(FEATURES, 0n, 1), flipped(FEATURES, BigInt(OSXSAVE) << 32n, 1)]
      .map(({ registers }) => registers[2]! & OSXSAVE)).toEqual([0, OSXSAVE, 0]);
  });

  test('Intel has no such registers', () => {
    expect(() => flipped(FEATURES, 0n, 1, cpus.haswell)).toThrow('Haswell has no MSR 0xc0011004');
  });
});
