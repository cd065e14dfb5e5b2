import { add, staticChecks, summary } from '../checks.ts';
import { endTogether } from '../child.ts';
import { runVitest } from '../vitest.ts';

/**
 * `npm test`: types, lint, engine tests, doctests and the doctest pipeline's own tests. With arguments they go to
 * vitest alone: `npm test -- content/hazards/x.mdx:22`.
 */
export async function main(args: string[]): Promise<number> {
  endTogether();
  const checked = args.length > 0 ? { passed: 0, failed: 0 } : await staticChecks();
  const count = add(checked, await runVitest(args));
  console.log(summary(count));
  return count.failed === 0 ? 0 : 1;
}
