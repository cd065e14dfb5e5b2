import { describe, expect, it } from 'vitest';
import { Machine, asm64, cpus, kvm } from 'hidden-state';

const XSAVE_PROCESSORS = [cpus.ivyBridge, cpus.haswell, cpus.sapphireRapids, cpus.zen3, cpus.zen4];

/** Until the task or the kernel is at an end. */
function finish(host: kvm.Host): kvm.Outcome {
  for (let n = 0; !host.ended; n++) {
    if (n === 5000) throw new Error(`${host.options.kernel.name} does not come to an end`);
    host.advance();
  }
  return host.outcome();
}

/** On to the first boundary for which `here` holds. */
function runTo(host: kvm.Host, here: (host: kvm.Host) => boolean): kvm.Host {
  while (!here(host)) {
    if (host.ended) throw new Error('it has ended before');
    host.advance();
  }
  return host;
}

describe('a host with a guest, and nothing that happens', () => {
  it.each(kvm.history.map((kernel) => [kernel.id, kernel] as const))('%s: everybody keeps what is theirs', (_, kernel) => {
    for (const cpu of XSAVE_PROCESSORS) {
      for (const guestXcr0 of [1, 3, 7]) {
        expect(finish(new kvm.Host({ kernel, cpu, guestXcr0 })), `${cpu.name}, guest XCR0 ${guestXcr0}`)
          .toEqual({ verdict: 'fine', warned: false, refused: 0, handlerXcr0: 0 });
      }
    }
  });

  it.each(kvm.history.map((kernel) => [kernel.id, kernel] as const))('%s: the guest runs under its own XCR0, the task under the host\'s', (_, kernel) => {
    const host = new kvm.Host({ kernel, guestXcr0: 3 });
    const seen = { guest: new Set<bigint>(), task: new Set<bigint>() };
    while (!host.ended) {
      const { state } = host.machine;
      if (host.inGuest) seen.guest.add(state.xcr0);
      else if ((state.selector(1) & 3) === 3) seen.task.add(state.xcr0);
      host.advance();
    }
    // 7 while the guest's CR4.OSXSAVE is 0: KVM loads XCR0 for a guest that can use it.
    expect([...seen.guest]).toEqual([7n, 1n, 3n]);
    expect([...seen.task]).toEqual([7n]);
  });

  it('VMRESUME is its bytes, and swaps neither XCR0 nor a vector register', () => {
    const host = runTo(new kvm.Host({ kernel: kvm.linux311 }), ({ machine, program }) =>
      machine.state.rip === program.symbols['vm_entry'] && machine.state.xcr0 === 1n);
    const { state, memory } = host.machine;
    expect([...memory.readBytes(state.rip, 3)]).toEqual([0x0f, 0x01, 0xc3]);
    const xmm0 = state.xmm(0);
    host.advance();
    expect(host.inGuest).toBe(true);
    expect(state.xcr0).toBe(1n);
    expect(state.xmm(0)).toBe(xmm0);
    expect(state.cr4 & (1n << 18n)).not.toBe(0n);
  });

  it('saves with XSAVES where kernel and processor have it', () => {
    const xcompBv = (kernel: kvm.Kernel, cpu: typeof cpus.ivyBridge): bigint => {
      const { machine, program } = new kvm.Host({ kernel, cpu });
      return machine.memory.read(program.symbols['qemu_fpstate']! + 520n, 8);
    };
    expect(xcompBv(kvm.linux415, cpus.sapphireRapids)).toBe((1n << 63n) | 7n);
    expect(xcompBv(kvm.linux415, cpus.ivyBridge)).toBe(0n);
    expect(xcompBv(kvm.linux46, cpus.sapphireRapids)).toBe(0n);
  });

  it('starts with the XSTATE_BV that was asked for', () => {
    for (let stale = 0; stale < 8; stale++) {
      const { machine, program } = new kvm.Host({ kernel: kvm.linux311, stale });
      expect(machine.memory.read(program.symbols['qemu_fpstate']! + 512n, 8)).toBe(BigInt(stale));
    }
  });
});

