import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What ended, with what it printed. */
export interface Ended {
  code: number;
  output: string;
}

/** A project outside this one that has the packed engine and vitest installed, and nothing else. */
export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'take-home-'));
  /** Where the packed engine lies, as installed. */
  readonly engine = join(this.folder, 'node_modules/hidden-state');

  /** Packs the engine as `npm publish` would and unpacks it as `npm install` would. Needs no network. */
  async install(): Promise<void> {
    const packed = await this.run('npm', ['pack', '--silent', '--pack-destination', this.folder], join(root, 'spec'));
    if (packed.code !== 0) throw new Error(`npm pack failed:\n${packed.output}`);
    const archive = packed.output.trim().split('\n').findLast((line) => line.endsWith('.tgz'));
    mkdirSync(this.engine, { recursive: true });
    const unpacked = await this.run('tar', ['-xzf', join(this.folder, archive!), '-C', this.engine, '--strip-components=1']);
    if (unpacked.code !== 0) throw new Error(`the package does not unpack:\n${unpacked.output}`);
    for (const name of ['vitest', 'typescript']) {
      symlinkSync(join(root, 'node_modules', name), join(this.folder, 'node_modules', name), 'dir');
    }
    this.write('package.json', '{ "name": "my-own-project", "private": true, "type": "module" }\n');
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  /** Runs one of the installed tools, or a script of the project, with this Node. */
  node(args: string[]): Promise<Ended> {
    return this.run(process.execPath, args);
  }

  private run(file: string, args: string[], cwd = this.folder): Promise<Ended> {
    // Nothing of the vitest that runs this test may reach the one that runs in the project.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_OPTIONS$|NODE_ENV$)/.test(name)));
    return new Promise((resolve) => {
      execFile(file, args, { cwd, env: { ...env, NO_COLOR: '1' }, encoding: 'utf8', maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, output: stdout + stderr });
      });
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
