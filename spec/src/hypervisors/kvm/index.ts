import type { Kernel } from './kernel.ts';
import { linux311, linux39, linux41, xcr0Flag } from './kernels-2013.ts';
import { linux415, linux42, linux46, linux51 } from './kernels-2015.ts';
import { linux510, linux518, linux619 } from './kernels-2019.ts';

export * from './kernels-2013.ts';
export * from './kernels-2015.ts';
export * from './kernels-2019.ts';
export { type HostOptions, Host } from './host.ts';
export { type Kernel, type KernelSteps, asm, differingSteps, kernel } from './kernel.ts';
export { type HostVerdict, type Outcome, printOutcome } from './outcome.ts';
export type { Handler } from './program.ts';

/** All kernels here, oldest first; the workaround of the report stands behind the version that it is for. */
export const history: readonly Kernel[] = [
  linux39, linux311, xcr0Flag, linux41, linux42, linux46, linux415, linux51, linux510, linux518, linux619,
];
