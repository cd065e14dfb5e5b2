import { existsSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { inspectPage } from './page.ts';
import { readSource } from './pages.ts';
import { isCalled } from './test-files.ts';
import { loadResults, removeResult, storeResult } from './results.ts';
import type { DoctestMeta } from './run.ts';
import type { BlockResult, InlineValue, Page, PageResult } from './types.ts';

type ClaimState = PageResult['claims'][number]['state'];

/** Stores what the blocks printed, checked and exported, for the site's build: `.doctest/results/<page>.json`. */
export class DoctestReporter implements Reporter {
  private readonly root: string;

  constructor({ root = process.cwd() }: { root?: string } = {}) {
    this.root = root;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const stored = loadResults(this.root);
    for (const file of stored.keys()) {
      if (!existsSync(join(this.root, file))) removeResult(this.root, file);
    }
    for (const module of modules) {
      if (!module.moduleId.endsWith('.mdx')) continue;
      const file = relative(this.root, module.moduleId).split(sep).join('/');
      const { page } = inspectPage(file, readSource(this.root, file), { root: this.root });
      storeResult(this.root, merge(page, [...module.children.allTests()], stored.get(file), modules));
    }
  }
}

/** This run's results in the page's order; those of tests that a filter left out stay as they were. */
function merge(
  page: Page, tests: TestCase[], stored: PageResult | undefined, modules: readonly TestModule[],
): PageResult {
  const metas = tests.flatMap((test) => {
    const meta = (test.meta() as { doctest?: DoctestMeta }).doctest;
    return meta ? [{ meta, test }] : [];
  });
  const blocks = page.blocks.flatMap((block): BlockResult[] => {
    const run = metas.find(({ meta }) => meta.block?.id === block.id);
    if (run) return [finish(run.meta.block!, run.test, page.file)];
    const kept = stored?.blocks.find((result) => result.id === block.id && result.code === block.code);
    return kept ? [kept] : [];
  });
  const claims = page.claims.map(({ id, witness, untested }) => {
    const previous = stored?.claims.find((claim) => claim.id === id)?.state;
    if (untested !== undefined) return { id, state: 'untested' as const };
    const test = /^test:(.*)$/.exec(witness!)?.[1];
    const state = test === undefined
      ? stateOf(blocks.find((block) => block.id === witness)?.status)
      : stateOf(modules.find(({ moduleId }) => isCalled(moduleId.split(sep).join('/'), test))?.state());
    return { id, state: state ?? previous ?? 'untested' };
  });
  const values = page.values.flatMap((value): PageResult['values'] => {
    const run = metas.find(({ meta }) => meta.value && sameValue(meta.value, value));
    const kept = run?.meta.value ?? stored?.values.find((each) => sameValue(each, value));
    return kept ? [kept] : [];
  });
  return { file: page.file, blocks, claims, values };
}

function sameValue(one: InlineValue, other: InlineValue): boolean {
  return one.line === other.line && one.column === other.column && one.of === other.of && one.is === other.is;
}

function stateOf(state: string | undefined): ClaimState | undefined {
  if (state === 'passed') return 'witnessed';
  return state === 'failed' ? 'failing' : undefined;
}

/** Adds what only vitest knows: the errors, and which checks they came from. */
function finish(result: BlockResult, test: TestCase, file: string): BlockResult {
  const { state, errors = [] } = test.result();
  const checks = result.checks.map((check) => ({ ...check }));
  let first: BlockResult['error'];
  for (const error of errors) {
    const frame = error.stacks?.find((each) => each.file.endsWith(file));
    first ??= {
      name: error.name ?? 'Error', message: stripVTControlCharacters(error.message),
      ...(frame ? { line: frame.line, column: frame.column } : {}),
    };
    const culprit = frame && checks.findLast((check) => check.line < frame.line
      || (check.line === frame.line && check.column <= frame.column));
    if (culprit && culprit.line === frame.line) culprit.passed = false;
  }
  return {
    ...result,
    status: state === 'passed' || state === 'skipped' ? state : 'failed',
    checks: checks.sort((a, b) => a.line - b.line || a.column - b.column),
    ...(first ? { error: first } : {}),
  };
}
