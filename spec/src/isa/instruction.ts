/** The one shape of an instruction, and of a decoded instance of it. */

import type { Feature } from '../cpus/features.table.ts';
import type { Citation } from '../state/citation.ts';
import type { Execution } from './execution.ts';
import type { ExceptionClass } from './simd/exceptions.ts';
import type { Form } from './form.ts';
import type { Operand } from './operand.ts';

/** An instruction, always in this order: name, encodings, conditions, operation, citation. */
export interface InstructionDefinition {
  /** As the manual's heading has it: `ADD`. */
  readonly mnemonic: string;
  /** Other mnemonics of the same encodings (`JZ` for `JE`). */
  readonly aliases?: readonly string[];
  readonly title: string;
  /** Encodings in the notation of `form.ts`. */
  readonly forms: readonly string[];
  /** CPUID bit, or bits, without which the instruction is #UD. */
  readonly cpuid?: Feature | readonly Feature[];
  /** Of what works on vector registers: which checks come before it. */
  readonly exceptions?: ExceptionClass;
  /** LOCK is allowed with a memory destination; otherwise LOCK is #UD. */
  readonly lock?: true;
  /** F3 and F2 repeat it: both to the end of the count, or F3 while ZF is 1 and F2 while it is 0. */
  readonly repeat?: 'REP' | 'REPE';
  /** #UD by its opcode: processors that fetch no hole further than that do not fetch the ModRM byte either. */
  readonly undefinedByOpcode?: true;
  readonly operation: (x: Execution, i: Instruction) => void;
  readonly source: Citation;
}

/** Checks nothing, infers everything: for declarations. */
export const instruction = (definition: InstructionDefinition): InstructionDefinition => definition;

/** The CPUID bits without which an instruction is #UD. */
export const featuresOf = ({ cpuid = [] }: InstructionDefinition): readonly Feature[] =>
  (typeof cpuid === 'string' ? [cpuid] : cpuid);

/** A decoded instruction. */
export interface Instruction {
  readonly form: Form;
  readonly definition: InstructionDefinition;
  readonly operation: InstructionDefinition['operation'];
  /** Length in bytes, prefixes included. */
  readonly length: number;
  /** The same as a bigint: what RIP advances by. */
  readonly advance: bigint;
  readonly bytes: Uint8Array;
  readonly mode: Mode;
  /** Effective operand size in bits, 8 for the byte forms. */
  readonly size: number;
  readonly addressSize: 16 | 32 | 64;
  readonly rexW: boolean;
  readonly lock: boolean;
  /** The last F3 or F2 prefix that is not part of the opcode, or 0. */
  readonly repeat: 0 | 0xf2 | 0xf3;
  readonly operands: readonly Operand[];
  /** Segment override in effect, or -1. */
  readonly segment: number;
  /** For x87: bits 2:0 of the first opcode byte and the ModRM byte, as FOP holds them. SDM vol. 1, 8.1.9. */
  readonly x87Opcode: number;
}

/** Default operation size of the code segment: 16, 32, or 64 for 64-bit mode. */
export type Mode = 16 | 32 | 64;
