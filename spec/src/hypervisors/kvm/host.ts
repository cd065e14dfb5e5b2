/**
 * One processor with Linux, a task that runs a guest, and that guest. Everything that happens is a step of the machine
 * or an event at a boundary, and every bit of it is in the machine's state and memory.
 */

import { symbol } from '../../asm/assemble.ts';
import type { Program } from '../../asm/assemble.ts';
import { ivyBridge } from '../../cpus/index.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import type { Instruction } from '../../isa/instruction.ts';
import type { RegisterOperand } from '../../isa/operand.ts';
import { CR4 } from '../../isa/system/control-bits.ts';
import { deliverFault } from '../../machine/events.ts';
import { kernelState } from '../../machine/initial.ts';
import { Machine } from '../../machine/machine.ts';
import { OFFSET, RSP } from '../../state/fields.ts';
import { Fault } from '../../state/outcomes.ts';
import { SHUTDOWN } from '../../state/state.ts';
import { EXIT, VECTOR } from './events.ts';
import { layOutKernel, stacks } from './kernel-memory.ts';
import type { Kernel } from './kernel.ts';
import { type Outcome, readOutcome } from './outcome.ts';
import { HANDLERS, type Handler, hostProgram } from './program.ts';
import { type ControlStructure, type Exit, vmEntry, vmExit } from './virtual-machine-control.ts';

const BOOT_BUDGET = 2000;
const IF = 0x200;
/** Offsets into an XSAVE area. SDM vol. 1, 13.4. */
const XMM0 = 160n, XSTATE_BV = 512n, YMM0_HIGH = 576n;

export interface HostOptions {
  readonly kernel: Kernel;
  /** Default: `cpus.ivyBridge`. */
  readonly cpu?: CpuProfile;
  /** What handlers do with the FPU. Default: `none`, as in the stress module. */
  readonly handler?: Handler;
  /** What the guest writes to XCR0. Default: 7. */
  readonly guestXcr0?: number;
  /** XSTATE_BV of the task's area from its last save. Default: 7. */
  readonly stale?: number;
  /** Components with live values when the task enters the kernel. Default: 7. */
  readonly live?: number;
}

export class Host {
  readonly machine: Machine;
  readonly program: Program;
  readonly options: Required<HostOptions>;
  readonly stacks = stacks;
  readonly #structure: ControlStructure;
  readonly #vmresume: bigint;

