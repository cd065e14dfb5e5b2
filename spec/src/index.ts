/** Hidden State: an executable model of the x86 state that a hypervisor cannot see, save or restore. */

export * as cpus from './cpus/index.ts';
export type { CpuProfile } from './cpus/profile.ts';
export { asm32, asm64 } from './asm/template.ts';
export { type AssembleOptions, type Program, assemble, symbol } from './asm/assemble.ts';
export { AssemblyError } from './asm/error.ts';
export { type DisassembledLine, disassemble } from './asm/disassemble.ts';
export {
  type Clock, type Loadable, Machine, type MachineDifference, type MachineOptions, type Snapshot, type Stop,
} from './machine/machine.ts';
export { type InterruptController, InterruptQueue, type Interrupts } from './machine/interrupts.ts';
export { RESET_TABLE, type ResetRow, type ResetValue, STARTUP_TABLE } from './machine/reset.table.ts';
export { Pc, type PcOptions, type PcSnapshot, type PcStop } from './machine/pc.ts';
export type { Schedule, Turn } from './machine/schedule.ts';
export { Memory } from './machine/memory/physical.ts';
export { DebugPort, type PortDevice, type Ports } from './machine/ports.ts';
export { Fault, Undefined, Unmodelled } from './state/outcomes.ts';
export { type Citation, printCitation } from './state/citation.ts';
export { type Host, type HostStep, type Policy, type Steps, policy } from './hypervisors/policy.ts';
export { SaveArea } from './hypervisors/save-area.ts';
export { World } from './hypervisors/world.ts';
export * as segments from './hypervisors/segments/index.ts';
export * as xen from './hypervisors/xen/index.ts';
export * as xenVcpu from './hypervisors/xen/vcpu-policies.ts';
export type { FpuContext, ParkedVcpu, VcpuPolicy } from './hypervisors/xen/vcpu-policies.ts';
export { type LifeStep, Vcpu, type VcpuOptions, type VcpuSnapshot } from './hypervisors/xen/vcpu.ts';
export { LEGACY_FIELDS, type LegacyField, legacyField, readLegacy } from './hypervisors/legacy-fields.ts';
export * as pv from './hypervisors/xen/pv/index.ts';
export * as kvm from './hypervisors/kvm/index.ts';
export { explore } from './explore/explore.ts';
export {
  type CompareOptions, type Comparison, type Parting, comparePolicies,
} from './explore/compare-policies.ts';
export type { ExploreOptions } from './explore/exploration.ts';
export {
  type Consequence, type ConsequenceOptions, type Consequences, consequenceTimeline, consequences,
} from './explore/consequence.ts';
export { type HiddenState, hiddenStateGuest, hiddenStates, tagMemory, unrealMode } from './explore/segment-guests.ts';
export { type Case, tabulateConsequences } from './explore/tabulate-consequences.ts';
export { type SmallestGuest, type SmallestGuestOptions, smallestGuest } from './explore/smallest-guest.ts';
export { type TabulateOptions, tabulate } from './explore/tabulate.ts';
export {
  type Bounds, type Boundary, type ExecutionOptions, type Executions, NEVER_ENDS, exploreExecutions,
} from './explore/executions.ts';
export type { Deviation } from './explore/outcomes.ts';
export {
  type Occurrence, type System, externalInterrupt, machineCheck, nonMaskableInterrupt,
} from './explore/system.ts';
export { type ReplayOptions, replay } from './explore/replay.ts';
export {
  type Happening, type HostExecutionOptions, type HostExecutions, hostExecutions,
} from './explore/host-executions.ts';
export { type FpuWindows, fpuWindows } from './explore/host-windows.ts';
export { type HostTimelineOptions, hostTimeline } from './explore/host-timeline.ts';
export { type HostColumn, tabulateHosts } from './explore/host-table.ts';
export { shrink } from './explore/shrink.ts';
export { printTable, printVerdict } from './explore/print.ts';
export {
  type LinkAddressLoad, type LinkAddressOptions, type LinkFlag, flagsByLinkAddress,
} from './explore/link-addresses.ts';
export { recordSystemCall } from './explore/system-call-timeline.ts';
export {
  type SystemCallCase, type SystemCallOptions, type TabulateSystemCallsOptions, type Witness, compareSystemCalls,
  tabulateSystemCalls,
} from './explore/system-calls.ts';
export {
  HYPERVISOR_OPERATORS, IN_GUEST_CONTEXT, type Operator, type Reached, type SearchResult, searchRestores,
} from './explore/search.ts';
export {
  POINTER_NAMES, type PointerClass, type PointerEffect, type PointerEffectOptions, type PointerName, pointerClasses,
  pointerEffect, x87Instructions,
} from './explore/pointer-effects.ts';
export { RecordedVcpu } from './explore/life.ts';
export {
  GUEST_EVENTS, LIFE_EVENTS, type LifeEvent, type ScheduleOptions, type ScheduleResult, type ScheduleTableOptions,
  exploreSchedules, guestEvent, legacyDifferences, tabulateSchedules,
} from './explore/schedules.ts';
export { type LoadRequest, type Loaded, type Loader, compareLoads, loadArea } from './explore/loads.ts';
export type {
  Counterexample, Difference, Ending, FieldValue, Outcome, PolicySummary, Timeline, TimelineStep, Verdict, VerdictTable,
  VerdictWords, Window,
} from './explore/verdict.ts';
