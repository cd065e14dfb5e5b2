import { getCollection } from 'astro:content';
import type { Frontmatter } from './frontmatter.ts';

/** Asking Astro for an empty collection prints a warning each time; these say which have pages. */
const files: Record<keyof Frontmatter, object> = {
  hazards: import.meta.glob('../../content/hazards/**/*.mdx', { query: '?url' }),
  guide: import.meta.glob('../../content/guide/**/*.mdx', { query: '?url' }),
  reference: import.meta.glob('../../content/reference/**/*.mdx', { query: '?url' }),
};

export interface Entry<Name extends keyof Frontmatter> {
  id: string;
  data: Frontmatter[Name];
}

/** The pages of a collection in their order; none where it has none yet. */
export async function pagesOf<Name extends keyof Frontmatter>(name: Name): Promise<Entry<Name>[]> {
  if (Object.keys(files[name]).length === 0) return [];
  // Astro generates the names of collections from the pages that exist, which a type check must not depend on.
  const entries = (await getCollection(name as never)) as unknown as Entry<Name>[];
  return entries.sort((left, right) => left.data.order - right.data.order || left.id.localeCompare(right.id));
}
