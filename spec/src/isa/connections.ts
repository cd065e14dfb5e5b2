/** What a processor is connected to, as instructions see it: memory, paging, ports, local APIC, whoever looks on. */

import type { Fault } from '../state/outcomes.ts';
import type { Instruction } from './instruction.ts';

/** Linear memory as an instruction sees it. Each method may throw #PF before anything is written. */
export interface MemoryPort {
  /** Little-endian, 1 to 16 bytes. */
  read(linear: bigint, bytes: number): bigint;
  write(linear: bigint, bytes: number, value: bigint): void;
  readBytes(linear: bigint, bytes: number): Uint8Array;
  writeBytes(linear: bigint, data: Uint8Array): void;
  /** Throws #PF unless all of `bytes` bytes can be written. */
  requireWritable(linear: bigint, bytes: number): void;
}

/** Which translations a processor forgets. SDM vol. 3A, 4.10.4.1. */
export type TlbScope =
  | { readonly kind: 'all' }
  | { readonly kind: 'all but global' }
  /** Those of one process-context identifier, global ones not. */
  | { readonly kind: 'context'; readonly pcid: number }
  /** Those of the page of `linear` with this identifier, and the global one where asked for. */
  | { readonly kind: 'page'; readonly linear: bigint; readonly pcid: number; readonly global: boolean };

/** Paging as the instructions see it that manage it. */
export interface PagingPort {
  /** Little-endian, 4 or 8 bytes of physical memory. */
  readPhysical(address: bigint, bytes: number): bigint;
  /** A register that decides about access rights has changed; translations stay. */
  changed(): void;
  invalidate(scope: TlbScope): void;
}

/** The linear memory of one processor, by who accesses it, and what manages it. */
export interface MemoryPorts {
  readonly memory: MemoryPort;
  readonly tables: MemoryPort;
  readonly supervisor: MemoryPort;
}

/** The I/O address space as an instruction sees it. */
export interface PortSpace {
  /** The value of 1, 2 or 4 bytes at `port`. */
  read(port: number, bytes: number): bigint;
  write(port: number, bytes: number, value: bigint): void;
}

/** The local APIC as RDMSR and WRMSR reach it. The rules inside are the device's; it raises #GP(0) through `Fault`. */
export interface LocalApic {
  /** An x2APIC register, MSRs 800h to 8FFh, or IA32_TSC_DEADLINE (6E0h). */
  readMsr(msr: number): bigint;
  writeMsr(msr: number, value: bigint): void;
  /** IA32_APIC_BASE.EN was cleared: what is enabled later begins as after RESET. SDM vol. 3A, 10.12.5.1. */
  reset(): void;
}

/** FERR# and IGNNE#, by which an x87 exception is reported where CR0.NE is 0. SDM vol. 1, 8.7.2. */
export interface CoprocessorPins {
  /** IGNNE# is asserted: waiting instructions go on although an exception is pending. */
  readonly ignored: boolean;
  /** FERR#: an unmasked exception is pending. Called whenever that may have changed. */
  drive(error: boolean): void;
}

/** What a processor is told about the machine that it is in. */
export interface Placement {
  /** Initial local APIC identifier. */
  apicId: number;
  /** Logical processors of the machine, which are cores of one package. */
  processors: number;
  /** Instructions per second of nominal time, which is what the time-stamp counter counts. */
  frequency: number;
}

/** Is told what happens between instructions, and changes nothing: for traces. */
export interface Observer {
  /** `instruction` is about to be executed: it is fetched, and nothing of it has happened yet. */
  instruction?(instruction: Instruction): void;
  /** An interrupt or exception is about to be delivered; one that cannot be is followed by the fault that says why. */
  event?(vector: number, errorCode: number | undefined): void;
  /** A fault was raised, by an instruction or by a delivery. */
  fault?(fault: Fault): void;
}
