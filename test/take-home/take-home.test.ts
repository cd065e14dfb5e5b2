import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyText } from '../../src/doctest/copy.ts';
import { inspectPage } from '../../src/doctest/page.ts';
import { listPages, readSource } from '../../src/doctest/pages.ts';
import type { Block } from '../../src/doctest/types.ts';
import { Project } from './project.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = listPages(root, 'content').map((file) => inspectPage(file, readSource(root, file), { root }).page);

/** Every block of every page, with the file that a reader makes of what the copy button yields. */
const copies = pages.flatMap((page) =>
  page.blocks.map((block) => ({
    block,
    path: `copied/${page.file.replace(/^content\/|\.mdx$/g, '').replaceAll('/', '-')}-${block.id}.test.ts`,
    text: copyText(block, page),
  })),
);

const project = new Project();

beforeAll(async () => {
  await project.install();
  for (const { path, text } of copies) project.write(path, text);
}, 60_000);
afterAll(() => project.remove());

describe('the packed engine', () => {
  const manifest = (): Record<string, unknown> => JSON.parse(readFileSync(join(project.engine, 'package.json'), 'utf8'));

  test('holds what it needs', () => {
    const names = ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts', 'bin/hidden-state.mjs', 'dist/cli/main.js', 'dist/run/index.d.ts'];
    expect(names.filter((name) => !existsSync(join(project.engine, name)))).toEqual([]);
  });

  test('publint has nothing to say', async () => {
    const { messages } = await publint({ pkgDir: project.engine, strict: true });
    expect(messages.map((message) => formatMessage(message, manifest()))).toEqual([]);
  });

  test('runs the example of its README in plain Node', async () => {
    const [, example] = /```ts\n([^]*?)```/.exec(readFileSync(join(project.engine, 'README.md'), 'utf8')) ?? [];
    project.write('example.mjs', example!);
    const { code, output } = await project.node(['example.mjs']);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^false\n\{[^]*field: /) });
  }, 30_000);
});

describe('the installed command', () => {
  const command = 'node_modules/hidden-state/bin/hidden-state.mjs';
  const source = `bits 16\norg 0x7c00\nmov si, text\nnext: lodsb\nout 0xe9, al\ntest al, al\njnz next\ncli\nhlt\ntext: db 'at home', 10, 0\n`;

  test('is what package.json names', () => {
    const { bin } = JSON.parse(readFileSync(join(project.engine, 'package.json'), 'utf8'));
    expect(bin).toEqual({ 'hidden-state': 'bin/hidden-state.mjs' });
    expect(readFileSync(join(project.folder, command), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
  test('assembles, runs and disassembles', async () => {
    project.write('boot.asm', source);
    expect(await project.node([command, 'asm', 'boot.asm', '-o', 'boot.bin'])).toEqual({ code: 0, output: '' });
    const { code, output } = await project.node([command, 'run', 'boot.bin', '--flat', '0x7c00', '--port', '0xe9=stdout']);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^at home\n\0halted with interrupts off after \d+ instructions\n/) });
    expect((await project.node([command, 'disasm', 'boot.bin', '--bits', '16'])).output).toMatch(/^00000000 {2}be 0c 7c {17}mov si, 0x7c0c\n/);
  }, 30_000);
  test('is an API as well', async () => {
    project.write('boot.mjs', `
      import { DebugPort, assemble } from 'hidden-state';
      import { run } from 'hidden-state/run';
      const port = new DebugPort();
      const outcome = run(assemble(${JSON.stringify(source)}, { mode: 16 }).bytes, { flat: { origin: 0x7c00, mode: 16 }, ports: { 0xe9: port } });
      console.log(outcome.reason, outcome.exitCode, port.text.trim());`);
    expect(await project.node(['boot.mjs'])).toEqual({ code: 0, output: expect.stringMatching(/^halted 0 at home/) });
  }, 30_000);
});

describe('every block of every page, as copied', () => {
  test('there are some', () => {
    expect(copies.length).toBeGreaterThan(0);
    expect(new Set(copies.map(({ path }) => path)).size).toBe(copies.length);
  });

  test('passes the type check, or fails it as it says', async () => {
    const options = { strict: true, module: 'nodenext', target: 'es2024', noEmit: true, skipLibCheck: true, types: [] };
    project.write('tsconfig.json', JSON.stringify({ compilerOptions: options, include: ['copied'] }));
    const { output } = await project.node(['node_modules/typescript/bin/tsc', '--pretty', 'false']);
    const errors = output.split('\n').filter((line) => /: error TS/.test(line));
    const expected = (block: Block): string | undefined => block.attributes.error;
    const wrong = errors.filter((line) => !copies.some(({ path, block }) => line.startsWith(path) && line.includes(` ${expected(block)}:`)));
    expect(wrong).toEqual([]);
    const silent = copies.filter(({ path, block }) => expected(block) && !errors.some((line) => line.startsWith(path)));
    expect(silent.map(({ path }) => path)).toEqual([]);
  }, 60_000);

  test('runs with vitest, without any configuration', async () => {
    const args = ['run', '--reporter=json', '--outputFile=report.json'];
    const { output } = await project.node(['node_modules/vitest/vitest.mjs', ...args]);
    expect(existsSync(join(project.folder, 'report.json')), output).toBe(true);
    const report: Report = JSON.parse(readFileSync(join(project.folder, 'report.json'), 'utf8'));
    const results = report.testResults.flatMap(({ name, assertionResults, message }) =>
      assertionResults.length === 0
        ? [`${name}: ${message}`]
        : assertionResults.map(({ status, failureMessages }) => `${name.split('/').at(-1)}: ${failureMessages[0] ?? status}`),
    );
    expect(results.toSorted()).toEqual(copies.map(({ path, block }) => `${path.split('/').at(-1)}: ${outcome(block)}`).toSorted());
  }, 300_000);
});

/** What is asked of `Report` here of what vitest's JSON reporter writes. */
interface Report {
  testResults: { name: string; message: string; assertionResults: { status: string; failureMessages: string[] }[] }[];
}

function outcome({ attributes }: Block): 'passed' | 'skipped' {
  const notRun = attributes.skip !== undefined || attributes.error !== undefined || attributes['compile-only'];
  return notRun ? 'skipped' : 'passed';
}
