import type { Page, Problem } from './types.ts';

/** Thrown by `readPage`: every problem of the page at once, and what could be read of it in spite of them. */
export class PageError extends Error {
  override name = 'PageError';
  readonly page: Page;
  readonly problems: Problem[];

  constructor(page: Page, problems: Problem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.page = page;
    this.problems = problems;
  }
}

/** `content/x.mdx:12:7 - what is wrong`. */
export function formatProblem(problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.column} - ${problem.message}`;
}

/** By position, so that every reader of a page lists the same problems in the same order. */
export function sortProblems(problems: Problem[]): Problem[] {
  return problems.sort((a, b) => a.line - b.line || a.column - b.column);
}
