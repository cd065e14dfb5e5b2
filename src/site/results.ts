import { copyText } from '../doctest/copy.ts';
import { readPage } from '../doctest/page.ts';
import { readSource } from '../doctest/pages.ts';
import { loadResults, resultFor, type Results, revive } from '../doctest/results.ts';
import type { Block, BlockResult, Page } from '../doctest/types.ts';

/** The component that asks, for messages. */
export interface Where {
  /** `content/hazards/x.mdx` */
  page: string;
  line: number;
  name: string;
}

const root = process.cwd();
const pages = new Map<string, { source: string; page: Page }>();
let results: Results | undefined;

export function pageAt(file: string): Page {
  const source = readSource(root, file);
  const known = pages.get(file);
  if (known?.source === source) return known.page;
  const page = readPage(file, source, { root });
  pages.set(file, { source, page });
  return page;
}

/** While pages are being written, results change under us; a build reads them once. */
function allResults(): Results {
  if (import.meta.env.DEV) return loadResults(root);
  results ??= loadResults(root);
  return results;
}

export type Baked = { result: BlockResult } | { why: string };

/** What the last test run stored of a block, or why that cannot be shown. */
export function bakedResult(page: Page, block: Block): Baked {
  const all = allResults();
  const result = resultFor(page, block, all);
  if (result) return { result };
  const known = all.get(page.file)?.blocks.some(({ id }) => id === block.id);
  return { why: known ? 'was edited since the last test run: run `npm test`' : 'has not been run yet: run `npm test`' };
}

/** The value of `block.export.path` on the page; an error says what there is instead. */
export function exported(where: Where, of: string): unknown {
  const page = pageAt(where.page);
  const [id = '', ...path] = of.split('.');
  const block = page.blocks.find((candidate) => candidate.id === id);
  if (!block) {
    throw new Error(`of="${of}": the page has no block \`${id}\`; it has ${
      page.blocks.map((candidate) => `\`${candidate.id}\``).join(', ') || 'none'}`);
  }
  const baked = bakedResult(page, block);
  if ('why' in baked) throw new Error(`of="${of}": block \`${id}\` ${baked.why}`);
  if (baked.result.status !== 'passed') {
    throw new Error(`of="${of}": block \`${id}\` ${baked.result.status} in the last test run`);
  }
  return follow(revive(baked.result.exports), path, of);
}

/** Steps along `path` into `value`. */
function follow(value: unknown, path: readonly string[], of: string): unknown {
  let holder = value;
  for (const name of path) {
    if (typeof holder !== 'object' || holder === null || !(name in holder)) {
      const there = typeof holder === 'object' ? Object.keys(holder ?? {}).slice(0, 20).join(', ') : String(holder);
      throw new Error(`of="${of}": there is no \`${name}\`; there is ${there || 'nothing: export it'}`);
    }
    holder = (holder as Record<string, unknown>)[name];
  }
  return holder;
}

/** The text that the test run checked against the page, for a `<Value>`. */
export function checkedValue(where: Where, of: string): string {
  const value = allResults().get(where.page)?.values.find((each) => each.of === of && each.line === where.line);
  if (!value) throw new Error(`of="${of}" has not been checked yet: run \`npm test\``);
  if (!value.passed) throw new Error(`of="${of}" is ${value.text}, not what the page says`);
  return value.text;
}

export type ClaimState = 'witnessed' | 'failing' | 'untested';

export function claimState(where: Where, id: string): ClaimState {
  const claim = allResults().get(where.page)?.claims.find((each) => each.id === id);
  if (!claim) throw new Error(`claim \`${id}\` has not been checked yet: run \`npm test\``);
  if (claim.state === 'failing') throw new Error(`claim \`${id}\`: its witness failed in the last test run`);
  return claim.state;
}

export { copyText };

/**
 * What a component shows in place of a figure that it cannot draw: in `npm start` a box with the reason, so that the
 * page can be written further; in a build an error with the page's line.
 */
export function reportOrFail<Value>(where: Where, make: () => Value): { value: Value } | { problem: string } {
  try {
    return { value: make() };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const problem = `${where.page}:${where.line}: <${where.name}> ${message}`;
    if (import.meta.env.DEV) return { problem };
    throw new Error(problem, { cause: error });
  }
}
