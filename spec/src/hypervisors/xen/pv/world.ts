/**
 * A user program under a kernel, and the kernel under Xen: a small paravirtualised world in which all is machine code,
 * from the boot of the hypervisor to the end of the program. The same program on bare metal is `bareMetal`.
 */

import type { Program } from '../../../asm/assemble.ts';
import type { CpuProfile } from '../../../cpus/profile.ts';
import type { Instruction } from '../../../isa/instruction.ts';
import { print } from '../../../isa/print.ts';
import type { Machine } from '../../../machine/machine.ts';
import { requireKnown } from '../../../machine/options.ts';
import { hex } from '../../../numbers/bits.ts';
import { RSI } from '../../../state/fields.ts';
import { Unmodelled, VECTORS } from '../../../state/outcomes.ts';
import type { PageTables } from '../../page-tables.ts';
import { systemCallAt, fredSystemCall } from './fred.ts';
import { type Entry, type GuestKernel, ORDERLY, bareKernelText, guestKernelText, takesFrame } from './guest.ts';
import {
  AREA, CSTAR_OFFSET, CURRENT, IMAGE_BYTES, PHYSICAL, SELECTOR, STACK_BOTTOM, STACK_PAGE, SYSCALL_MASK,
  UREGS_BYTES, VCPU, direct,
} from './layout.ts';
import { type Placed, Stage, bootText, peekQuad, pokeQuad } from './stage.ts';
import { EXCEPTIONS, type Part, xenText } from './text.ts';
import { type Trampoline, stubBytes } from './trampolines.ts';

/** Whose code is executed. */
export type Lane = 'user' | 'kernel' | 'Xen';

/** One instruction, executed. */
export interface WorldStep {
  readonly lane: Lane;
  readonly rip: bigint;
  readonly text: string;
  /** The stretch of code that it belongs to; undefined in the user program. */
  readonly part: Part | undefined;
  /** The exception that it raised. */
  readonly raised: string | undefined;
}

/** Why the program no longer runs. */
export interface Ending {
  /**
   * `exit`: the program asked for it. `exception`: the kernel was given one. `fatal`: the hypervisor met a fault of
   * its own and stopped.
   */
  readonly kind: 'exit' | 'exception' | 'fatal';
  /** Of the exception, `#AC`; `shutdown` of a processor that could not deliver one; empty for `exit`. */
  readonly exception: string;
}

export interface PvOptions {
  cpu: CpuProfile;
  trampoline: Trampoline;
  /** The user program: 64-bit or 32-bit code below 2^47, its end reached by EAX = 60, SYSCALL. */
  user: Program;
  /** Default: `takesFrame`. */
  kernel?: GuestKernel;
  /** Where syscall_enter is linked: bytes from the start of Xen's image, 1000h to 3F0000h. Default 148000h. */
  syscallEnter?: bigint;
}

/** An address at which AC, and none of TF, DF and NT, is set: the report does not say more of Xen 3.1.1. */
export const DEFAULT_SYSCALL_ENTER = 0x14_8000n;
const STEP_BUDGET = 200_000;
const KERNEL_STACK_BYTES = 0x4000n;
/** Of physical memory, from its first page to the stack's. */
const MAXIMUM_USER_BYTES = Number(PHYSICAL.userStack - PHYSICAL.user) - 0x1000;

/** For `run` and `finish`: before the first instruction of the kernel's handler, after its entry code. */
export const atHandler = (world: SystemCallWorld): boolean => world.machine.state.rip === world.address('handler');
/** For `run` and `finish`: before an instruction of the program. */
export const inUser = (world: SystemCallWorld): boolean => world.inUser;

export class SystemCallWorld {
  readonly machine: Machine;
  readonly user: Program;
  /** Linear address of the trampoline, or of the kernel's entry on bare metal. */
  readonly lstar: bigint;
  /** Xen's text; absent on bare metal. */
  readonly xen: Placed | undefined;
  readonly kernel: Placed;
  readonly trampoline: Trampoline | undefined;
  readonly #stub: Part | undefined;
  #names: Map<bigint, string> | undefined;

