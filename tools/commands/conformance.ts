import { endTogether, runNode } from '../child.ts';

/** `npm run conformance`: the engine against the processor at hand, or against stored vectors; in a process of its own. */
export function main(args: string[]): Promise<number> {
  endTogether();
  return runNode(['--conditions=source', 'test/silicon/conformance.ts', ...args]);
}
