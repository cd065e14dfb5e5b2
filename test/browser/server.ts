import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json',
  '.svg': 'image/svg+xml', '.ico': 'image/x-icon', '.woff2': 'font/woff2',
};

/** The headers that `_headers` asks for, by the start of the address. */
async function extraHeaders(folder: string): Promise<[string, string, string][]> {
  let prefix = '';
  return (await readFile(join(folder, '_headers'), 'utf8')).split('\n').flatMap((line): [string, string, string][] => {
    if (line.startsWith('/')) prefix = line.replace(/\*$/, '');
    const header = /^\s+([\w-]+):\s*(.+)$/.exec(line);
    return header ? [[prefix, header[1]!, header[2]!]] : [];
  });
}

/** Serves a folder as a static host would, its 404 page and its headers included. */
export async function serve(folder: string): Promise<{ origin: string; server: Server }> {
  const extra = await extraHeaders(folder);
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname));
    const file = join(folder, path.endsWith('/') ? `${path}index.html` : path);
    try {
      const body = await readFile(file);
      for (const [prefix, name, value] of extra) if (path.startsWith(prefix)) response.setHeader(name, value);
      response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' }).end(body);
    } catch {
      const body = await readFile(join(folder, '404.html'));
      response.writeHead(404, { 'content-type': types['.html'] }).end(body);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
