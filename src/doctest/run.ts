/** Runs inside vitest: what a page's test file calls for each block, value, claim and problem. */
import { test, vi } from 'vitest';
import { describeThrown, DoctestError, problemError, together, withoutOwnFrames } from './failures.ts';
import type { BlockTest, TypeProblem } from './modules.ts';
import { framesInPage, startRecording } from './recorder.ts';
import type { BlockResult, Claim, InlineValue, Problem, ValueResult } from './types.ts';
import { plain, printLike } from './values.ts';
import { watchdog } from './watchdog.ts';

type Exports = Record<string, unknown>;
type Engine = { Fault?: new (...values: never[]) => Error & { notation: string } };

/** What a test leaves for the reporter. */
export interface DoctestMeta {
  file: string;
  block?: BlockResult;
  claim?: { id: string; witness?: string };
  value?: ValueResult;
}

declare module 'vitest' {
  interface TaskMeta {
    doctest?: DoctestMeta;
  }
}

interface Outcome {
  result: BlockResult;
  exports: Exports;
  thrown?: { error: unknown };
}

export function openPage(settings: { file: string; timeout: number }, path: string, engine: () => Promise<unknown>) {
  const { file, timeout } = settings;
  const blocks = new Map<string, { test: BlockTest; load: () => Promise<unknown> }>();
  const outcomes = new Map<string, Promise<Outcome>>();
  /** vitest's own limit comes later: it knows neither the line nor how to stop a loop. */
  const limit = { timeout: timeout + 5000 };

  const at = (name: string, message: string, line: number, column: number) =>
    new DoctestError(name, message, path, line, column);

  async function execute(block: BlockTest, load: () => Promise<unknown>): Promise<Outcome> {
    const errors: unknown[] = [
      ...block.problems.map((problem) => problemError(problem, path)),
      ...typeErrors(block, at),
    ];
    const result: BlockResult = { id: block.id, code: block.code, status: 'passed', logs: [], checks: [], exports: {} };
    let exports: Exports = {};
    if (block.problems.length === 0 && block.error === undefined && !block.compileOnly && !block.unreadable) {
      vi.resetModules();
      // Not the block's time: the first one of a run waits for these files to be read. Its own import of the engine
      // says what is wrong with it, if anything is.
      await import('./expect.ts');
      if (block.usesEngine) await engine().catch(() => {});
      const { recording, stop } = startRecording(path, block.firstLine, block.lastLine);
      try {
        exports = await withinTime(block, load, timeout, path, at) as Exports;
        if (block.fault !== undefined) {
          errors.push(at('MissingFault', `expected the block to end in ${block.fault}, but it ran to its end`,
            block.line, block.column));
        }
      } catch (error) {
        const unexpected = block.fault === undefined ? error : wrongFault(error, block, await engine() as Engine, at);
        if (unexpected !== undefined) errors.push(withoutOwnFrames(unexpected));
      } finally {
        stop();
      }
      result.logs = recording.logs;
      result.checks = recording.checks;
      for (const name of [...block.exported].sort()) {
        const value = plain(exports[name]);
        if (value !== undefined) result.exports[name] = value;
      }
    }
    if (errors.length === 0) return { result, exports };
    result.status = 'failed';
    return { result, exports, thrown: { error: together(errors) } };
  }

  function outcomeOf(id: string): Promise<Outcome> {
    const { test: block, load } = blocks.get(id)!;
    let outcome = outcomes.get(id);
    if (!outcome) outcomes.set(id, outcome = execute(block, load));
    return outcome;
  }

  return {
    block(block: BlockTest, load: () => Promise<unknown>): void {
      blocks.set(block.id, { test: block, load });
      test(block.id, limit, async ({ task, skip }) => {
        if (block.skip !== undefined && block.problems.length === 0 && block.types.length === 0) {
          const result: BlockResult = {
            id: block.id, code: block.code, status: 'skipped', reason: block.skip, logs: [], checks: [], exports: {},
          };
          task.meta.doctest = { file, block: result };
          skip(block.skip);
        }
        const { result, thrown } = await outcomeOf(block.id);
        task.meta.doctest = { file, block: result };
        task.result?.errors?.forEach(withoutOwnFrames);
        if (thrown) throw thrown.error;
      });
    },
    problem(problem: Problem): void {
      test(`line ${problem.line}`, () => {
        throw problemError(problem, path);
      });
    },
    value(value: InlineValue): void {
      const { of, is, line, column } = value;
      test(`${of} is ${is}`, limit, async ({ task }) => {
        const meta: ValueResult = { of, is, line, column, text: '', passed: false };
        task.meta.doctest = { file, value: meta };
        const [id, ...members] = of.split('.');
        const { exports, thrown } = await outcomeOf(id!);
        if (thrown) throw at('ValueError', `\`${of}\` has no value: block \`${id}\` fails`, line, column);
        let holder: unknown = exports;
        for (const member of members) {
          if (holder === null || holder === undefined || !(member in Object(holder))) {
            throw at('ValueError', `\`${of}\` has no value: there is no \`${member}\` (there is `
              + `${Object.keys(Object(holder)).join(', ') || 'nothing'})`, line, column);
          }
          holder = (holder as Exports)[member];
        }
        meta.text = printLike(holder, is);
        meta.passed = meta.text === is;
        if (!meta.passed) {
          throw at('ValueError', `\`${of}\` is ${meta.text}, but the page says ${is}`, line, column);
        }
      });
    },
    claim(claim: Claim): void {
      const { id, witness, untested, line, column } = claim;
      test(`claim ${id}`, limit, async ({ task, skip }) => {
        task.meta.doctest = { file, claim: { id, ...(witness === undefined ? {} : { witness }) } };
        if (witness === undefined) skip(`untested: ${untested}`);
        else if (!witness.startsWith('test:') && (await outcomeOf(witness)).thrown) {
          throw at('ClaimError', `the witness of claim \`${id}\`, block \`${witness}\`, fails`, line, column);
        }
      });
    },
    empty(): void {
      test.skip('no blocks', () => {});
    },
  };
}

