import { getCollection } from 'astro:content';
import { type Family, families } from './families.ts';
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

/** The hazards by family, in the index's order; families that have none yet are left out. */
export async function hazardsByFamily(): Promise<{ family: Family; pages: Entry<'hazards'>[] }[]> {
  const hazards = await pagesOf('hazards');
  return families
    .map((family) => ({ family, pages: hazards.filter(({ data }) => data.family === family.id) }))
    .filter(({ pages }) => pages.length > 0);
}

/** The path of each page of a collection, as Astro asks a route for them. */
export const pathsOf = async <Name extends keyof Frontmatter>(
  name: Name,
): Promise<{ params: { slug: string }; props: { entry: Entry<Name> } }[]> =>
  (await pagesOf(name)).map((entry) => ({ params: { slug: entry.id }, props: { entry } }));
