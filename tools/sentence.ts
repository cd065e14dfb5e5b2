/** An error a person caused and can mend: printed as its message alone, without a stack. */
export class Sentence extends Error {
  override name = 'Sentence';
}

/** What Astro says about a page or a configuration that it cannot use, as a sentence: where, what, and its hint. */
export function fromAstro(error: unknown): unknown {
  const { message, hint, loc, type } = error as { message?: string; hint?: string; loc?: { file?: string }; type?: string };
  if (type !== 'AstroError') return error;
  return new Sentence([loc?.file, message, hint].filter(Boolean).join('\n'));
}
