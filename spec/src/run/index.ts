/** `hidden-state/run`: boots kernels, boot sectors and ROMs. The command of the same name is made of this. */

export { Run, type RunOptions, load, run } from './run.ts';
export { type EndReason, Outcome } from './outcome.ts';
export type { TraceOptions } from './trace.ts';
export { type DumpOptions, dump } from './dump.ts';
export { PLAIN, type Style, TERMINAL } from './style.ts';
export { type Image, ImageError, type Part } from '../machine/loaders/image.ts';
export type { MultibootModule } from '../machine/loaders/multiboot-information.ts';
