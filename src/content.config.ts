import { existsSync, readdirSync } from 'node:fs';
import { glob } from 'astro/loaders';
import { defineCollection } from 'astro:content';
import { hazard, page } from './site/frontmatter.ts';

const collection = (folder: string, schema: typeof page | typeof hazard): ReturnType<typeof defineCollection> =>
  defineCollection({ loader: glob({ pattern: '**/*.mdx', base: `./content/${folder}` }), schema });

const hasPages = (folder: string): boolean => existsSync(`content/${folder}`)
  && readdirSync(`content/${folder}`, { recursive: true }).some((name) => String(name).endsWith('.mdx'));

/** Folders that have no page yet are left out: Astro warns of each empty collection. */
export const collections = Object.fromEntries(
  Object.entries({ hazards: hazard, guide: page, reference: page })
    .filter(([folder]) => hasPages(folder))
    .map(([folder, schema]) => [folder, collection(folder, schema)]),
);
