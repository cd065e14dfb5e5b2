#!/usr/bin/env node
// `npm pack` and `npm publish` in spec/ run this first: TypeScript in src/ becomes ESM with types in dist/. Afterwards
// they run it with --remove: in the workspace nothing may ever find a dist/ that is older than the source.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}spec/dist`, { recursive: true, force: true });
if (process.argv[2] !== '--remove') {
  const tsc = `${root}node_modules/typescript/bin/tsc`;
  const { status } = spawnSync(process.execPath, [tsc, '-p', `${root}spec/tsconfig.build.json`], { stdio: ['ignore', 2, 2] });
  if (status !== 0) console.error('The engine does not compile (see above), so it is not packed.');
  process.exitCode = status === 0 ? 0 : 1;
}
