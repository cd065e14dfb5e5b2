/** What the page and a worker say to each other; a worker runs one program and is then ended. */
export interface RunRequest {
  /** JavaScript; types are stripped already. */
  program: string;
  /** Lines before the block's own first line. */
  offset: number;
  /** The fault in which the block is expected to end. */
  fault?: string;
}

export interface Place {
  line: number;
  column: number;
}

export interface RunError {
  name: string;
  message: string;
  place?: Place;
}

export interface Export {
  name: string;
  text: string;
  /** The value without what cannot be sent (functions), for figures. */
  data: unknown;
}

export type Report =
  | { type: 'ready' }
  | { type: 'log'; level: 'log' | 'info' | 'warn' | 'error'; text: string }
  /** One `expect(…)` of the program, however often it ran. */
  | { type: 'check'; line: number; passed: boolean; count: number }
  | { type: 'done'; exports: Export[]; errors: RunError[] };
