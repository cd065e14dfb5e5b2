import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Samples of code that are linted with the project's own configuration, as if they stood in the project. They are
 * collected first and linted in one go.
 */
export class Samples {
  readonly #files = new Map<string, string>();
  #output: string[] = [];

  /** Adds a sample beside `near` under a name of its own; the answer gives its findings, `line:column: message`. */
  add(code: string, near: string): () => string[] {
    const path = near.replace(/([^/]+?)((\.test)?\.ts)$/, `$1-${this.#files.size}$2`);
    this.#files.set(path, code);
    return () => this.about(path);
  }

  addAs(path: string, code: string): () => string[] {
    this.#files.set(path, code);
    return () => this.about(path);
  }

  /** Once all are added: lints them. */
  lint(): void {
    this.#output = lint(this.#files);
  }

  private about(path: string): string[] {
    return this.#output.filter((line) => line.startsWith(`${path}:`)).map((line) => line.slice(path.length + 1));
  }
}

function lint(files: Map<string, string>): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'lint-'));
  try {
    for (const [path, text] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const config = readFileSync(join(root, '.oxlintrc.json'), 'utf8').replace('./tools/', `${root}tools/`);
    writeFileSync(join(folder, '.oxlintrc.json'), config);
    // Only the house's own rules and cycles; the samples are no models in other ways.
    return run(folder).split('\n').filter((line) => /house\(|no-cycle/.test(line));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(folder: string): string {
  const args = [join(root, 'node_modules/oxlint/bin/oxlint'), '--format=unix'];
  try {
    return execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
