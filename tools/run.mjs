#!/usr/bin/env node
// Every npm script comes through here: `node tools/run.mjs <command> [arguments]`.
// This file and needed-node.mjs are plain JavaScript that an old Node can parse; the commands are TypeScript.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isNewEnough, runUnderNewerNode } from './needed-node.mjs';

const commands = ['start', 'test', 'build', 'preview', 'test-browser', 'bench', 'conformance'];
const [command = '', ...rest] = process.argv.slice(2);
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

if (!commands.includes(command)) {
  fail(`There is no command "${command}". The commands are: ${commands.join(', ')}.`);
} else if (!existsSync('node_modules/astro/package.json') || !existsSync('node_modules/vitest/package.json')) {
  fail('The dependencies are not installed. Run: npm install');
} else if (!isNewEnough(process.versions.node)) {
  process.exitCode = await runUnderNewerNode(fileURLToPath(import.meta.url), [command, ...rest], fail);
} else {
  process.env.ASTRO_TELEMETRY_DISABLED = '1';
  const { main } = await import(`./commands/${command}.ts`);
  try {
    process.exit(await main(rest));
  } catch (error) {
    // A sentence meant for people has no stack worth showing; anything else is a bug of ours and keeps its stack.
    console.error(error?.name === 'Sentence' ? error.message : error);
    process.exit(1);
  }
}

function fail(sentence) {
  console.error(sentence);
  process.exitCode = 1;
  return 1;
}
