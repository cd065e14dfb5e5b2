/**
 * What a loader makes of a file: bytes with their places in physical memory, and the processor's state to begin with.
 */

import type { CpuProfile } from '../../cpus/profile.ts';
import type { State } from '../../state/state.ts';

export interface Image {
  /** What the file turned out to be: `Multiboot kernel, ELF32`. */
  readonly kind: string;
  readonly parts: readonly Part[];
  /** State of the processor that starts it. */
  state(cpu: CpuProfile): State;
}

/** Bytes at a physical address. */
export interface Part {
  readonly what: string;
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Read-only: writes to it are lost. */
  readonly rom: boolean;
}

/** A file that is not what it is taken for, or does not fit: what was found, what was expected, and where. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}
