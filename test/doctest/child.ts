import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const project = join(import.meta.dirname, '..', '..');

export interface ChildRun {
  output: string;
  exitCode: number;
}

/** Runs vitest on the pages of `root` and returns what it prints, without times, colours and paths of this machine. */
export function runVitest(root: string, words: string[] = [], env: Record<string, string> = {}): Promise<ChildRun> {
  const vitest = join(project, 'node_modules', 'vitest', 'vitest.mjs');
  const config = join(import.meta.dirname, 'fixture.config.ts');
  return runNode(root, [vitest, 'run', '--root', root, '--config', config, ...words], env);
}

export function runNode(root: string, words: string[], extra: Record<string, string> = {}): Promise<ChildRun> {
  const { FORCE_COLOR: _, GITHUB_ACTIONS: __, VITEST: ___, ...inherited } = process.env;
  const env = { ...inherited, NO_COLOR: '1', COLUMNS: '120', CI: '1', DOCTEST_FIXTURES: root, ...extra };
  return new Promise((done) => {
    execFile(process.execPath, words, { cwd: root, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : Number(error.code ?? -1);
      done({ output: normalise(`${stdout}\n${stderr}`, root), exitCode });
    });
  });
}

function normalise(text: string, root: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(root, '<root>')
    .replaceAll(project, '<project>')
    .replace(/ \d+ms\b/g, '')
    .replace(/^ +(Start at|Duration) .*\n/gm, '')
    .replace(/^⎯+\[\d+\/\d+\]⎯\n/gm, '')
    .replace(/[ \t]+$/gm, '');
}

/** The output by page, and what belongs to none of them. */
export function byPage(output: string): { pages: Map<string, string>; rest: string } {
  const pages = new Map<string, string>();
  let rest = '';
  let current: string | undefined;
  for (const line of output.split('\n')) {
    const page = /^ *(?:❯|✓|↓|FAIL|std(?:out|err) \|) +(\S+\.mdx)/.exec(line)?.[1];
    if (page && /^ ?[❯✓↓F]|^std/.test(line)) current = page;
    else if (/^⎯|^ Test Files|^ ✓/.test(line)) current = undefined;
    if (current === undefined) rest += `${line}\n`;
    else pages.set(current, `${pages.get(current) ?? ''}${line}\n`);
  }
  return { pages, rest: `${rest.replace(/\n{3,}/g, '\n\n').trim()}\n` };
}