type At = (name: string, message: string, line: number, column: number) => DoctestError;

/** What the type check found, or, where the block is expected not to compile, that it found something else. */
function typeErrors(block: BlockTest, at: At): DoctestError[] {
  const unexpected = block.types.filter(({ code }) => code !== block.error);
  const errors = unexpected.map(({ code, message, line, column }: TypeProblem) => at(code, message, line, column));
  if (block.error !== undefined && unexpected.length === block.types.length && block.problems.length === 0) {
    errors.unshift(at('MissingError', `expected the block not to compile with ${block.error}, but `
      + (block.types.length === 0 ? 'it compiles' : `found ${block.types.map(({ code }) => code).join(', ')}`),
    block.line, block.column));
  }
  return errors;
}

/** Undefined when the block ended in the fault it announces. */
function wrongFault(thrown: unknown, block: BlockTest, engine: Engine, at: At): unknown {
  const isFault = engine.Fault !== undefined && thrown instanceof engine.Fault;
  if (isFault && thrown.notation === block.fault) return undefined;
  if (!(thrown instanceof Error)) {
    const message = `expected ${block.fault}, but the block threw ${String(thrown)}`;
    return at('MissingFault', message, block.line, block.column);
  }
  const instead = isFault ? `ended in ${thrown.message}` : `threw ${describeThrown(thrown)}`;
  const frames = thrown.stack?.split('\n').filter((line) => /^\s+at /.test(line)).join('\n') ?? '';
  const error = new Error(`expected ${block.fault}, but the block ${instead}`);
  error.name = isFault ? 'WrongFault' : 'MissingFault';
  error.stack = `${error.name}: ${error.message}\n${frames}`;
  return error;
}

/** Ends the wait for a block at its limit; a loop that never yields is broken by the watchdog. */
async function withinTime(
  block: BlockTest, load: () => Promise<unknown>, timeout: number, path: string, at: At,
): Promise<unknown> {
  const seconds = timeout / 1000;
  let timer: NodeJS.Timeout | undefined;
  const guard = await watchdog(timeout);
  try {
    return await Promise.race([
      load(),
      new Promise((_, reject) => {
        timer = setTimeout(() => {
          const looping = guard.interrupted();
          const place = framesInPage(looping, path)[0];
          reject(at('TimeoutError', `block \`${block.id}\` did not end within ${seconds} s: `
            + (looping ? 'it was in a loop that never ends' : 'it is still waiting for something'),
          place?.line ?? block.line, place?.column ?? block.column));
        }, timeout + 100);
      }),
    ]);
  } finally {
    clearTimeout(timer);
    guard.stop();
  }
}
