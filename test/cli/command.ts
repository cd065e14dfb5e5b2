import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { main } from '../../spec/src/cli/main.ts';

const launcher = fileURLToPath(new URL('../../spec/bin/hidden-state.mjs', import.meta.url));

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A folder with files to run, and the command as a process of its own in it. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'hidden-state-'));

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: Uint8Array | string): string {
    writeFileSync(this.path(name), content);
    return name;
  }

  /** `input` goes to standard input; Ctrl-C comes when `interruptAfter` was printed. */
  run(args: readonly string[], options: { input?: string; interruptAfter?: string } = {}): Promise<Ended> {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_OPTIONS$|NODE_ENV$)/.test(name)));
    const child = spawn(process.execPath, [launcher, ...args], { cwd: this.folder, env });
    const ended: Ended = { code: null, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      ended.stdout += text;
      if (options.interruptAfter && ended.stdout.includes(options.interruptAfter)) child.kill('SIGINT');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => { ended.stderr += text; });
    child.stdin.end(options.input);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ ...ended, code }));
    });
  }

  /** The same in this process, which is quicker: `@` stands for the folder, and is taken out of what is said. */
  async here(args: readonly string[]): Promise<Ended> {
    const said = { stdout: '', stderr: '' };
    const spies = (['stdout', 'stderr'] as const).map((name) => vi.spyOn(process[name], 'write').mockImplementation((text) => {
      said[name] += String(text).replaceAll(`${this.folder}/`, '');
      return true;
    }));
    try {
      const code = await main(args.map((argument) => argument.replaceAll('@', `${this.folder}/`)));
      return { code, ...said };
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