describe('what differs between kernels', () => {
  it.each([
    ['linux39', 'linux311', ['setXcr']],
    ['linux311', 'xcr0Flag', ['irqFpuUsable', 'guestXcr0']],
    ['linux311', 'linux41', ['irqFpuUsable', 'kernelFpu']],
    ['linux41', 'linux42', ['kernelFpu', 'guestFpu', 'switchFpu']],
    ['linux42', 'linux46', ['guestFpu', 'setXcr', 'vcpuEnterGuest']],
    ['linux46', 'linux415', ['restoreFailed', 'guestFpu', 'vcpuEnterGuest', 'kvmRun', 'schedOut']],
    ['linux415', 'linux51', ['vcpuRun', 'vcpuEnterGuest']],
    ['linux51', 'linux510', ['kernelFpu', 'guestFpu', 'vcpuEnterGuest', 'switchFpu', 'machineCheck', 'returnToUser']],
    ['linux510', 'linux518', ['irqFpuUsable']],
    ['linux518', 'linux619', ['guestXcr0', 'vcpuRun', 'vcpuEnterGuest']],
  ] as const)('%s to %s: %j', (left, right, steps) => {
    expect(kvm.differingSteps(kvm[left], kvm[right])).toEqual(steps);
  });
});

describe('bad input', () => {
  it('says what is wrong', () => {
    const kernel = kvm.linux311;
    expect(() => new kvm.Host({ kernel, cpu: cpus.amdK10 })).toThrow('K10 has no XSAVE');
    expect(() => new kvm.Host({ kernel, guestXcr0: 5 })).toThrow('guestXcr0 is 5');
    expect(() => new kvm.Host({ kernel, stale: 8 })).toThrow('stale is 8');
    expect(() => new kvm.Host({ kernel, handler: 'MMX' as never })).toThrow('handler is "MMX"');
    expect(() => new kvm.Host({} as never)).toThrow('kernel must be a kernel');
    expect(() => kvm.kernel({ ...kernel, vcpuRun: 1 as never })).toThrow('vcpuRun is number, it must be a string of assembly text');
    expect(() => kvm.kernel({ ...kernel, id: 'mine', kvmRun: kvm.asm`kvm_run:\n hlt` })).not.toThrow();
    const endless = kvm.kernel({ ...kernel, id: 'mine', guestFpu: kvm.asm`
kvm_load_guest_fpu:
kvm_put_guest_fpu:
        jmp kvm_put_guest_fpu` });
    expect(() => new kvm.Host({ kernel: endless })).toThrow('kernel "mine" does not get to user mode');
  });
});

/** The sequence of the report in ring 0: a full save, a narrower XCR0, a save and a restore. */
const program = (xcr0: number) => asm64`
        mov    eax, 7
        xor    edx, edx
        xor    ecx, ecx
        xsetbv
        mov    eax, -1
        mov    edx, eax
        xrstor64 [live]
        xsave64 [area]
        mov    eax, ${xcr0}
        xor    edx, edx
        xsetbv
        mov    eax, -1
        mov    edx, eax
        xsave64 [area]
        mov    rbx, [area + 512]
        xrstor64 [area]
        hlt
        align 64
live:   dw 0x37f
        resb 22
        dd 0x1f80, 0xffff
        resb 480
        dq 7
        resb 312
area:   resb 832`;

describe('the minimal sequence', () => {
  it('a component that XCR0 leaves out keeps its bit in XSTATE_BV, and XRSTOR faults on it', () => {
    for (const cpu of XSAVE_PROCESSORS.filter(({ xinuse }) => xinuse === 'tracked')) {
      for (const xcr0 of [1, 3]) {
        const machine = new Machine(program(xcr0), { cpu });
        expect(() => machine.run(), cpu.name).toThrow('XSTATE_BV sets a bit that is 0 in XCR0');
        expect(machine.state.gpr[3]! & ~1n).toBe(6n);
      }
      const machine = new Machine(program(7), { cpu });
      expect(machine.run().reason).toBe('halted');
    }
  });
});
