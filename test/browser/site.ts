import { globSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { serve } from './server.ts';

/** Another folder than dist/ can be looked at: SITE=/path. */
export const folder = process.env.SITE ?? 'dist';

const executablePath = process.env.CHROMIUM;
if (!executablePath) throw new Error('Run the browser tests with: npm run test:browser');

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

let started: Promise<{ origin: string; browser: Browser }> | undefined;

async function start(): Promise<{ origin: string; browser: Browser }> {
  const { origin, server } = await serve(folder);
  server.unref();
  const browser = await chromium.launch({ executablePath, args: flags });
  return { origin, browser };
}

/** Addresses of all built pages. */
export const addresses: string[] = globSync('**/*.html', { cwd: folder })
  .map((file) => `/${file.replaceAll('\\', '/').replace(/(^|\/)index\.html$/, '$1')}`).sort();

export const hazards: string[] = addresses.filter((address) => address.startsWith('/hazards/'));

export interface Visit {
  page: Page;
  context: BrowserContext;
  origin: string;
  /** Errors and violations that the browser's console printed so far, and requests that failed. */
  complaints: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Opens an address in a fresh profile: `await using`. */
export async function visit(address: string, options: BrowserContextOptions = {}): Promise<Visit> {
  started ??= start();
  const { origin, browser } = await started;
  const viewport = { width: 1360, height: 900 };
  const context = await browser.newContext({ viewport, reducedMotion: 'reduce', ...options });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  await page.goto(origin + address, { waitUntil: 'load' });
  return { page, context, origin, complaints, [Symbol.asyncDispose]: () => context.close() };
}

export const read = (address: string): string => join(folder, address.endsWith('/') ? `${address}index.html` : address);
