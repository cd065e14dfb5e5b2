import { existsSync } from 'node:fs';
import { findBrowser } from '../browser.ts';
import { summary } from '../checks.ts';
import { endTogether } from '../child.ts';
import { Sentence } from '../sentence.ts';
import { runVitest } from '../vitest.ts';

/** `npm run test:browser`: drives a real Chromium over the built site. With arguments they go to vitest. */
export async function main(args: string[]): Promise<number> {
  endTogether();
  process.env.CHROMIUM = findBrowser();
  if (!existsSync('dist/index.html')) throw new Sentence('There is no built site in dist/ to look at. Run: npm run build');
  const count = await runVitest(['--config', 'test/browser/vitest.config.ts', ...args]);
  console.log(summary(count));
  return count.failed === 0 ? 0 : 1;
}
