import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Sentence } from './sentence.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/** The Chromium that browser tests drive: $CHROMIUM, or the first one in PATH. */
export function findBrowser(): string {
  const named = process.env.CHROMIUM;
  if (named && !existsSync(named)) throw new Sentence(`CHROMIUM names ${named}, which does not exist.`);
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = named ?? names.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
  if (found) return found;
  throw new Sentence(
    'No Chromium was found. Install it (Debian, Ubuntu: apt-get install chromium) or name one: CHROMIUM=/path/to/chrome',
  );
}
