/** Cutting a guest down to the instructions that a counterexample needs, by leaving out one after the other. */

import { type Program, assemble } from '../asm/assemble.ts';
import { AssemblyError } from '../asm/error.ts';
import { Fault, Unmodelled } from '../state/outcomes.ts';

/** Instructions to try to leave out at most: each costs a run. */
const MAXIMUM_CANDIDATES = 200;

/**
 * Leaves out instruction lines, last first, as long as `fails` still says yes; until no single one can go.
 * Data and labels stay. Returns the instructions that are left, as written.
 */
export function shrink(guest: Program, fails: (smaller: Program) => boolean): string[] {
  let current = guest;
  for (let changed = true; changed;) {
    changed = false;
    const instructions = current.listing.filter((line) => line.kind === 'instruction');
    const candidates = instructions.slice(-MAXIMUM_CANDIDATES).reverse();
    for (const { line, text } of candidates) {
      const smaller = without(current, line, text);
      if (smaller && stillFails(smaller, fails)) {
        current = smaller;
        changed = true;
      }
    }
  }
  return current.listing.filter((line) => line.kind === 'instruction').map((line) => line.text.replace(/\s+/g, ' '));
}

/** The program without one instruction, or undefined if it does not assemble then. Lines keep their numbers. */
function without(program: Program, line: number, text: string): Program | undefined {
  const lines = program.source.split('\n');
  lines[line - 1] = lines[line - 1]!.replace(text, '');
  try {
    return assemble(lines.join('\n'), { mode: program.mode, origin: program.origin });
  } catch (error) {
    if (error instanceof AssemblyError) return undefined;
    throw error;
  }
}

/** A guest that runs into its data, or into what the engine does not know, is no smaller example. */
function stillFails(smaller: Program, fails: (smaller: Program) => boolean): boolean {
  try {
    return fails(smaller);
  } catch (error) {
    if (error instanceof Unmodelled || error instanceof Fault) return false;
    throw error;
  }
}
