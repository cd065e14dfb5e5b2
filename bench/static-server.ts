import { createServer } from 'node:http';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.png': 'image/png', '.wasm': 'application/wasm',
};

export interface Sent {
  path: string;
  type: string;
  /** As a host that compresses text would send it. */
  bytes: number;
}

/** Serves a built site on a free port and keeps account of what was asked for, each file once. */
export async function serve(folder: string): Promise<{ url: string; sent: Map<string, Sent>; close: () => void }> {
  const sent = new Map<string, Sent>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    let file = join(folder, path);
    if (existsSync(file) && statSync(file).isDirectory()) file = join(file, 'index.html');
    if (!existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    const body = readFileSync(file);
    const type = extname(file);
    const compressed = type === '.woff2' || type === '.png' ? body : gzipSync(body, { level: 9 });
    sent.set(path, { path, type, bytes: compressed.length });
    response.writeHead(200, { 'content-type': types[type] ?? 'application/octet-stream' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { url: `http://localhost:${address.port}`, sent, close: () => void server.close() };
}
