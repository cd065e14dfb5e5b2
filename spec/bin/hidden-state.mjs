#!/usr/bin/env node
// The command: compiled as the package brings it; in the workspace, where nothing is compiled, the source itself, which
// Node runs from 22.18 on. An older Node is replaced as for the npm scripts.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const compiled = new URL('../dist/cli/main.js', import.meta.url);
const source = new URL('../src/cli/main.ts', import.meta.url);
const tools = new URL('../../tools/needed-node.mjs', import.meta.url);
const args = process.argv.slice(2);

if (existsSync(compiled)) await start(compiled);
else if (!existsSync(tools)) fail(`hidden-state is not compiled: ${fileURLToPath(compiled)} is missing. Install the package again.`);
else {
  const { isNewEnough, runUnderNewerNode } = await import(tools.href);
  if (isNewEnough(process.versions.node)) await start(source);
  else process.exitCode = await runUnderNewerNode(fileURLToPath(import.meta.url), args, fail);
}

async function start(module) {
  const { main } = await import(module.href);
  process.exitCode = await main(args);
}

function fail(sentence) {
  console.error(sentence);
  process.exitCode = 1;
  return 1;
}
