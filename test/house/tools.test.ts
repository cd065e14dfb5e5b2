import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { isNewEnough } from '../../tools/needed-node.mjs';
import { freePort, wantedPort } from '../../tools/port.ts';
import { root } from './files.ts';

function run(folder: string, ...args: string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, ['tools/run.mjs', ...args], { cwd: folder, encoding: 'utf8' });
  return { status, stderr: stderr.trim() };
}

test.for([
  ['20.20.2', false], ['22.12.0', false], ['22.17.1', false], ['22.18.0', true], ['23.5.0', false], ['23.6.0', true],
  ['24.0.0', true], ['26.1.0', true],
] as const)('Node %s is new enough: %s', ([version, enough]) => {
  expect(isNewEnough(version)).toBe(enough);
});

test('an unknown command is answered with those that there are', () => {
  const { status, stderr } = run(root, 'strat');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^There is no command "strat"\. The commands are: start, test, build, preview, .*\.$/);
});

test('without dependencies every command says what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tools-'));
  mkdirSync(join(folder, 'tools'));
  for (const file of ['run.mjs', 'needed-node.mjs']) cpSync(join(root, 'tools', file), join(folder, 'tools', file));
  expect(run(folder, 'test')).toEqual({ status: 1, stderr: 'The dependencies are not installed. Run: npm install' });
  rmSync(folder, { recursive: true });
});

test('a port that is taken gives way to the next free one, with a sentence', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as { port: number };
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const found = await freePort(port);
  const said = log.mock.calls.flat();
  log.mockRestore();
  await new Promise((resolve) => server.close(resolve));
  expect(found).toBeGreaterThan(port);
  expect(said).toEqual([`Port ${port} is taken: using ${found}.`]);
});

test('--port is read in both forms, and anything but a port is refused', () => {
  expect(wantedPort(['--port', '5000'], 4321)).toBe(5000);
  expect(wantedPort(['--port=5000'], 4321)).toBe(5000);
  expect(wantedPort([], 4321)).toBe(4321);
  for (const args of [['--port'], ['--port', 'http'], ['--port=0'], ['--port=65536']]) {
    expect(() => wantedPort(args, 4321)).toThrow(/^--port wants a number from 1 to 65535/);
  }
});

test('.ci/run is a script that bash accepts', () => {
  expect(execFileSync('bash', ['-n', join(root, '.ci/run')], { encoding: 'utf8' })).toBe('');
});
