import { createServer } from 'node:net';
import { Sentence } from './sentence.ts';

/** The wanted port, or the next one that is free, with a sentence when it is another. */
export async function freePort(wanted: number): Promise<number> {
  for (let port = wanted; port < wanted + 50; port++) {
    if (!(await isFree(port))) continue;
    if (port !== wanted) console.log(`Port ${wanted} is taken: using ${port}.`);
    return port;
  }
  throw new Sentence(`All ports from ${wanted} to ${wanted + 49} are taken. Name another one: --port 5000`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: 'localhost' }, () => server.close(() => resolve(true)));
  });
}

/** `--port 5000` or `--port=5000` among a command's arguments. */
export function wantedPort(args: string[], standard: number): number {
  const at = args.findIndex((arg) => arg === '--port' || arg.startsWith('--port='));
  if (at < 0) return standard;
  const text = args[at]!.includes('=') ? args[at]!.split('=')[1] : args[at + 1];
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65536) return port;
  throw new Sentence(`--port wants a number from 1 to 65535, not "${text ?? ''}".`);
}
