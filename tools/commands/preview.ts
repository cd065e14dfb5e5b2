import { existsSync } from 'node:fs';
import { preview } from 'astro';
import { endTogether } from '../child.ts';
import { freePort, wantedPort } from '../port.ts';
import { Sentence } from '../sentence.ts';

/** `npm run preview`: serves what `npm run build` made. */
export async function main(args: string[]): Promise<number> {
  if (!existsSync('dist/index.html')) throw new Sentence('There is no built site in dist/. Run: npm run build');
  const port = await freePort(wantedPort(args, 4321));
  const server = await preview({ server: { port } });
  endTogether(() => server.stop());
  console.log(`\n  The built site is at http://localhost:${server.port}/\n`);
  return new Promise<number>(() => {});
}
