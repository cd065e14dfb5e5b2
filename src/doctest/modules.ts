import MagicString, { type SourceMap } from 'magic-string';
import { partsOf } from './groups.ts';
import { readSyntax } from './syntax.ts';
import { splitSource, type Source } from './source.ts';
import type { Block, Page, Problem } from './types.ts';

export interface Module {
  code: string;
  map: SourceMap;
}

export interface TypeProblem {
  code: string;
  message: string;
  line: number;
  column: number;
}

/** What a page's test file tells the test that it registers for a block; see `run.ts`. */
export interface BlockTest {
  index: number;
  id: string;
  line: number;
  column: number;
  code: string;
  fault?: string;
  skip?: string;
  error?: string;
  compileOnly?: true;
  /** The block, or one before it in its group, imports the engine. */
  usesEngine?: true;
  /** The code does not parse. */
  unreadable?: true;
  firstLine: number;
  lastLine: number;
  /** Names that the block itself exports. */
  exported: string[];
  problems: Problem[];
  types: TypeProblem[];
}

/** The module of one block: its code, and that of the earlier blocks of its group, each in its place of the page. */
export function blockModule(page: Page, block: Block, written: string): Module {
  const source = splitSource(written);
  const text = new MagicString(source.text);
  let end = 0;
  for (const { block: member, repeated } of partsOf(page, block)) {
    let offset = 0;
    member.code.split('\n').forEach((line, index) => {
      const start = offsetAt(source, member.line + index, member.columns[index]!);
      if (start > end) text.overwrite(end, start, '\n');
      for (const span of repeated) {
        const from = Math.max(span.start, offset);
        const to = Math.min(span.end, offset + line.length);
        if (from < to) text.overwrite(start + from - offset, start + to - offset, ' ');
      }
      end = start + line.length;
      offset += line.length + 1;
    });
  }
  if (end < source.text.length) text.overwrite(end, source.text.length, '\n');
  return { code: text.toString(), map: mapOf(text, page) };
}

/** The test file of a page: every `test()` stands where its fence, claim, value or problem stands. */
export function pageModule(
  page: Page, problems: Problem[], types: Map<number, TypeProblem[]>, written: string,
  options: { runtime: string; id: string; engine: string; timeout: number },
): Module {
  const source = splitSource(written);
  const calls: { line: number; column: number; code: string }[] = [];
  for (const block of page.blocks) {
    const test = describeBlock(page, block, problems, types.get(block.index) ?? [], options.engine);
    const load = `() => import(${JSON.stringify(`${options.id}?block=${block.index}&lang.ts`)})`;
    calls.push({ line: test.line, column: test.column, code: `page.block(${JSON.stringify(test)}, ${load})` });
  }
  for (const problem of problems.filter((each) => each.block === undefined)) {
    calls.push({ line: problem.line, column: problem.column, code: `page.problem(${JSON.stringify(problem)})` });
  }
  for (const value of page.values) {
    calls.push({ line: value.line, column: value.column, code: `page.value(${JSON.stringify(value)})` });
  }
  for (const claim of page.claims) {
    calls.push({ line: claim.line, column: claim.column, code: `page.claim(${JSON.stringify(claim)})` });
  }
  if (calls.length === 0) calls.push({ line: 1, column: 1, code: 'page.empty()' });

  const text = new MagicString(source.text === '' ? '\n' : source.text);
  const size = source.text.length || 1;
  const byOffset = new Map<number, string>();
  for (const { line, column, code } of calls) {
    const offset = Math.min(offsetAt(source, line, column), size - 1);
    byOffset.set(offset, `${byOffset.get(offset) ?? ''}${code};\n`);
  }
  let end = 0;
  for (const [offset, code] of [...byOffset].sort(([a], [b]) => a - b)) {
    if (offset > end) text.overwrite(end, offset, '\n');
    text.overwrite(offset, offset + 1, code);
    end = offset + 1;
  }
  if (end < size) text.overwrite(end, size, '\n');
  text.prepend(`import { openPage } from ${JSON.stringify(options.runtime)};\n`
    + `const page = openPage(${JSON.stringify({ file: page.file, timeout: options.timeout })}, import.meta.filename, `
    + `() => import(${JSON.stringify(options.engine)}));\n`);
  return { code: text.toString(), map: mapOf(text, page) };
}

function describeBlock(
  page: Page, block: Block, problems: Problem[], types: TypeProblem[], engine: string,
): BlockTest {
  const { attributes } = block;
  const syntax = readSyntax(block.code);
  const own = problems.filter((problem) => problem.block === block.index);
  const parts = partsOf(page, block);
  const usesEngine = parts.some((part) => readSyntax(part.block.code).imports.some(({ from }) => from === engine));
  const spoilt = parts.find((part) => problems.some((problem) => problem.block === part.block.index))?.block;
  if (spoilt && own.length === 0) {
    own.push({
      file: page.file, line: block.fenceLine, column: block.fenceColumn, block: block.index,
      message: `not run, for block \`${spoilt.id}\` (line ${spoilt.fenceLine}) of its group cannot be run`,
    });
  }
  return {
    index: block.index, id: block.id, line: block.fenceLine, column: block.fenceColumn, code: block.code,
    ...(attributes.fault === undefined ? {} : { fault: attributes.fault }),
    ...(attributes.skip === undefined ? {} : { skip: attributes.skip }),
    ...(attributes.error === undefined ? {} : { error: attributes.error }),
    ...(attributes['compile-only'] === undefined ? {} : { compileOnly: true }),
    ...(syntax.errors.length > 0 ? { unreadable: true } : {}),
    ...(usesEngine ? { usesEngine: true } : {}),
    firstLine: block.line,
    lastLine: block.line + block.columns.length - 1,
    exported: syntax.exported,
    problems: own.filter((problem) => !problem.syntax || !types.some(({ code }) => /^TS1\d{3}$/.test(code))),
    types,
  };
}

function offsetAt(source: Source, line: number, column: number): number {
  return (source.starts[line - 1] ?? source.text.length) + column - 1;
}

function mapOf(text: MagicString, page: Page): SourceMap {
  return text.generateMap({ source: page.file.split('/').at(-1)!, includeContent: true, hires: 'boundary' });
}
