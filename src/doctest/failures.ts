import type { Problem } from './types.ts';

/** An error whose only frame is a place in the page: vitest prints the page's lines around it. */
export class DoctestError extends Error {
  override name = 'DoctestError';

  constructor(name: string, message: string, path: string, line: number, column: number) {
    super(message);
    this.name = name;
    this.stack = `${name}: ${message}\n    at ${path}:${line}:${column}`;
  }
}

export function problemError(problem: Problem, path: string): DoctestError {
  return new DoctestError('PageError', problem.message, path, problem.line, problem.column);
}

/** One error for one, an `AggregateError` that vitest prints one by one for several. */
export function together(errors: unknown[]): unknown {
  return errors.length === 1 ? errors[0] : new AggregateError(errors, `${errors.length} errors`);
}

/** `TypeError: message`, or how a value that is no error prints. */
export function describeThrown(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}

/** Takes this pipeline's own frames out of a stack, so that what is printed is the page. */
export function withoutOwnFrames<T>(error: T): T {
  if (hasStack(error)) {
    const own = /^\s+at .*\bdoctest\/(?:run|expect)\.ts\b/;
    error.stack = error.stack.split('\n').filter((line) => !own.test(line)).join('\n');
  }
  return error;
}

function hasStack(error: unknown): error is { stack: string } {
  return typeof error === 'object' && error !== null && 'stack' in error && typeof error.stack === 'string';
}
