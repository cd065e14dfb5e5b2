import { readFileSync } from 'node:fs';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { addresses, hazards, read, visit } from './site.ts';

const widths = [1360, 390];
const schemes = ['light', 'dark'] as const;

/** What axe-core finds wrong, as lines that name the rule and the elements. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}

test('home, a hazard and the 404 page are built', () => {
  expect(addresses).toEqual(expect.arrayContaining(['/', '/404.html']));
  expect(hazards).not.toEqual([]);
});

describe.each(addresses)('%s', (address) => {
  test.each(widths.flatMap((width) => schemes.map((scheme) => [width, scheme] as const)))(
    'reads at width %i, %s: no axe-core violation, nothing in the console, no sideways scroll',
    async (width, colorScheme) => {
      await using visited = await visit(address, { viewport: { width, height: 900 }, colorScheme });
      const { page, complaints } = visited;
      expect(await violations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      expect(complaints).toEqual([]);
    },
  );

  test('has a strict policy, a title, a description, and no inline style or handler', () => {
    const html = readFileSync(read(address), 'utf8');
    const policy = /http-equiv="content-security-policy" content="([^"]*)"/.exec(html)?.[1] ?? '';
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toMatch(/unsafe-|data:|https?:|\*/);
    const markup = html.replace(/<script type="application\/json">[^]*?<\/script>/g, '');
    expect(markup).not.toMatch(/<[^>]+\s(?:style|on[a-z]+)=/);
    expect(html).toMatch(/<title>[^<]+<\/title>/);
    expect(html).toMatch(/<meta name="description" content="[^"]+"/);
  });

  test('links only to what is there', async () => {
    await using visited = await visit(address);
    const broken = await visited.page.evaluate(async () => {
      const bad: string[] = [];
      for (const link of document.querySelectorAll('a[href]')) {
        const target = new URL(link.getAttribute('href') ?? '', location.href);
        if (target.origin !== location.origin) continue;
        const id = decodeURIComponent(target.hash.slice(1));
        if (target.pathname === location.pathname) {
          if (id && !document.getElementById(id)) bad.push(link.getAttribute('href') ?? '');
        } else {
          const answer = await fetch(target.pathname);
          const text = await answer.text();
          if (!answer.ok || (id && !text.includes(`id="${id}"`))) bad.push(link.getAttribute('href') ?? '');
        }
      }
      return bad;
    });
    expect(broken).toEqual([]);
  });
});

test('an address that is not there gets the 404 page', async () => {
  await using visited = await visit('/no/such/page/');
  expect(await visited.page.locator('h1').innerText()).toBe('No page has this address');
});

test('the reader\'s choice of scheme holds on the next page, before it is painted', async () => {
  await using visited = await visit('/', { colorScheme: 'light' });
  const { page, origin } = visited;
  const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.locator('.scheme-switch').click();
  const dark = await background();
  expect(dark).not.toBe(light);
  await page.goto(origin + hazards[0]);
  expect(await background()).toBe(dark);
});

test('search opens with a slash and finds the hazard', async () => {
  await using visited = await visit('/');
  const { page, complaints } = visited;
  await page.keyboard.press('/');
  const input = page.locator('dialog.search input');
  await input.waitFor();
  await input.fill('FCS');
  const found = page.locator(`dialog.search a[href*="${hazards[0]}"]`).first();
  await found.waitFor();
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForURL(`**${hazards[0]}**`);
  expect(complaints).toEqual([]);
});

test('search that finds nothing says so', async () => {
  await using visited = await visit('/');
  await visited.page.keyboard.press('/');
  await visited.page.locator('dialog.search input').fill('jjqxz');
  await visited.page.locator('.search .status:not(:empty)').waitFor();
  expect(await visited.page.locator('.search .status').innerText()).toBe('No pages');
});