  constructor(parts: {
    machine: Machine; user: Program; lstar: bigint; xen?: Placed; kernel: Placed; trampoline?: Trampoline;
  }) {
    this.machine = parts.machine;
    this.user = parts.user;
    this.lstar = parts.lstar;
    this.xen = parts.xen;
    this.kernel = parts.kernel;
    this.trampoline = parts.trampoline;
    this.#stub = this.trampoline ? { label: 'trampoline', name: 'trampoline', text: '' } : undefined;
  }

  /** Address of `label` in the kernel's or Xen's text. Throws a `RangeError` where there is none. */
  address(label: string): bigint {
    const found = this.xen?.program.symbols[label] ?? this.kernel.program.symbols[label];
    if (found === undefined) throw new RangeError(`no label ${JSON.stringify(label)} in this world's text`);
    return found;
  }

  /** Where SAVE_ALL leaves register or frame slot `offset` (see `UREGS`) of an entry from the guest. */
  saved(offset: number): bigint {
    const frame = this.trampoline?.stub ? STACK_BOTTOM - BigInt(UREGS_BYTES) : fredSystemCall.registers;
    return peekQuad(this.machine, frame + BigInt(offset));
  }

  /** 1 to 8 bytes at a linear address, as Xen sees memory now: the kernel's is not there while its program runs. */
  peek(linear: bigint, bytes: number): bigint {
    return this.machine.paging.supervisor.read(linear, bytes);
  }

  /** RIP in the frame of the exception that the kernel was given, on its otherwise empty stack. */
  get bouncedRip(): bigint {
    return this.machine.memory.read(this.physical(AREA.kernelStack - 40n), 8);
  }

  /** Physical address of the kernel's own memory: of its stack, whatever address space is in force. */
  physical(stack: bigint): bigint {
    return PHYSICAL.kernelStack + (stack - (AREA.kernelStack - KERNEL_STACK_BYTES));
  }

  /** The program's end, undefined while it runs. */
  get ending(): Ending | undefined {
    const { state } = this.machine;
    if (!state.halted) return undefined;
    if (state.shutdown) return { kind: 'fatal', exception: 'shutdown' };
    if (this.xen && state.rip === this.address('fatal') + 1n) {
      return { kind: 'fatal', exception: mnemonicOf(this.faultInXen) };
    }
    const vector = Number(state.gpr[RSI]);
    return vector === ORDERLY ? { kind: 'exit', exception: '' } : { kind: 'exception', exception: mnemonicOf(vector) };
  }

  /** Vector of the fault that ended Xen: it is in the frame at RSP. */
  get faultInXen(): number {
    const { state, paging } = this.machine;
    return Number(paging.supervisor.read(state.gpr[4]! + 124n, 4));
  }

  /** Executes one instruction, or delivers the exception that it raises. */
  step(): WorldStep {
    const { machine } = this;
    const { rip } = machine.state;
    const lane = this.#lane();
    let raised: string | undefined, executed: Instruction | undefined;
    const { observer } = machine.execution;
    machine.execution.observer = {
      instruction: (i) => (executed ??= i),
      fault: (fault) => (raised ??= fault.notation),
    };
    // An event of FRED stands in the place of the instruction.
    const systemCall = this.trampoline && !this.trampoline.stub && lane !== 'Xen' ? systemCallAt(machine) : undefined;
    if (systemCall) fredSystemCall.deliver(machine, this.address('syscall_enter'));
    else machine.run({ limit: 1 });
    machine.execution.observer = observer;
    const instruction = systemCall ?? executed;
    const name = (address: bigint): string | undefined => this.#symbol(address);
    return {
      lane, rip, part: lane === 'user' ? undefined : this.#partAt(rip), raised,
      get text() {
        return instruction ? print(instruction, rip, name) : 'instruction fetch';
      },
    };
  }

