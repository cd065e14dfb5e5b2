import { format } from 'node:util';
import type { BlockResult } from './types.ts';

export type Log = BlockResult['logs'][number];
export type Check = BlockResult['checks'][number];

/** What a running block has done so far. Modules are reset between blocks, so it hangs on the global object. */
export interface Recording {
  file: string;
  firstLine: number;
  lastLine: number;
  logs: Log[];
  checks: Check[];
}

const key = Symbol.for('hidden-state.doctest.recording');
const holder = globalThis as { [key]?: Recording };
const levels = ['log', 'info', 'warn', 'error'] as const;

export function currentRecording(): Recording | undefined {
  return holder[key];
}

/** Records logs and checks until the returned function is called. */
export function startRecording(
  file: string, firstLine: number, lastLine: number,
): { recording: Recording; stop: () => void } {
  const recording: Recording = { file, firstLine, lastLine, logs: [], checks: [] };
  const originals = levels.map((level) => [level, console[level]] as const);
  for (const [level, original] of originals) {
    console[level] = (...values: unknown[]) => {
      const place = placeOf(new Error().stack, recording);
      if (place === undefined) return;
      recording.logs.push({ level, text: format(...values), line: place.line });
      original.apply(console, values);
    };
  }
  holder[key] = recording;
  return {
    recording,
    stop: () => {
      for (const [level, original] of originals) console[level] = original;
      if (holder[key] === recording) delete holder[key];
    },
  };
}

/** The places of the page in a stack trace, innermost first. */
export function framesInPage(stack: string | undefined, file: string): { line: number; column: number }[] {
  return (stack?.split('\n') ?? []).flatMap((frame) => {
    const at = frame.indexOf(`${file}:`);
    const match = at < 0 ? null : /^:(\d+):(\d+)/.exec(frame.slice(at + file.length));
    return match ? [{ line: Number(match[1]), column: Number(match[2]) }] : [];
  });
}

/**
 * Where the block itself called: undefined when an earlier block of its group did, which has its own test for that.
 * Line 0 when the page is not in the trace at all.
 */
export function placeOf(stack: string | undefined, recording: Recording): { line: number; column: number } | undefined {
  const frames = framesInPage(stack, recording.file);
  if (frames.length === 0) return { line: 0, column: 0 };
  return frames.find(({ line }) => line >= recording.firstLine && line <= recording.lastLine);
}