  /** The task at its first instruction in user mode; the vCPU has run before, its guest is about to turn XSAVE on. */
  constructor(options: HostOptions) {
    this.options = checked(options);
    const { kernel, cpu } = this.options;
    this.program = hostProgram(kernel, cpu);
    this.machine = new Machine(this.program, { cpu, faults: 'deliver' });
    const at = (name: string): bigint => symbol(this.program, name);
    this.#vmresume = at('vm_entry');
    this.#structure = {
      guest: at('guest'), host: at('host'), event: at('exit_event'),
      qualification: at('exit_qualification'), length: at('exit_length'), hostRip: at('vm_exit'),
    };
    layOutKernel(this.machine, this.program);
    this.#guest();
    this.#choose();
    this.#boot(kernel);
  }

  /** The kernel has ended the task, or itself. */
  get ended(): boolean {
    const { state } = this.machine;
    return state.halted && (state.rflags & IF) === 0 && !this.inGuest;
  }

  get inGuest(): boolean { return this.machine.state.byte(OFFSET.guestMode) === 1; }

  /** One instruction of whoever runs, or the VM entry or exit that is due in its place. */
  advance(): void {
    const { machine } = this;
    if (this.inGuest) this.#advanceGuest();
    else if (machine.state.rip === this.#vmresume) vmEntry(machine, this.#structure);
    else this.#advanceHost();
  }

  #advanceHost(): void {
    const { machine } = this;
    try {
      machine.step();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (deliverFault(machine.execution, error)) machine.execution.finish();
      else machine.state.activity = SHUTDOWN;
    }
  }

  /** Ends the guest's run here, by an event of the host's. */
  exit(exit: Exit): void {
    vmExit(this.machine, this.#structure, exit);
  }

  outcome(): Outcome {
    return readOutcome(this.machine.memory, this.program, this.options.guestXcr0);
  }

  #advanceGuest(): void {
    const { machine } = this;
    const exit = this.#dueExit();
    if (exit) {
      this.exit(exit);
      return;
    }
    try {
      machine.step();
    } catch (error) {
      if (!(error instanceof Fault) || error.vector !== VECTOR.deviceNotAvailable) throw error;
      this.exit({ reason: EXIT.exceptionOrNmi, vector: error.vector });
    }
  }

  /** What ends the guest's run before its next instruction, or at it. */
  #dueExit(): Exit | undefined {
    const { state, interrupts } = this.machine;
    if (interrupts.requested) {
      return { reason: EXIT.externalInterrupt, vector: interrupts.controller!.acknowledge() };
    }
    return exitOf(this.machine.decodeAt(state.rip));
  }

  /**
   * Lets another processor raise interrupts by writing their vector to `interrupt_request`: the local APIC's register
   * as a cell of memory.
   */
  connect(): void {
    const { interrupts, memory } = this.machine;
    const request = symbol(this.program, 'interrupt_request');
    interrupts.controller = {
      pending: () => memory.read(request, 4) !== 0n,
      acknowledge() {
        const vector = Number(memory.read(request, 4));
        memory.write(request, 4, 0n);
        return vector;
      },
    };
  }

  /** The guest in 64-bit mode with CR4.OSXSAVE = 0, as its kernel is before it turns XSAVE on. */
  #guest(): void {
    const guest = kernelState(this.options.cpu, 64);
    guest.cr4 &= ~CR4.OSXSAVE;
    guest.rip = symbol(this.program, 'guest_code');
    this.machine.memory.writeBytes(this.#structure.guest, guest.bytes);
  }

  #choose(): void {
    const { memory } = this.machine;
    const { handler, guestXcr0, stale, live } = this.options;
    const at = (name: string): bigint => symbol(this.program, name);
    memory.write(at('handler_uses'), 1, BigInt(HANDLERS.indexOf(handler)));
    memory.write(at('guest_wants_xcr0'), 4, BigInt(guestXcr0));
    memory.write(at('stale_components'), 4, BigInt(stale));
    memory.write(at('live_image') + XSTATE_BV, 8, BigInt(live));
    // What is not live has its initial value, and that is what the task compares with in the end.
    if (!(live & 2)) memory.writeBytes(at('live_image') + XMM0, new Uint8Array(32));
    if (!(live & 4)) memory.writeBytes(at('live_image') + YMM0_HIGH, new Uint8Array(16));
  }

  #boot(kernel: Kernel): void {
    const { memory, state } = this.machine;
    const user = symbol(this.program, 'user');
    state.rip = symbol(this.program, 'boot');
    state.gpr[RSP] = memory.read(symbol(this.program, 'kernel_rsp'), 8);
    for (let n = 0; state.rip !== user; n++) {
      if (n === BOOT_BUDGET || state.halted) {
        throw new RangeError(`kernel ${JSON.stringify(kernel.id)} does not get to user mode: see its functions`);
      }
      this.advance();
    }
  }
}

function checked(options: HostOptions): Required<HostOptions> {
  const { kernel, cpu = ivyBridge, handler = 'none', guestXcr0 = 7, stale = 7, live = 7 } = options;
  if (!kernel?.vcpuEnterGuest) throw new TypeError('kernel must be a kernel, for example kvm.linux311');
  if (!cpu.features.has('XSAVE')) {
    throw new RangeError(`${cpu.name} has no XSAVE and so no XCR0: take a processor that has both`);
  }
  if (!HANDLERS.includes(handler)) {
    throw new RangeError(`handler is ${JSON.stringify(handler)}; there are ${HANDLERS.join(', ')}`);
  }
  if (![1, 3, 7].includes(guestXcr0)) {
    throw new RangeError(`guestXcr0 is ${guestXcr0}; of x87, SSE and AVX state XCR0 can hold 1, 3 and 7`);
  }
  for (const [name, mask] of Object.entries({ stale, live })) {
    if (Number.isInteger(mask) && mask >= 0 && mask <= 7) continue;
    throw new RangeError(`${name} is ${mask}; it is a mask of 0 to 7`);
  }
  return { kernel, cpu, handler, guestXcr0, stale, live };
}

/** Instructions that always exit, or that KVM makes exit. SDM vol. 3C, 25.1.2 and 25.1.3. */
function exitOf({ definition: { mnemonic }, operands, length }: Instruction): Exit | undefined {
  if (mnemonic === 'XSETBV') return { reason: EXIT.xsetbv, length };
  if (mnemonic === 'HLT') return { reason: EXIT.hlt, length };
  const [to, from] = operands as RegisterOperand[];
  if (mnemonic !== 'MOV' || to?.kind !== 'register' || to.file !== 'control') return undefined;
  return { reason: EXIT.controlRegister, qualification: to.index | (from!.index << 8), length };
}