  /** Names for the addresses in instructions, for people. */
  #symbol(address: bigint): string | undefined {
    if (address === STACK_BOTTOM - 16n) return 'rsp_slot';
    this.#names ??= new Map([this.user, this.kernel.program, ...(this.xen ? [this.xen.program] : [])]
      .flatMap(({ symbols }) => Object.entries(symbols).map(([name, at]) => [at, name])));
    return this.#names.get(address);
  }

  /** Executes until `until` says so before an instruction, or the program ends. */
  *run(until: (world: SystemCallWorld) => boolean = () => false): Generator<WorldStep, void> {
    for (let executed = 0; !this.machine.state.halted && !until(this); executed++) {
      if (executed === STEP_BUDGET) {
        throw new RangeError(`the program has not ended after ${STEP_BUDGET.toLocaleString('en')} instructions`);
      }
      yield this.step();
    }
  }

  /** The same without looking at the steps. Answers why the program ended, undefined where it has not. */
  finish(until?: (world: SystemCallWorld) => boolean): Ending | undefined {
    for (const _ of this.run(until));
    return this.ending;
  }

  /** Whether the next instruction is the user program's. */
  get inUser(): boolean {
    return this.#lane() === 'user';
  }

  #lane(): Lane {
    const { state, execution } = this.machine;
    if (execution.cpl === 0) return this.xen ? 'Xen' : 'kernel';
    return state.rip >= AREA.kernel ? 'kernel' : 'user';
  }

  #partAt(rip: bigint): Part | undefined {
    if (this.#stub && rip >= this.lstar && rip < this.lstar + 2n * CSTAR_OFFSET) return this.#stub;
    for (const placed of [this.xen, this.kernel]) {
      if (!placed || rip < placed.program.origin) continue;
      if (rip >= placed.program.origin + BigInt(placed.program.bytes.length)) continue;
      return placed.parts.findLast(({ label }) => placed.program.symbols[label]! <= rip);
    }
    return undefined;
  }
}

const mnemonicOf = (vector: number): string =>
  Object.entries(VECTORS).find(([, number]) => number === vector)?.[0] ?? `vector ${vector}`;

/** `user` must be of 64 or 32 bits and lie where user programs do. */
function requireUser(user: Program): Entry {
  const { mode, origin } = user ?? {};
  if (!user?.bytes || (mode !== 64 && mode !== 32)) {
    throw new TypeError('the user program is one that asm64, asm32 or assemble gives, of 64 or 32 bits');
  }
  if (user.origin >= 1n << 47n || user.origin + BigInt(user.bytes.length) > 1n << 47n) {
    throw new RangeError(`the user program is at ${hex(user.origin)}; give it an org below ${hex(1n << 47n)}`);
  }
  if (user.bytes.length > MAXIMUM_USER_BYTES) {
    throw new RangeError(`the user program has ${user.bytes.length} bytes; up to ${MAXIMUM_USER_BYTES} are possible`);
  }
  return { mode, rip: origin };
}

/** The user program and its stack, in both spaces of a guest. */
function loadUser(stage: Stage, user: Program, spaces: readonly PageTables[]): void {
  stage.load(user.bytes, user.origin, PHYSICAL.user, spaces, 'user');
  const top = user.mode === 64 ? AREA.userStack : AREA.userStack32;
  for (const space of spaces) space.map(top - 0x2000n, PHYSICAL.userStack, 0x2000, 'user');
}

