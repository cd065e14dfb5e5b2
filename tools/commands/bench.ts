import { endTogether, runNode } from '../child.ts';

/** `npm run bench`: in a process of its own, in which `hidden-state` is the engine's source. */
export function main(args: string[]): Promise<number> {
  endTogether();
  return runNode(['--conditions=source', 'bench/index.ts', ...args]);
}
