export { type GuestKernel, popsRegisters, takesFrame } from './guest.ts';
export {
  type Code, type Trampoline, type TrampolinePlace, canonicalCheck, fred, fredAdjusted, indirectJump, nearJump,
  reloaded, stubBytes, stubPage, trampolines,
} from './trampolines.ts';
export {
  DEFAULT_SYSCALL_ENTER, type Ending, type PvOptions, type SystemCallWorld, VICTIM, type WorldStep, atHandler,
  bareMetal, inUser, pvWorld,
} from './world.ts';