/** A PV64 guest under Xen, at Xen's first instruction of boot. Throws where options cannot be used. */
export function pvWorld(options: PvOptions): SystemCallWorld {
  requireKnown('pvWorld', options, ['cpu', 'trampoline', 'user', 'kernel', 'syscallEnter']);
  const { cpu, trampoline, user, kernel = takesFrame, syscallEnter = DEFAULT_SYSCALL_ENTER } = options;
  const entry = requireUser(user);
  if (user.mode === 32 && !trampoline.stub) throw new Unmodelled('a system call of 32-bit code under FRED');
  if (syscallEnter < 0x1000n || syscallEnter > IMAGE_BYTES - 0x1_0000n) {
    throw new RangeError(`syscallEnter is ${hex(syscallEnter)}; it is an offset from 0x1000 to 0x3f0000`);
  }
  const stage = new Stage(cpu);
  const { machine } = stage;
  const kernelSpace = stage.space(), userSpace = stage.space();
  const spaces = [kernelSpace, userSpace];
  loadUser(stage, user, spaces);
  const guest = stage.place(guestKernelText(kernel, entry), AREA.kernel, PHYSICAL.kernel, [kernelSpace], 'user');
  kernelSpace.map(AREA.kernelStack - KERNEL_STACK_BYTES, PHYSICAL.kernelStack, Number(KERNEL_STACK_BYTES), 'user');
  const { symbols } = guest.program;
  const enterGuest = `
        push   ${SELECTOR.userStack}
        mov    rax, ${hex(AREA.kernelStack)}
        push   rax
        push   0x202
        push   ${SELECTOR.code64}
        mov    rax, ${hex(symbols.start!)}
        push   rax
        iretq`;
  const enter = trampoline.image + syscallEnter;
  const { lstar } = trampoline;
  const cstar = lstar + CSTAR_OFFSET;
  const boot = bootText({ lstar, cstar, syscallMask: SYSCALL_MASK, enter: enterGuest });
  const xen = stage.place(
    [...xenText(trampoline), boot], enter, PHYSICAL.image + (syscallEnter & ~0xfffn), spaces, 'supervisor',
  );
  if (trampoline.stub) {
    const physical = lstar === STACK_PAGE ? lstar - AREA.directMap : PHYSICAL.victim - 0x1000n;
    const enter32 = xen.program.symbols.cstar_enter ?? enter;
    for (const [at, target, selector] of [
      [lstar, enter, SELECTOR.code64], [cstar, enter32, SELECTOR.userCode32],
    ] as const) {
      const stub = stubBytes(trampoline.stub({ stackBottom: STACK_BOTTOM, enter: target, selector }), at);
      stage.load(stub, at, physical, spaces, 'supervisor');
    }
  }
  stage.tables((vector) => xen.program.symbols[`exception_${vector}`]!);
  setUpVcpu(machine, kernelSpace, userSpace, symbols);
  stage.start(xen.program.symbols.boot!, kernelSpace);
  return new SystemCallWorld({ machine, user, lstar, xen, kernel: guest, trampoline });
}

/** What Xen's C code has put into `struct vcpu` before the guest runs. */
function setUpVcpu(
  machine: Machine, kernelSpace: PageTables, userSpace: PageTables, symbols: Readonly<Record<string, bigint>>,
): void {
  const vcpu = direct(PHYSICAL.vcpu);
  const set = (offset: number, value: bigint): void => pokeQuad(machine, vcpu + BigInt(offset), value);
  pokeQuad(machine, CURRENT, vcpu);
  set(VCPU.kernelMode, 1n);
  set(VCPU.kernelCr3, kernelSpace.root);
  set(VCPU.userCr3, userSpace.root);
  set(VCPU.kernelStack, AREA.kernelStack);
  set(VCPU.syscallEntry, symbols.syscall_entry!);
  for (const vector of EXCEPTIONS) set(VCPU.traps + 8 * vector, symbols[`trap_${vector}`]!);
}

/** The same program under a kernel at ring 0, with the same selectors, at its first instruction of boot. */
export function bareMetal({ cpu, user }: { cpu: CpuProfile; user: Program }): SystemCallWorld {
  const entry = requireUser(user);
  const stage = new Stage(cpu);
  const space = stage.space();
  loadUser(stage, user, [space]);
  const text = bareKernelText(entry);
  // The address of the handler does not depend on what the boot code loads into IA32_LSTAR.
  const parts = (lstar: bigint): Part[] => [
    ...text, bootText({ lstar, cstar: lstar, syscallMask: SYSCALL_MASK, enter: '\n        jmp    start' }),
  ];
  const place = (lstar: bigint): Placed =>
    stage.place(parts(lstar), AREA.kernel, PHYSICAL.kernel, [space], 'supervisor');
  const lstar = place(AREA.kernel).program.symbols.handler!;
  const kernel = place(lstar);
  stage.tables((vector) => kernel.program.symbols[`exception_${vector}`]!);
  stage.start(kernel.program.symbols.boot!, space);
  return new SystemCallWorld({ machine: stage.machine, user, lstar, kernel });
}

/** The physical page that no code uses: what a stray ring-0 write hits. */
export const VICTIM = direct(PHYSICAL.victim);
