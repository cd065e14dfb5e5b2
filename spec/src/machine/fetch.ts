/** Instruction fetch: from CS:RIP to a decoded instruction, from the page's decoded ones where it can. */

import { hex, u } from '../numbers/bits.ts';
import { type Reading, decode } from '../isa/decode.ts';
import type { Execution } from '../isa/execution.ts';
import { type Instruction, type Mode, featuresOf } from '../isa/instruction.ts';
import { CS, OFFSET, SEGMENT_STRIDE } from '../state/fields.ts';
import { pageOffset } from './memory/address.ts';
import type { LinearMemory } from './memory/linear.ts';
import { remember } from './memory/page.ts';

const CS_BASE = OFFSET.segments + SEGMENT_STRIDE * CS + 16;

export class InstructionFetch {
  readonly #execution: Execution;
  readonly #memory: LinearMemory;
  readonly #reading: Reading;

  constructor(execution: Execution, memory: LinearMemory) {
    this.#execution = execution;
    this.#memory = memory;
    const { cpu } = execution;
    this.#reading = {
      wordBranches: cpu.nearBranch66 === '16 bits', holes: cpu.holes, vendor: cpu.vendor,
      lacks(definition) {
        const lacking = featuresOf(definition).find((feature) => !cpu.features.has(feature));
        return lacking && `${cpu.name} has no ${definition.mnemonic} (CPUID: ${lacking})`;
      },
    };
  }

  /** The instruction at RIP. Works on halves of the address: this runs before every instruction, and bigints cost. */
  current(): Instruction {
    const { state } = this.#execution;
    const mode = this.#execution.mode;
    const rip = state.doubleword(OFFSET.rip);
    const low = mode === 64 ? rip : (rip + state.doubleword(CS_BASE)) >>> 0;
    const high = mode === 64 ? state.doubleword(OFFSET.rip + 4) : 0;
    // Bits 63:47, all alike in an address of 48 bits.
    const top = (high | 0) >> 15;
    if (top !== 0 && top !== -1) this.#requireCanonical(state.rip);
    const page = this.#memory.codePageAt(low, high);
    const cached = page?.decoded?.[low & 0xfff];
    if (cached && cached.mode === mode && (mode === 64 || rip + cached.length - 1 <= state.limit(CS))) return cached;
    return this.at(state.rip);
  }

  /**
   * Decodes the instruction at `ip`, an offset in CS, in the current mode. Throws like its execution would: #PF, #UD,
   * #GP, `Unmodelled`.
   */
  at(ip: bigint): Instruction {
    const { state, mode } = this.#execution;
    const linear = mode === 64 ? ip : u(32, ip + state.base(CS));
    const i = decode((n) => this.#byte(ip, linear, n, mode), mode, this.#reading);
    const page = this.#memory.codePage(linear);
    if (page) remember(page, pageOffset(linear), i);
    return i;
  }

  /**
   * An address that is not canonical is reached by running over the edge, and by SYSRET on AMD's processors.
   * SDM vol. 1, 3.3.7.1.
   */
  #requireCanonical(address: bigint): void {
    if (!this.#execution.canonical(address)) {
      this.#execution.fault('#GP', `an instruction fetch from ${hex(address)}, which is not canonical`, 0);
    }
  }

  /** Byte `n` of the instruction at `ip`. */
  #byte(ip: bigint, linear: bigint, n: number, mode: Mode): number {
    if (mode !== 64 && Number(ip) + n > this.#execution.state.limit(CS) && !this.#wraps(n)) {
      this.#execution.fault('#GP', 'the instruction reaches beyond the limit of CS', 0);
    }
    const at = u(mode === 64 ? 64 : 32, linear + BigInt(n));
    if (mode === 64) this.#requireCanonical(at);
    return this.#memory.fetchByte(at);
  }

  /** Byte `n` of an instruction may be behind 4 GiB: in a flat segment, as an operand may. */
  #wraps(n: number): boolean {
    const { cpu, state } = this.#execution;
    return n > 0 && cpu.accesses.wrapping === 'wraps' && state.limit(CS) === 0xffff_ffff && state.base(CS) === 0n;
  }
}
