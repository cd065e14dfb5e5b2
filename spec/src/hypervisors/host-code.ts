/** Host code as text, run on the machine at hand, one instruction a step. */

import { type Program, assemble } from '../asm/assemble.ts';
import type { Instruction, Mode } from '../isa/instruction.ts';
import { print } from '../isa/print.ts';
import type { Machine } from '../machine/machine.ts';
import type { HostStep, Steps } from './policy.ts';

/** Host instructions that one `run` may execute: an endless loop in a policy ends with a message. */
const STEP_BUDGET = 100_000;

type Symbols = (address: bigint) => string | undefined;

/** Fragments of code in hypervisor memory: each is assembled once and stays where it is. */
export class HostCode {
  readonly #machine: Machine;
  readonly #fragments = new Map<string, { address: bigint; end: bigint }>();
  #next: bigint;
  readonly #owner: string;
  readonly #symbols: Symbols;
  readonly #known: Readonly<Record<string, bigint>>;
  readonly #mode: Mode;
  readonly #base: bigint;

  /**
   * Code goes to `origin` and up, an offset in a CS with this `base`; `owner` is whose it is, for messages; `symbols`
   * names addresses, for people; `known` are symbols that the text may use.
   */
  constructor(
    machine: Machine, origin: bigint, owner: string, symbols: Symbols,
    { mode = 64, base = 0n, known = {} }: { mode?: Mode; base?: bigint; known?: Readonly<Record<string, bigint>> } = {},
  ) {
    this.#machine = machine;
    this.#next = origin;
    this.#owner = owner;
    this.#symbols = symbols;
    this.#known = known;
    this.#mode = mode;
    this.#base = base;
  }

  /** Runs `source` from its first byte to its last; yields after every instruction. */
  *run(source: string): Steps {
    const machine = this.#machine;
    const { address, end } = this.#fragment(source);
    machine.state.rip = address;
    for (let executed = 0; machine.state.rip !== end; executed++) {
      if (executed === STEP_BUDGET) {
        throw new RangeError(
          `a step of ${this.#owner} ran for more than ${STEP_BUDGET.toLocaleString('en')} instructions: `
            + source.trim(),
        );
      }
      const rip = machine.state.rip;
      yield new Executed(machine.step(), rip, this.#symbols);
    }
  }

  #fragment(source: string): { address: bigint; end: bigint } {
    const known = this.#fragments.get(source);
    if (known) return known;
    const program = assembled(source, this.#mode, this.#next, this.#known);
    this.#machine.memory.install(this.#base + program.origin, program.bytes);
    const fragment = { address: program.origin, end: program.origin + BigInt(program.bytes.length) };
    this.#fragments.set(source, fragment);
    this.#next = (fragment.end + 15n) & ~15n;
    return fragment;
  }
}

/** Every world has the same fragments at the same places. */
const programs = new Map<string, Program>();
const MOST_PROGRAMS = 1000;

function assembled(source: string, mode: Mode, origin: bigint, symbols: Readonly<Record<string, bigint>>): Program {
  const key = `${mode} ${origin} ${Object.entries(symbols).join()} ${source}`;
  const program = programs.get(key) ?? assemble(source, { mode, origin, symbols });
  if (programs.size < MOST_PROGRAMS) programs.set(key, program);
  return program;
}

/** An executed instruction that is printed only when somebody looks. */
export class Executed implements HostStep {
  readonly rip: bigint;
  readonly #instruction: Instruction;
  readonly #symbol: Symbols | undefined;

  constructor(instruction: Instruction, rip: bigint, symbol?: Symbols) {
    this.#instruction = instruction;
    this.rip = rip;
    this.#symbol = symbol;
  }

  get text(): string {
    return print(this.#instruction, this.rip, this.#symbol);
  }
}
