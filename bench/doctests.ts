import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { copyText } from '../src/doctest/copy.ts';
import { inspectPage } from '../src/doctest/page.ts';
import { listPages, readSource } from '../src/doctest/pages.ts';
import { captureNode } from '../tools/child.ts';
import { Sentence } from '../tools/sentence.ts';
import { digits, median, seconds, type Section } from './table.ts';

const RUNS = 3;

/** The pages as doctests, against the same code written as plain test files. */
export async function doctests(root: string): Promise<Section> {
  const title = 'Doctests: pages against the same code as plain test files';
  const files = listPages(root, 'content');
  if (files.length === 0) return { title, rows: [{ what: 'not measured', value: 'there are no pages' }] };
  mkdirSync(join(root, '.doctest'), { recursive: true });
  const folder = mkdtempSync(join(root, '.doctest/bench-'));
  try {
    const tests = writeBoth(root, folder, files);
    const run = (name: string) => () => vitest(join(folder, name));
    const times = await alternate([run('pages'), run('plain'), () => check(join(folder, 'plain'))]);
    const [pages, plain, types] = times.map(median) as [number, number, number];
    return {
      title: `${title} (${tests} tests, median of ${RUNS} runs)`,
      rows: [
        { what: 'pages', value: seconds(pages), beside: `${seconds(plain)} plain`, ratio: `${digits(pages / plain)} ×` },
        {
          what: 'pages, which are type-checked too', value: seconds(pages),
          beside: `${seconds(plain + types)} plain and tsc`, ratio: `${digits(pages / (plain + types))} ×`,
        },
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The number of tests. */
function writeBoth(root: string, folder: string, files: string[]): number {
  mkdirSync(join(folder, 'pages/content'), { recursive: true });
  mkdirSync(join(folder, 'plain/tests'), { recursive: true });
  let tests = 0;
  for (const file of files) {
    const { page } = inspectPage(file, readSource(root, file), { root });
    const name = basename(file, '.mdx');
    for (const { witness } of page.claims) standIn(join(folder, 'pages/test'), witness);
    copyFileSync(join(root, file), join(folder, `pages/content/${name}.mdx`));
    for (const block of page.blocks) {
      writeFileSync(join(folder, `plain/tests/${name}-${block.id}.test.ts`), copyText(block, page));
      tests++;
    }
  }
  writeFileSync(join(folder, 'pages/vitest.config.ts'), configuration("['content/*.mdx']", true));
  writeFileSync(join(folder, 'plain/vitest.config.ts'), configuration("['tests/*.test.ts']", false));
  const options = { customConditions: ['source'], module: 'preserve', target: 'es2024', strict: true, skipLibCheck: true };
  writeFileSync(
    join(folder, 'plain/tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...options, noEmit: true, allowImportingTsExtensions: true, types: ['node'] }, include: ['tests'] }),
  );
  return tests;
}

/** Claims name test files as witnesses; here their existence is enough. */
function standIn(tests: string, witness = ''): void {
  if (!witness.startsWith('test:')) return;
  mkdirSync(tests, { recursive: true });
  writeFileSync(join(tests, `${witness.slice('test:'.length)}.test.ts`), '');
}

/** As vitest.config.ts of the project has it, for pages and for plain files alike. */
function configuration(include: string, pages: boolean): string {
  return `
import { defineConfig } from 'vitest/config';
${pages ? "import { doctest } from '../../../src/doctest/plugin.ts';\nimport { DoctestReporter } from '../../../src/doctest/reporter.ts';" : ''}
const root = import.meta.dirname;
export default defineConfig({
  root,
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source', 'module', 'node', 'development|production'], externalConditions: ['node'] } },
  ${pages ? 'plugins: [doctest({ root })],' : ''}
  test: {
    include: ${include},
    pool: 'forks',
    isolate: false,
    silent: true,
    reporters: ['dot'${pages ? ', new DoctestReporter({ root })' : ''}],
  },
});
`;
}

async function vitest(cwd: string): Promise<void> {
  const { code, output } = await captureNode([join(import.meta.dirname, '../node_modules/vitest/vitest.mjs'), 'run'], { cwd });
  if (code !== 0) throw new Sentence(`A measured run failed, so there is no time to compare. It ended with:\n${output.trim().slice(-1500)}`);
}

/** Blocks that announce a type error make tsc end with 2; only its time is of interest here. */
async function check(cwd: string): Promise<void> {
  await captureNode([join(import.meta.dirname, '../node_modules/typescript/bin/tsc'), '-p', cwd]);
}

/** Milliseconds of each run of each job; the jobs take turns, so that a busy moment hits all of them. */
async function alternate(jobs: (() => Promise<void>)[]): Promise<number[][]> {
  for (const job of jobs) await job();
  const times = jobs.map((): number[] => []);
  for (let run = 0; run < RUNS; run++) {
    for (const [index, job] of jobs.entries()) {
      const started = performance.now();
      await job();
      times[index]!.push(performance.now() - started);
    }
  }
  return times;
}
