import { readElements } from './elements.ts';
import { readFences } from './fences.ts';
import { PageError, sortProblems } from './problems.ts';
import { checkPrograms } from './programs.ts';
import { splitSource } from './source.ts';
import { complaintAbout, testFiles } from './test-files.ts';
import { MdxSyntaxError, parseMdx } from './tree.ts';
import type { Page, Problem } from './types.ts';

export interface ReadOptions {
  /** The project's folder, where the test files that claims name are looked for. */
  root?: string;
}

/**
 * The one extractor: rendering, tests, type check and copy button all read a page's blocks, claims and values here.
 * Throws a `PageError` that lists every problem of the page.
 */
export function readPage(file: string, source: string, options: ReadOptions = {}): Page {
  const { page, problems } = inspectPage(file, source, options);
  if (problems.length > 0) throw new PageError(page, problems);
  return page;
}

/** As `readPage`, for those who go on in spite of problems: what could be read, and the problems. */
export function inspectPage(
  file: string, source: string, { root = process.cwd() }: ReadOptions = {},
): { page: Page; problems: Problem[] } {
  const page: Page = { file, blocks: [], claims: [], values: [] };
  const problems: Problem[] = [];
  const text = splitSource(source);
  text.lines.forEach((line, index) => {
    const column = line.indexOf('\uFFFD') + 1;
    if (column > 0) problems.push({ file, line: index + 1, column, message: 'not UTF-8: save the page as UTF-8' });
  });
  try {
    const tree = parseMdx(text.text);
    const fences = readFences(file, text, tree);
    page.blocks = fences.blocks;
    let tests: string[] | undefined;
    const elements = readElements(file, tree, page.blocks, (name) => complaintAbout(name, tests ??= testFiles(root)));
    page.claims = elements.claims;
    page.values = elements.values;
    problems.push(...fences.problems, ...elements.problems, ...checkPrograms(page));
  } catch (error) {
    if (!(error instanceof MdxSyntaxError)) throw error;
    const { line, column } = error;
    problems.push({ file, line, column, message: `cannot read the page as MDX: ${error.message}` });
  }
  return { page, problems: sortProblems(problems) };
}
