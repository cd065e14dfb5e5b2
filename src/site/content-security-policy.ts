/**
 * Astro adds `script-src` and `style-src` with the hashes of what it inlines. Search needs no `'wasm-unsafe-eval'`
 * here: its WebAssembly runs in a worker, and a worker's policy is its own script's.
 */
export const contentSecurityPolicy = {
  directives: [
    "default-src 'self'",
    "worker-src 'self'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'none'",
  ] as const,
};
