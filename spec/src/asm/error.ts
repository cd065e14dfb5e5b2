/** A mistake in assembly text, with its place. */
export class AssemblyError extends Error {
  override readonly name = 'AssemblyError';
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  /** What is wrong, without the place. */
  readonly reason: string;

  constructor(reason: string, line: number, column: number, source: string) {
    const text = source.split('\n')[line - 1] ?? '';
    super(`assembly line ${line}, column ${column}: ${reason}\n  ${text}\n  ${' '.repeat(Math.max(0, column - 1))}^`);
    this.reason = reason;
    this.line = line;
    this.column = column;
  }
}
