import { satteri } from '@astrojs/markdown-satteri';
import mdx from '@astrojs/mdx';
import { defineConfig } from 'astro/config';
import { contentSecurityPolicy } from './src/site/content-security-policy.ts';
import { pageBlocks } from './src/site/page-blocks.ts';

// Vite sets its own defaults aside as soon as conditions are named, hence the full list.
const conditions = ['source', 'module', 'browser', 'development|production'];
const serverConditions = ['source', 'module', 'node', 'development|production'];

// The figures with hand-made data, for the browser tests and for work on the figures: FIXTURES=1.
const fixturePages = {
  name: 'fixture-pages',
  hooks: {
    'astro:config:setup'({ injectRoute }) {
      if (!process.env.FIXTURES) return;
      injectRoute({ pattern: '/fixtures/figures', entrypoint: './test/browser/fixtures/figures.astro' });
    },
  },
};

export default defineConfig({
  output: 'static',
  trailingSlash: 'always',
  build: { format: 'directory' },
  devToolbar: { enabled: false },
  security: { csp: contentSecurityPolicy },
  markdown: {
    syntaxHighlight: false,
    processor: satteri({ mdastPlugins: [pageBlocks] }),
  },
  integrations: [mdx(), fixturePages],
  vite: {
    resolve: { conditions },
    ssr: { resolve: { conditions: serverConditions, externalConditions: serverConditions } },
    environments: { prerender: { resolve: { conditions: serverConditions, externalConditions: serverConditions } } },
    worker: { format: 'es' },
    // What blocks load late: found while a page is open, it would make the dev server reload that page.
    optimizeDeps: {
      include: [
        '@vitest/expect', '@vitest/utils/display', 'chai', 'es-module-lexer/js', 'prism-code-editor',
        'prism-code-editor/commands', 'prism-code-editor/languages/clike', 'prism-code-editor/prism',
        'prism-code-editor/prism/languages/typescript', 'sucrase',
      ],
    },
    build: {
      target: 'es2024',
      rolldownOptions: {
        onLog(level, log, report) {
          // Astro's `"use astro:…"` directives; says nothing about our code.
          if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log);
        },
      },
    },
  },
});
