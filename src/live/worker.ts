import { parse } from 'es-module-lexer/js';
import { inspect } from '@vitest/utils/display';
import * as engine from 'hidden-state';
import { createExpect } from './expect.ts';
import type { Export, Place, Report, RunError, RunRequest } from './protocol.ts';
import { sendable } from './sendable.ts';

const report = (message: Report): void => postMessage(message);

let offset = 0;
let programUrl = '';
const errors: RunError[] = [];
/** By line and column of their `expect`. */
const checks = new Map<string, { line: number; passed: boolean; count: number }>();

/** The first place of the program in a stack trace, as the block counts its lines. */
function placeIn(stack: string | undefined): Place | undefined {
  const at = programUrl && stack ? stack.indexOf(`${programUrl}:`) : -1;
  const match = at < 0 ? null : /^:(\d+):(\d+)/.exec(stack!.slice(at + programUrl.length));
  return match ? { line: Number(match[1]) - offset, column: Number(match[2]) } : undefined;
}

const expect = createExpect(() => {
  const place = placeIn(new Error().stack);
  const key = `${place?.line}:${place?.column}`;
  const check = checks.get(key) ?? { line: place?.line ?? 0, passed: true, count: 0 };
  checks.set(key, check);
  check.count += 1;
  return (error) => {
    check.passed = false;
    const described = describe(error);
    errors.push({ ...described, ...(!described.place && place && { place }) });
  };
});

async function run(name: string, body: () => unknown): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (error instanceof Error) error.message = `${name}: ${error.message}`;
    throw error;
  }
}

const tests: Promise<void>[] = [];
const test = (name: string, body: () => unknown): void => {
  tests.push(run(name, body));
};

/** Modules that a block may import, under the names it imports them by. */
const registry: Record<string, Record<string, unknown>> = {
  'hidden-state': engine,
  vitest: { expect, test, it: test, describe: (_: string, body: () => unknown) => body() },
};
Object.defineProperty(globalThis, Symbol.for('registry'), { value: registry });

const moduleUrl = (source: string): string => URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));

const registryUrls = Object.fromEntries(Object.entries(registry).map(([name, exports]) => [
  name,
  moduleUrl(`const m = globalThis[Symbol.for('registry')][${JSON.stringify(name)}];\n`
    + Object.keys(exports).map((key) => `export const ${key} = m.${key};`).join('\n')),
]));

/**
 * Import maps do not reach workers: names become addresses, on the same lines. A line before them gives access to the
 * exports, which a module that ends in an error would keep to itself: what came before the error is worth seeing.
 */
function prepare(program: string): string {
  const [imports, exports] = parse(program);
  const getters = exports.flatMap(({ n: name, ln: local }) => (local ? [`get ${name}() { return ${local}; }`] : []));
  let text = `globalThis[Symbol.for('exports')] = { ${getters.join(', ')} };\n`;
  let end = 0;
  for (const { n: name, s: from, e: to, d: dynamic } of imports) {
    if (name === undefined) continue;
    const url = registryUrls[name];
    if (!url) {
      const line = program.slice(0, from).split('\n').length - offset;
      throw Object.assign(new Error(`\`${name}\` cannot be imported here: a block has ${
        Object.keys(registryUrls).map((known) => `\`${known}\``).join(' and ')}`), { place: { line, column: 1 } });
    }
    text += program.slice(end, from) + (dynamic >= 0 ? JSON.stringify(url) : url);
    end = to;
  }
  return text + program.slice(end);
}

for (const level of ['log', 'info', 'warn', 'error'] as const) {
  console[level] = (...values: unknown[]) => {
    const texts = values.map((value) => (typeof value === 'string' ? value : inspect(value, { truncate: 0 })));
    report({ type: 'log', level, text: texts.join(' ') });
  };
}

function describe(thrown: unknown): RunError {
  if (!(thrown instanceof Error)) return { name: 'Error', message: `the block threw ${inspect(thrown)}` };
  const place = (thrown as { place?: Place }).place ?? placeIn(thrown.stack);
  return { name: thrown.name, message: thrown.message, ...(place && { place }) };
}

/** Undefined where the block ended in the fault that it announces. */
function wrongFault(thrown: unknown, fault: string): RunError | undefined {
  const { notation } = thrown as { notation?: string };
  if (notation === fault) return undefined;
  const error = describe(thrown);
  return { ...error, message: `expected ${fault}, but the block ended in ${error.name}: ${error.message}` };
}

/** What the program exported, as far as it came. */
function exported(): Export[] {
  const values = (globalThis as Record<symbol, object>)[Symbol.for('exports')] ?? {};
  return Object.keys(values).flatMap((name) => {
    try {
      const value = (values as Record<string, unknown>)[name];
      return [{ name, text: inspect(value, { truncate: 300 }), data: sendable(value) }];
    } catch {
      return []; // Not reached: the binding has no value yet.
    }
  });
}

async function execute(request: RunRequest): Promise<void> {
  offset = request.offset;
  try {
    const text = prepare(request.program);
    offset += 1;
    programUrl = moduleUrl(text);
    await import(/* @vite-ignore */ programUrl);
    await Promise.all(tests);
    if (request.fault) {
      const message = `expected the block to end in ${request.fault}, but it ran to its end`;
      errors.push({ name: 'MissingFault', message });
    }
  } catch (thrown) {
    const error = request.fault ? wrongFault(thrown, request.fault) : describe(thrown);
    if (error) errors.push(error);
  }
}

addEventListener('message', async ({ data }: MessageEvent<RunRequest>) => {
  await execute(data);
  for (const check of checks.values()) report({ type: 'check', ...check });
  report({ type: 'done', exports: exported(), errors });
});

report({ type: 'ready' });
