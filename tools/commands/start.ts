import { watch } from 'node:fs';
import { dev } from 'astro';
import type { Plugin, ViteDevServer } from 'vite';
import { endTogether, runNode } from '../child.ts';
import { freePort, wantedPort } from '../port.ts';
import { fromAstro } from '../sentence.ts';

/** What a page shows is what its blocks computed: a change to any of these runs blocks again. */
const watched = ['content', 'spec/src'];

const servers: ViteDevServer[] = [];
const captured: Plugin = {
  name: 'hidden-state:start',
  configureServer(server) {
    servers.push(server);
  },
};

/** `npm start`: the site for reading and editing. */
export async function main(args: string[]): Promise<number> {
  const port = await freePort(wantedPort(args, 4321));
  console.log('Running the blocks of all pages, so that the pages can show their results …');
  if ((await runBlocks('content/')) !== 0) {
    console.error('Some blocks fail (see above); the pages show them as they are. They run again when you save.');
  }
  // The doctests work in .doctest; only what they leave in the end is of interest to the pages.
  const vite = { plugins: [captured], server: { watch: { ignored: ['**/.doctest/**'] } } };
  const server = await dev({ server: { port }, vite }).catch((error: unknown) => {
    throw fromAstro(error);
  });
  endTogether(() => server.stop());
  for (const folder of watched) watch(folder, { recursive: true }, (_, file) => changed(folder, file ?? ''));
  console.log(`\n  Hidden State is at http://localhost:${server.address.port}/\n`);
  return new Promise<number>(() => {});
}

function runBlocks(filter: string): Promise<number> {
  return runNode(['node_modules/vitest/vitest.mjs', 'run', '--passWithNoTests', filter]);
}

let timer: NodeJS.Timeout | undefined;
let running = false;
const pending = new Set<string>();

/** One page's blocks when the page changed, all blocks when the engine did; changes during a run wait for its end. */
function changed(folder: string, file: string): void {
  if (!/\.(mdx|ts)$/.test(file)) return;
  pending.add(folder === 'content' ? `content/${file}` : 'content/');
  clearTimeout(timer);
  timer = setTimeout(settle, 150);
}

async function settle(): Promise<void> {
  if (running) return;
  running = true;
  while (pending.size > 0) {
    const filter = pending.has('content/') ? 'content/' : [...pending][0]!;
    if (filter === 'content/') pending.clear();
    pending.delete(filter);
    await runBlocks(filter);
    for (const server of servers) server.ws.send({ type: 'full-reload' });
  }
  running = false;
}
