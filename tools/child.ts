import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';

const alive = new Set<ChildProcess>();
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
let stopping = false;

/**
 * Runs a JavaScript or TypeScript file with this very Node; resolves to its exit code. `npm`'s own way of finding
 * binaries is not used: their first line asks for whatever `node` is first in PATH.
 */
export function runNode(args: string[], options: SpawnOptions = {}): Promise<number> {
  return runProcess(process.execPath, args, options);
}

export function runProcess(file: string, args: string[], options: SpawnOptions = {}): Promise<number> {
  const child = spawn(file, args, { stdio: 'inherit', ...options });
  alive.add(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      alive.delete(child);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });
}

/** As `runNode`, but returns what was printed (both streams, in order of arrival). */
export async function captureNode(args: string[], options: SpawnOptions = {}): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  alive.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => resolve(exitCode ?? 1));
  });
  alive.delete(child);
  return { code, output };
}

/** Ends every child and then this process when it is told to stop; `first` runs before. A second signal does not wait. */
export function endTogether(first: () => Promise<void> | void = () => {}): void {
  for (const [signal, code] of Object.entries(signals) as [NodeJS.Signals, number][]) {
    process.on(signal, async () => {
      for (const child of alive) child.kill(stopping ? 'SIGKILL' : 'SIGTERM');
      if (stopping) process.exit(code);
      stopping = true;
      await first();
      await Promise.all([...alive].map((child) => new Promise((resolve) => child.on('exit', resolve))));
      process.exit(code);
    });
  }
}
