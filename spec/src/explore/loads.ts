/**
 * One save area, loaded by each of the instructions that can load it: do they make the same registers of it, and does
 * the guest's first instruction tell?
 */

import type { CpuProfile } from '../cpus/profile.ts';
import { assemble } from '../asm/assemble.ts';
import { legacyDifferences } from './schedules.ts';
import { SaveArea } from '../hypervisors/save-area.ts';
import { COMPACTED } from '../isa/xsave/compaction.ts';
import { LEGACY_BYTES } from '../isa/xsave/legacy-region.ts';
import { USUAL_COMPONENTS } from '../isa/xsave/components.ts';
import { Machine } from '../machine/machine.ts';
import { RAX } from '../state/fields.ts';
import { Fault } from '../state/outcomes.ts';

/** XRSTORS takes the compacted format only: its area is marked so, and is the same otherwise. */
export type Loader = 'FXRSTOR' | 'XRSTOR' | 'XRSTORS';

export interface LoadRequest {
  cpu: CpuProfile;
  /** Fills the area, which is all zeros when this begins: `xenVcpu.merged.allocate`. */
  allocate: (area: SaveArea) => void;
  loader: Loader;
  /** What the guest executes first: 64-bit code, which may use `one`, a double 1.0, and `scratch`, 512 bytes. */
  first?: string;
}

export interface Loaded {
  /** FXSAVE64's 512 bytes after that. */
  readonly image: Uint8Array;
  /** The whole tag word, as FNSTENV stores it: two bits a register, 3 where it is empty. */
  readonly tagWord: number;
  /** `#MF`, `#GP(0)`; empty where nothing faulted. */
  readonly fault: string;
}

const CODE = 0xffff_f803_0000_1000n, DATA = CODE + 0x1000n, AREA = CODE + 0x2000n;
const SYMBOLS = { image: AREA, look: DATA, environment: DATA + 0x200n, one: DATA + 0x300n, scratch: DATA + 0x400n };

/** Loads an area into registers that hold something else, and executes the guest's first instruction. */
export function loadArea({ cpu, allocate, loader, first = 'nop' }: LoadRequest): Loaded {
  const machine = new Machine(undefined, { cpu });
  const { memory, state } = machine;
  memory.map(DATA, 0x1000);
  memory.write(SYMBOLS.one, 8, 0x3ff0_0000_0000_0000n);
  const area = new SaveArea(memory, AREA);
  area.clear();
  allocate(area);
  if (loader === 'XRSTORS') area.xcompBv = COMPACTED | (cpu.xcr0 & USUAL_COMPONENTS);
  const execute = (source: string): void => {
    const { bytes } = assemble(source, { mode: 64, origin: CODE, symbols: SYMBOLS });
    memory.install(CODE, bytes);
    state.rip = CODE;
    while (state.rip !== CODE + BigInt(bytes.length)) machine.step();
  };
  // What another vCPU left: two registers in use, XMM0 all ones.
  execute('fninit\n fld1\n fld1\n mov rax, -1\n mov [scratch], rax\n movups xmm0, [scratch]');
  state.gpr[RAX] = 7n;
  const fault = faultOf(() => {
    execute(`${loader.toLowerCase()}64 [image]`);
    execute(first);
  });
  execute('fxsave64 [look]\n fnstenv [environment]');
  return {
    image: memory.readBytes(SYMBOLS.look, LEGACY_BYTES),
    tagWord: Number(memory.read(SYMBOLS.environment + 8n, 2)),
    fault,
  };
}

/** The registers that a load leaves different from what another leaves, after the guest's first instruction. */
export function compareLoads(request: Omit<LoadRequest, 'loader'>, left: Loader, right: Loader): string[] {
  const [a, b] = [loadArea({ ...request, loader: left }), loadArea({ ...request, loader: right })];
  return [
    ...legacyDifferences(a.image, b.image).map(({ label }) => label), ...(a.fault === b.fault ? [] : ['fault']),
  ];
}

function faultOf(run: () => void): string {
  try {
    run();
    return '';
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    throw error;
  }
}
