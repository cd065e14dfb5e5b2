/**
 * Brings the packages that the tests of this folder boot, from the archive that the machine's apt knows, into an ignored
 * folder: `node test/foreign/fetch.ts`. Nothing is installed. What is there already stays.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FOLDER, type ForeignPackage, PACKAGES } from './packages.ts';

/** An archive that cannot be reached is given up soon. */
const PATIENCE = ['-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::https::Timeout=20'];

class Failure extends Error {}

function command(name: string, args: readonly string[], cwd?: string): string {
  const { error, status, stdout, stderr } = spawnSync(name, args, { cwd, encoding: 'utf8', timeout: 300_000 });
  if (error) throw new Failure(`${name} does not run here (${error.message}); the packages are Debian's and Ubuntu's`);
  if (status !== 0) throw new Failure(`${[name, ...args].join(' ')}: ${stderr.trim().split('\n').at(-1) ?? ''}`);
  return stdout;
}

/** The package itself, with the version that this release of the system has. */
function resolved({ name, dependency }: ForeignPackage): string {
  if (!dependency) return name;
  const found = dependency.exec(command('apt-cache', ['depends', name]))?.[0];
  if (!found) throw new Failure(`${name} does not say which version it stands for`);
  return found;
}

function bring(wanted: ForeignPackage): void {
  const folder = mkdtempSync(path.join(FOLDER, 'new-'));
  try {
    const name = resolved(wanted);
    command('apt-get', ['download', '-qq', ...PATIENCE, name], folder);
    const archive = readdirSync(folder).find((file) => file.endsWith('.deb'));
    if (!archive) throw new Failure(`apt-get download ${name} brought nothing`);
    command('dpkg-deb', ['-x', archive, '.'], folder);
    rmSync(path.join(folder, archive));
    command('cp', ['-r', '.', FOLDER], folder);
    writeFileSync(marker(wanted), `${archive}\n`);
    console.log(`${wanted.what}: ${archive}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const marker = ({ name }: ForeignPackage): string => path.join(FOLDER, `${name}.fetched`);

/** What apt knows may be nothing yet: root can change that. */
function bringAll(packages: readonly ForeignPackage[]): void {
  try {
    packages.forEach(bring);
  } catch (error) {
    if (!(error instanceof Failure) || process.getuid?.() !== 0) throw error;
    command('apt-get', ['update', '-qq', ...PATIENCE]);
    packages.filter((each) => !existsSync(marker(each))).forEach(bring);
  }
}

mkdirSync(FOLDER, { recursive: true });
try {
  bringAll(PACKAGES.filter((each) => !existsSync(marker(each))));
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(`Foreign software could not be fetched, and its tests are skipped: ${error.message}.`);
  process.exitCode = 1;
}
