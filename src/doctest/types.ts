/**
 * What the one extractor reads from a page. Rendering, tests, the type check and the copy button all take it from here.
 * Lines and columns are 1-based and are the page's own.
 */

export interface Page {
  /** Path relative to the project, with forward slashes: `content/hazards/x.mdx`. */
  file: string;
  blocks: Block[];
  /** `<Claim>` elements. */
  claims: Claim[];
  /** `<Value>` elements. */
  values: InlineValue[];
}

export interface Block {
  /** Position among the page's `ts` fences, from 0. */
  index: number;
  /** The `id` attribute, or `block-N` (N from 1): permalink, test name, file name when copied. */
  id: string;
  /** The fence's line, and the line and column of the code's first character. */
  fenceLine: number;
  fenceColumn: number;
  line: number;
  column: number;
  attributes: Attributes;
  /** The fence's text as written, hidden lines included, container indent removed. */
  code: string;
  /** What a reader sees: `code` without hidden lines. */
  shown: string;
  /** For each line of `code`: the page column at which it starts (lists and quotes indent), 1-based. */
  columns: number[];
}

export interface Attributes {
  id?: string;
  /** Type-check only, do not run. */
  'compile-only'?: true;
  /** The block is expected to end in this architectural fault, e.g. `#GP(0)`. */
  fault?: string;
  /** The block is expected not to compile, with this code, e.g. `TS2322`. */
  error?: string;
  /** Not run; the reason is mandatory and shown. */
  skip?: string;
  /** Blocks of one group share scope: each sees what the earlier ones of the group declare. */
  group?: string;
}

/** `<Claim id="…" witness="block-id" source="…">sentence</Claim>`; `untested="reason"` in place of a witness. */
export interface Claim {
  id: string;
  witness?: string;
  untested?: string;
  source: string;
  text: string;
  line: number;
  column: number;
}

/** `<Value of="block-id.export.path" is="0x10" />`: prints the computed value; a mismatch fails at this line. */
export interface InlineValue {
  of: string;
  is: string;
  line: number;
  column: number;
}

/** What vitest stored of a block's run. No times, so builds are reproducible. */
export interface BlockResult {
  id: string;
  /** The block's code at the time of the run; a result is used only where it equals the page's. */
  code: string;
  status: 'passed' | 'failed' | 'skipped';
  reason?: string;
  /** What the block printed, one entry a call. */
  logs: { level: 'log' | 'info' | 'warn' | 'error'; text: string; line: number }[];
  /** Each executed `expect(…)`: the page's line, how often it ran and whether it passed. */
  checks: { line: number; column: number; count: number; passed: boolean }[];
  /** The block's exports, JSON with bigints tagged as `{"$bigint":"0x…"}`. */
  exports: Record<string, unknown>;
  error?: { name: string; message: string; line?: number; column?: number };
}

/** `text` is the value as printed, in the style of `is`. */
export interface ValueResult extends InlineValue {
  text: string;
  passed: boolean;
}

export interface PageResult {
  file: string;
  blocks: BlockResult[];
  claims: { id: string; state: 'witnessed' | 'failing' | 'untested' }[];
  values: ValueResult[];
}

/** Something wrong with how a page is written. */
export interface Problem {
  file: string;
  line: number;
  column: number;
  /** A sentence that says what is wrong and what to write in its place. */
  message: string;
  /** The index of the block that cannot be run because of it. */
  block?: number;
  /** The code does not parse: the type check says the same, mostly better. */
  syntax?: true;
}
