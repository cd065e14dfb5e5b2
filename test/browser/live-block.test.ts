import type { Locator, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { hazards, visit } from './site.ts';

const [hazard = ''] = hazards;

const first = (page: Page): Locator => page.locator('live-block:has(.run)').first();
const badge = (block: Locator): Promise<string> => block.locator('.badge').innerText();

const settled = async (block: Locator): Promise<string> => {
  await block.locator('.badge:not(.running, .edited)').waitFor();
  await block.locator('.run:enabled').waitFor();
  return badge(block);
};

async function type(block: Locator, code: string): Promise<void> {
  const editor = block.locator('textarea');
  if (await editor.count() === 0) await block.locator('.edit').click();
  await editor.fill(code);
}

async function runAndSettle(block: Locator): Promise<string> {
  await block.locator('.run').click();
  await block.page().waitForTimeout(20);
  return settled(block);
}

test('there is a hazard page', () => {
  expect(hazards).not.toEqual([]);
});

test('every block runs as shown, with the result that was baked in and nothing but the engine loaded', async () => {
  await using visited = await visit(hazard);
  const { page, complaints } = visited;
  const loaded: string[] = [];
  page.on('request', (request) => loaded.push(request.url()));
  for (const block of await page.locator('live-block:has(.run)').all()) {
    const baked = await badge(block);
    const marks = await block.locator('.source .line.pass').count();
    expect(await runAndSettle(block)).toBe(baked);
    expect(await block.locator('.source .line.pass').count()).toBe(marks);
    expect(await block.locator('.source .line.fail').count()).toBe(0);
  }
  expect(loaded.filter((url) => /editor|strip-types/.test(url))).toEqual([]);
  expect(loaded.filter((url) => /worker-/.test(url))).not.toEqual([]);
  expect(complaints).toEqual([]);
});

test('an edit runs, types and all', async () => {
  await using visited = await visit(hazard);
  const block = first(visited.page);
  const lines = ['import { expect } from \'vitest\';', 'const answer: number = 6 * 7;', 'console.log(answer, 1n);',
    'expect(answer).toBe(42);'];
  await type(block, lines.join('\n'));
  expect(await badge(block)).toBe('edited, not run yet');
  expect(await runAndSettle(block)).toBe('passed · 1 check');
  expect(await block.locator('.output').innerText()).toContain('42 1n');
  expect(await block.locator('.pce-line.pass').count()).toBe(1);
  expect(visited.complaints).toEqual([]);
});

test('a failing check names its line and column and vitest\'s own message', async () => {
  await using visited = await visit(hazard);
  const block = first(visited.page);
  await type(block, 'import { expect } from \'vitest\';\n\n  expect({ fcs: 0 }).toEqual({ fcs: 16 });\n');
  expect(await runAndSettle(block)).toBe('failed');
  expect(await block.locator('.failure').innerText()).toMatch(
    /^line 3, column \d+: AssertionError: expected \{ fcs: \+?0 \} to deeply equal \{ fcs: 16 \}/);
  expect(await block.locator('.pce-line.fail').count()).toBe(1);
});

test.each([
  ['a syntax error', 'const a = 1;\nconst = 2;', /^line 2, column \d+: /],
  ['an error in assembly', 'import { asm64 } from \'hidden-state\';\nasm64`\n  nonsense eax\n`;', /nonsense/],
  ['a name that is not there', 'import { asm65 } from \'hidden-state\';\nasm65``;', /asm65/],
  ['a module that is not there', '\nimport \'node:fs\';', /^line 2, column 1: `node:fs` cannot be imported here/],
  ['an error of the block\'s own', '\nthrow new RangeError(\'too far\');', /^line 2, column 7: RangeError: too far/],
])('%s is said clearly', async (_, code, message) => {
  await using visited = await visit(hazard);
  const block = first(visited.page);
  await type(block, code);
  expect(await runAndSettle(block)).toBe('failed');
  expect(await block.locator('.failure').innerText()).toMatch(message);
});

test('an endless loop is ended, the page stays responsive, and the block runs again', async () => {
  await using visited = await visit(hazard);
  const { page } = visited;
  const block = first(page);
  await type(block, 'console.log(\'before\');\nfor (;;);');
  await block.locator('.run').click();
  await page.waitForTimeout(300);
  const began = Date.now();
  await page.keyboard.press('/');
  await page.locator('dialog.search input').waitFor();
  expect(Date.now() - began).toBeLessThan(1000);
  await page.keyboard.press('Escape');
  expect(await settled(block)).toBe('stopped');
  expect(await block.locator('.failure').innerText()).toMatch(/did not end within 5 s: it was stopped/);
  await type(block, 'console.log(\'again\');');
  expect(await runAndSettle(block)).toBe('passed');
  expect(await block.locator('.output').innerText()).toContain('again');
});

test('reset brings back text, badge, marks and output', async () => {
  await using visited = await visit(hazard);
  const block = first(visited.page);
  const texts = (): Promise<string[]> =>
    block.evaluate((element) => [...element.children].map((child) => (child as HTMLElement).innerText));
  const before = await texts();
  await type(block, 'throw 1;');
  await runAndSettle(block);
  await block.locator('.reset').click();
  expect(await texts()).toEqual(before);
});

test('copy yields a file of its own for vitest; edited, the text as edited', async () => {
  await using visited = await visit(hazard);
  const block = first(visited.page);
  const clipboard = (): Promise<string> => visited.page.evaluate(() => navigator.clipboard.readText());
  await block.locator('.copy').click();
  await block.locator('.copy', { hasText: 'Copied' }).waitFor();
  expect(await clipboard()).toMatch(/import \{.*\btest\b.*\} from 'vitest';/);
  await type(block, 'console.log(1);');
  await block.locator('.copy').click();
  await visited.page.waitForFunction(async () => (await navigator.clipboard.readText()) === 'console.log(1);');
});

test('a link carries the edit, and code from a link does not run by itself', async () => {
  await using visited = await visit(hazard);
  const block = first(visited.page);
  const code = 'document?.title; // ü\nconsole.log(\'from a link\');';
  await type(block, code);
  await block.locator('.link').click();
  await block.locator('.link', { hasText: 'Link copied' }).waitFor();
  const { hash } = new URL(visited.page.url());
  await using other = await visit(hazard + hash);
  const received = first(other.page);
  await received.locator('textarea').waitFor();
  expect(await received.locator('textarea').inputValue()).toBe(code);
  expect(await badge(received)).toBe('edited code from a link: read it, then press Run');
  await other.page.waitForTimeout(500);
  expect(await received.locator('.output').innerText()).not.toContain('from a link');
  // A worker has no document: what a reader runs cannot touch the page.
  expect(await runAndSettle(received)).toBe('failed');
  expect(await received.locator('.failure').innerText()).toMatch(/document is not defined/);
});

test('the keyboard does all of it', async () => {
  await using visited = await visit(hazard);
  const { page } = visited;
  const block = first(page);
  await block.locator('.edit').focus();
  await page.keyboard.press('Enter');
  await block.locator('textarea').waitFor();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText('console.log(2 + 3);');
  await page.keyboard.press('ControlOrMeta+Enter');
  await page.waitForTimeout(50);
  expect(await settled(block)).toBe('passed');
  expect(await block.locator('.output').innerText()).toContain('5');
});

test('what runs in a worker can load nothing from elsewhere', async () => {
  await using visited = await visit(hazard);
  const block = first(visited.page);
  await type(block, `addEventListener('securitypolicyviolation', (event) => console.log(event.violatedDirective));
await fetch('/favicon.svg').catch(() => {});
await new Promise((resolve) => setTimeout(resolve, 100));`);
  expect(await runAndSettle(block)).toBe('passed');
  expect(await block.locator('.output').innerText()).toContain('connect-src');
});
