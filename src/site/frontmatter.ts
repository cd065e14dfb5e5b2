import { z } from 'astro/zod';
import { type Family, families } from './families.ts';

/** What every page says of itself; an unknown name is an error. */
export const page = z.strictObject({
  title: z.string(),
  lede: z.string(),
  /** For search engines, link previews and lists. */
  description: z.string().max(200),
  /** Position in its list. */
  order: z.number().default(100),
});

export const hazard = page.extend({
  /** Short name for the index; the title where absent. */
  name: z.string().optional(),
  code: z.string().regex(/^[A-Z]\d+$/, 'a letter for the family and a number, such as F1'),
  family: z.enum(families.map(({ id }) => id) as [Family['id'], ...Family['id'][]]),
  /** When and where it was first described, as printed: `2016-02 on xen-devel`. */
  reported: z.string(),
  /** The verdict table that stands for this page on the home page: `block.export`. */
  figure: z.string().optional(),
});

export interface Frontmatter {
  hazards: z.infer<typeof hazard>;
  guide: z.infer<typeof page>;
  reference: z.infer<typeof page>;
}
