/** Type-checks every block of every page. `node src/doctest/check-types.ts` lists what it finds. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { blank, partsOf } from './groups.ts';
import type { TypeProblem } from './modules.ts';
import { inspectPage } from './page.ts';
import { listPages, readSource } from './pages.ts';
import { holdsLine } from './positions.ts';
import type { Block, Page } from './types.ts';

export interface TypeCheck {
  /** By page, then by the block's index. Errors that a block announces are among them. */
  pages: Map<string, Map<number, TypeProblem[]>>;
  /** Those that are not as announced, as lines to print: `content/x.mdx:30:17 - TS2322 message`. */
  report: string[];
  size: { pages: number; blocks: number };
}

export interface TypeCheckOptions {
  /** The folder of the pages, relative to the root. */
  content?: string;
  /** As in a tsconfig: other files for modules that blocks import. */
  paths?: Record<string, string[]>;
}

const compilerOptions = {
  target: 'esnext', lib: ['esnext'], types: ['node'],
  module: 'esnext', moduleResolution: 'bundler', moduleDetection: 'force',
  customConditions: ['source'], strict: true, isolatedModules: true, erasableSyntaxOnly: true,
  allowImportingTsExtensions: true, allowUnreachableCode: true, allowUnusedLabels: true,
  skipLibCheck: true, noEmit: true,
};

/** Checks the pages below `content`; `root` is the project's folder. */
export async function checkTypes(root: string, options: TypeCheckOptions = {}): Promise<TypeCheck> {
  const { content = 'content', paths = {} } = options;
  const pages = new Map<string, Page>();
  for (const file of listPages(root, content)) {
    pages.set(file, inspectPage(file, readSource(root, file), { root }).page);
  }
  mkdirSync(join(root, '.doctest'), { recursive: true });
  const folder = mkdtempSync(join(root, '.doctest', 'types-'));
  try {
    const origins = new Map<string, { page: Page; block: Block }>();
    for (const page of pages.values()) {
      for (const block of page.blocks) {
        const name = `${page.file}.${block.index}.ts`;
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), inPlace(page, block));
        origins.set(name, { page, block });
      }
    }
    const found: TypeCheck = { pages: new Map(), report: [], size: { pages: pages.size, blocks: origins.size } };
    if (origins.size === 0) return found;
    for (const { name, ...problem } of await compileAll(folder, [...origins.keys()], paths)) {
      const origin = origins.get(name);
      if (!origin || !holdsLine(origin.block, problem.line)) continue;
      const blocks = found.pages.get(origin.page.file) ?? new Map<number, TypeProblem[]>();
      found.pages.set(origin.page.file, blocks);
      blocks.set(origin.block.index, [...blocks.get(origin.block.index) ?? [], problem]);
    }
    for (const page of pages.values()) found.report.push(...reportOf(page, found.pages.get(page.file) ?? new Map()));
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The block's code, and its group's before it, where the page has it; all else is left empty. */
function inPlace(page: Page, block: Block): string {
  const lines: string[] = [];
  for (const { block: member, repeated } of partsOf(page, block)) {
    blank(member.code, repeated).split('\n').forEach((text, index) => {
      lines[member.line - 1 + index] = ' '.repeat(member.columns[index]! - 1) + text;
    });
  }
  return `${Array.from(lines, (line) => line ?? '').join('\n')}\n`;
}

type Paths = Record<string, string[]>;

/** A file that does not parse makes the compiler check no types at all: the others then get a run without it. */
async function compileAll(folder: string, files: string[], paths: Paths): Promise<(TypeProblem & { name: string })[]> {
  const problems = await compile(folder, files, paths);
  if (problems.length === 0 || !problems.every(({ code }) => /^TS1\d{3}$/.test(code))) return problems;
  const unreadable = new Set(problems.map(({ name }) => name));
  const others = files.filter((file) => !unreadable.has(file));
  return others.length === 0 ? problems : [...problems, ...await compile(folder, others, paths)];
}

function compile(folder: string, files: string[], paths: Paths): Promise<(TypeProblem & { name: string })[]> {
  const settings = { compilerOptions: { ...compilerOptions, paths }, files };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
  return new Promise((done, fail) => {
    const flags = ['--project', 'tsconfig.json', '--pretty', 'false'];
    execFile(process.execPath, [compiler, ...flags], { cwd: folder, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      const problems: (TypeProblem & { name: string })[] = [];
      for (const text of stdout.split('\n')) {
        const match = /^(.+)\((\d+),(\d+)\): error (TS\d+): (.*)$/.exec(text);
        const last = problems.at(-1);
        if (match) {
          problems.push({
            name: match[1]!, line: Number(match[2]), column: Number(match[3]), code: match[4]!, message: match[5]!,
          });
        } else if (last && /^\s+\S/.test(text)) {
          last.message += `\n${text}`;
        } else if (text.trim() !== '') {
          fail(new Error(`the type check of the pages did not run: ${text.trim()}`));
          return;
        }
      }
      if (error === null || problems.length > 0) done(problems);
      else fail(new Error(`the type check of the pages did not run: ${stderr || error.message}`));
    });
  });
}

function reportOf(page: Page, blocks: Map<number, TypeProblem[]>): string[] {
  return page.blocks.flatMap((block) => {
    const problems = blocks.get(block.index) ?? [];
    const { error } = block.attributes;
    const lines = problems.filter(({ code }) => code !== error)
      .map(({ line, column, code, message }) => `${page.file}:${line}:${column} - ${code} ${message}`);
    if (error !== undefined && lines.length === problems.length) {
      lines.unshift(`${page.file}:${block.fenceLine}:${block.fenceColumn} - expected ${error}, but `
        + (problems.length === 0 ? 'the block compiles' : 'found other errors'));
    }
    return lines;
  });
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { report, size } = await checkTypes(process.cwd(), { content: process.argv[2] ?? 'content' });
  for (const line of report) console.error(line);
  if (report.length > 0) process.exitCode = 1;
  else console.log(`types: ${count(size.blocks, 'block')} on ${count(size.pages, 'page')}, each as its page says`);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
