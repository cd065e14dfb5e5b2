/** A mistake in what was typed or given: a sentence that names the option and what was expected. Ends with code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
