import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { findBrowser } from '../tools/browser.ts';
import { type Sent, serve } from './static-server.ts';
import { digits, kilobytes, type Row, type Section } from './table.ts';

const title = 'Page weight, as a host that compresses sends it';
const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** What a browser asks for when it opens each hazard page, then runs a block, then edits one. */
export async function pageWeight(root: string): Promise<Section> {
  const hazards = join(root, 'dist/hazards');
  const names = existsSync(hazards) ? readdirSync(hazards).filter((name) => existsSync(join(hazards, name, 'index.html'))) : [];
  if (names.length === 0) return { title, rows: [{ what: 'not measured', value: 'there is no built site: npm run build' }] };
  const site = await serve(join(root, 'dist'));
  const profile = mkdtempSync(join(tmpdir(), 'bench-browser-'));
  const browser = await chromium.launchPersistentContext(profile, { executablePath: findBrowser(), headless: true, args: flags });
  try {
    const rows: Row[] = [];
    for (const name of names) {
      site.sent.clear();
      rows.push(...await measure(await browser.newPage(), `${site.url}/hazards/${name}/`, site.sent, name));
    }
    return { title, rows };
  } finally {
    await browser.close();
    site.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

async function measure(page: Page, url: string, sent: Map<string, Sent>, name: string): Promise<Row[]> {
  await page.goto(url, { waitUntil: 'networkidle' });
  const first = [...sent.values()];
  const total = sum(first);
  const kinds = ['.html', '.css', '.js', '.woff2'];
  const parts = kinds.map((type) => `${type.slice(1)} ${kilobytes(sum(first.filter((file) => file.type === type)))}`);
  const others = sum(first.filter(({ type }) => !kinds.includes(type)));
  const rows: Row[] = [{ what: `${name}: first load`, value: kilobytes(total), beside: `${parts.join(', ')}${others > 0 ? `, other ${kilobytes(others)}` : ''}` }];
  const more = async (what: string, act: () => Promise<void>): Promise<void> => {
    const before = sum([...sent.values()]);
    await act();
    await page.waitForLoadState('networkidle');
    const added = sum([...sent.values()]) - before;
    rows.push({ what: `${name}: ${what}`, value: `+ ${kilobytes(added)}`, beside: `${kilobytes(total)} on first load`, ratio: `${digits(added / total)} ×` });
  };
  const block = page.locator('live-block:has(.actions .run)').first();
  await more('after the first Run as it stands', async () => {
    await block.locator('.actions .run').click();
    await block.locator('.actions .run:not([disabled])').waitFor();
  });
  await more('after the first edit and its Run', async () => {
    await block.locator('.actions .edit').click();
    await block.locator('textarea').press('Control+Home');
    await page.keyboard.type('// mine\n');
    await block.locator('.actions .run').click();
    await block.locator('.actions .run:not([disabled])').waitFor();
  });
  await page.close();
  return rows;
}

function sum(files: Sent[]): number {
  return files.reduce((bytes, file) => bytes + file.bytes, 0);
}
