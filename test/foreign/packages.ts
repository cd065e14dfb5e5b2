/** Software that nobody here wrote, as Debian and Ubuntu package it: where `fetch.ts` puts it, and what tests find. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Nothing in it is installed or committed. */
export const FOLDER = path.join(import.meta.dirname, '.packages');

export interface ForeignPackage {
  /** A package, or one whose dependency it is: its name then has a version in it. */
  readonly name: string;
  readonly dependency?: RegExp;
  readonly what: string;
}

export const PACKAGES: readonly ForeignPackage[] = [
  { name: 'xen-system-amd64', dependency: /xen-hypervisor-[\d.]+-amd64/, what: 'the Xen hypervisor' },
  { name: 'seabios', what: 'a BIOS' },
  { name: 'memtest86+', what: 'Memtest86+' },
  { name: 'bochsbios', what: 'the BIOS of Bochs' },
];

/**
 * The first file of `folder` in the packages, or in the system where they are installed, whose name matches. Undefined
 * where there is none: then `node test/foreign/fetch.ts` brings it.
 */
export function foreignFile(folder: string, name: RegExp): string | undefined {
  return [path.join(FOLDER, folder), path.join('/', folder)]
    .flatMap((place) => (existsSync(place) ? readdirSync(place).sort().filter((each) => name.test(each)).map((each) => path.join(place, each)) : []))[0];
}

/** Its bytes, unpacked if they are compressed. */
export function foreignBytes(file: string): Uint8Array {
  const bytes = readFileSync(file);
  return file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}

/** The end of a test's title when what it runs is missing. */
export const unless = (file: string | undefined): string =>
  (file ? '' : ' (skipped: not fetched, see `node test/foreign/fetch.ts`)');
