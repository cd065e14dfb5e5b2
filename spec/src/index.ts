/** Hidden State: an executable model of the x86 state that a hypervisor cannot see, save or restore. */

export * as cpus from './cpus/index.ts';
export type { CpuProfile } from './cpus/profile.ts';
export { asm32, asm64 } from './asm/template.ts';
export { type AssembleOptions, type Program, assemble, symbol } from './asm/assemble.ts';
export { AssemblyError } from './asm/error.ts';
export { type DisassembledLine, disassemble } from './asm/disassemble.ts';
export { type Loadable, Machine, type MachineDifference, type MachineOptions, type Snapshot, type Stop } from './machine/machine.ts';
export { Fault, Undefined, Unmodelled } from './state/outcomes.ts';
export { type Citation, printCitation } from './state/citation.ts';
