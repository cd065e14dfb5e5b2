import { readFileSync } from 'node:fs';
import { relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { checkTypes, type TypeCheck } from './check-types.ts';
import { blockModule, type Module, pageModule } from './modules.ts';
import { inspectPage } from './page.ts';
import { DoctestReporter } from './reporter.ts';
import type { Page } from './types.ts';

export interface DoctestOptions {
  /** The project's folder; results and messages name pages relative to it. */
  root?: string;
  /** Pages to type-check with those that run, relative to the root. */
  content?: string;
  /** The module whose `Fault` an expected fault is. */
  engine?: string;
  /** As in a tsconfig: other files for modules that blocks import. */
  paths?: Record<string, string[]>;
  /** Milliseconds that a block may take. */
  timeout?: number;
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Turns each page into a vitest test file and each of its blocks into a module of its own. */
export function doctest(options: DoctestOptions = {}): Plugin {
  const { root = process.cwd(), content = 'content', engine = 'hidden-state', paths = {}, timeout = 5000 } = options;
  const fileOf = (path: string) => relative(root, path).split(sep).join('/');
  const read = new Map<string, { written: string; page: Page }>();
  let types: Promise<TypeCheck> | undefined;

  async function load(id: string): Promise<Module | undefined> {
    const [path, query] = id.split('?', 2) as [string, string?];
    if (!path.endsWith('.mdx')) return undefined;
    const written = readFileSync(path, 'utf8');
    const index = /(?:^|&)block=(\d+)/.exec(query ?? '')?.[1];
    if (index !== undefined) {
      const known = read.get(path);
      const page = known?.written === written ? known.page : inspectPage(fileOf(path), written, { root }).page;
      read.set(path, { written, page });
      return blockModule(page, page.blocks[Number(index)]!, written);
    }
    const { page, problems } = inspectPage(fileOf(path), written, { root });
    types ??= checkTypes(root, { content, paths });
    const found = (await types).pages.get(page.file) ?? new Map();
    return pageModule(page, problems, found, written, { runtime: here('run.ts'), id: path, engine, timeout });
  }

  return {
    name: 'hidden-state:doctest',
    enforce: 'pre',
    resolveId(source, importer) {
      if (source === 'vitest' && importer && /\.mdx\?block=/.test(importer)) return here('expect.ts');
      if (/\.mdx\?block=\d+&lang\.ts$/.test(source)) return resolve(root, source);
      return undefined;
    },
    load: (id) => load(id),
    configureVitest({ vitest, defineCacheKeyGenerator }) {
      // Here and not in the configuration, where `--reporter` would take its place.
      vitest.config.reporters.push(new DoctestReporter({ root }));
      // Each run of a watch checks anew: an edit of the engine can also break a page.
      vitest.config.reporters.push({
        onTestRunStart: () => {
          types = undefined;
        },
      });
      // A page's test file also says what the type check found and which witnesses exist; a block's module depends on
      // its page alone, which the file's text does not show because of the query.
      defineCacheKeyGenerator(({ id }) => {
        const [path, query] = id.split('?', 2) as [string, string?];
        if (!path.endsWith('.mdx')) return undefined;
        return query === undefined ? false : readFileSync(path, 'utf8');
      });
    },
  };
}
