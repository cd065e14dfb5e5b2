/** A processor with all supervisor components, and single instructions on it. */

import { type CpuProfile, Fault, Machine, Unmodelled, asm64, cpus, symbol } from 'hidden-state';
import { fromBytes, toBytes } from '../../spec/src/numbers/bits.ts';
import { SUPERVISOR_NAMES } from '../../spec/src/state/fields.ts';

/** No processor at hand has all eight. */
export const ALL_COMPONENTS = 0x1_fd00n;
export const everything: CpuProfile = { ...cpus.sapphireRapids, xss: ALL_COMPONENTS };

const PROGRAM = asm64`
read:     rdmsr
write:    wrmsr
save:     xsaves64 [rdi]
restore:  xrstors64 [rdi]
user:     xrstor64 [rdi]
compact:  xsavec64 [rdi]
control:  mov cr4, rax
protect:  mov cr0, rax
leaf:     cpuid
in_use:   xgetbv
`;

type Instruction = 'read' | 'write' | 'save' | 'restore' | 'user' | 'compact' | 'control' | 'protect' | 'leaf' | 'in_use';

export const AREA = 0x10_0000n;
const AREA_BYTES = 0x4000;
export const COMPACTED = 1n << 63n;

export class Bench {
  readonly machine: Machine;

  constructor(cpu: CpuProfile = everything, xss: bigint = cpu.xss ?? 0n) {
    this.machine = new Machine(PROGRAM, { cpu });
    this.machine.memory.map(AREA, AREA_BYTES);
    this.machine.state.set('IA32_XSS', xss);
  }

  /** Executes the instruction: undefined, or what was raised in its place. */
  run(instruction: Instruction, { pair = 0n, count = 0, area = AREA }: { pair?: bigint; count?: number; area?: bigint } = {}): string | undefined {
    const { state } = this.machine;
    state.rip = symbol(PROGRAM, instruction);
    state.gpr[0] = instruction === 'control' || instruction === 'protect' ? pair : pair & 0xffff_ffffn;
    state.gpr[2] = pair >> 32n;
    state.gpr[1] = BigInt(count);
    state.gpr[7] = area;
    try {
      this.machine.step();
      return undefined;
    } catch (error) {
      if (error instanceof Fault) return error.notation;
      if (error instanceof Unmodelled) return error.what;
      throw error;
    }
  }

  pair(): bigint { return (this.machine.state.gpr[2]! << 32n) | this.machine.state.gpr[0]!; }
  read(msr: number): bigint | string { return this.run('read', { count: msr }) ?? this.pair(); }
  write(msr: number, value: bigint): string | undefined { return this.run('write', { count: msr, pair: value }); }

  get(name: string): bigint { return BigInt(this.machine.state.get(name)); }
  set(name: string, value: bigint): void { this.machine.state.set(name, value); }
  /** All supervisor state. */
  snapshot(): Record<string, bigint> { return Object.fromEntries([...SUPERVISOR_NAMES, 'UIF'].map((name) => [name, this.get(name)])); }

  bytes(offset: number, length: number, area = AREA): bigint { return fromBytes(this.machine.memory.readBytes(area + BigInt(offset), length), 0, length); }
  quad(offset: number, area = AREA): bigint { return this.bytes(offset, 8, area); }
  put(offset: number, value: bigint, area = AREA): void { this.machine.memory.writeBytes(area + BigInt(offset), toBytes(value, 8)); }
  fill(value: number, area = AREA): void {
    this.machine.memory.writeBytes(area, new Uint8Array(0x2000).fill(value));
    this.machine.memory.writeBytes(area + 512n, new Uint8Array(64));
  }

  /** An area in the compacted format whose components, from 576 on, are these quadwords. */
  image(xstateBv: bigint, quads: readonly bigint[], xcompBv = xstateBv): void {
    this.fill(0);
    this.put(512, xstateBv);
    this.put(520, COMPACTED | xcompBv);
    this.put(24, 0x1f80n);
    quads.forEach((quad, n) => this.put(576 + 8 * n, quad));
  }
}
