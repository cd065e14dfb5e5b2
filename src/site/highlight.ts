import { createCssVariablesTheme, createHighlighterCore } from 'shiki/core';
import { createJavaScriptRegexEngine } from 'shiki/engine/javascript';
import typescript from 'shiki/langs/typescript.mjs';
import { type Html, html } from '../figures/html.ts';
import { asmRanges, asmTokens } from './asm-tokens.ts';

const highlighter = await createHighlighterCore({
  themes: [createCssVariablesTheme()],
  langs: [typescript],
  engine: createJavaScriptRegexEngine(),
});

/** The theme's variables to class names: no style attribute, so the page's policy needs no exception. */
const classes: Record<string, string> = {
  'token-keyword': 't-keyword',
  'token-string': 't-string',
  'token-string-expression': 't-string',
  'token-comment': 't-comment',
  'token-constant': 't-number',
  'token-function': 't-function',
  'token-parameter': 't-parameter',
};

function classOf(content: string, color: string | undefined): string {
  const name = classes[/--shiki-([\w-]+)/.exec(color ?? '')?.[1] ?? ''] ?? '';
  // The grammar calls every `const` a constant; here only literals are.
  return name === 't-number' && !/^\s*(?:\d|true|false|null|undefined)/.test(content) ? '' : name;
}

interface Span {
  start: number;
  end: number;
  className: string;
}

function spans(code: string): Span[] {
  // The default limit of half a second a line leaves lines uncoloured on a slow machine: builds would differ.
  const options = { lang: 'typescript', theme: 'css-variables', tokenizeTimeLimit: 0 };
  const { tokens } = highlighter.codeToTokens(code, options);
  const plain = tokens.flat().map(({ offset, content, color }) => ({
    start: offset, end: offset + content.length, className: classOf(content, color),
  }));
  const ranges = asmRanges(code);
  const outside = plain.flatMap((span) => ranges.reduce<Span[]>(
    (pieces, [start, end]) => pieces.flatMap((piece) => [
      { ...piece, end: Math.min(piece.end, start) },
      { ...piece, start: Math.max(piece.start, end) },
    ].filter((part) => part.end > part.start)),
    [span],
  ));
  const inside = ranges.flatMap(([start, end]) => asmTokens(code, start, end)
    .map((token) => ({ start: token.start, end: token.end, className: `a-${token.kind}` })));
  return [...outside, ...inside].sort((left, right) => left.start - right.start);
}

/** TypeScript, the assembly in its templates included, as one HTML fragment a line. */
export function highlightLines(code: string): Html[] {
  const all = spans(code);
  let offset = 0;
  return code.split('\n').map((line) => {
    const end = offset + line.length;
    const parts: Html[] = [];
    let at = offset;
    for (const span of all) {
      if (span.end <= offset || span.start >= end) continue;
      const [from, to] = [Math.max(span.start, offset), Math.min(span.end, end)];
      if (from > at) parts.push(html`${code.slice(at, from)}`);
      const text = code.slice(from, to);
      parts.push(span.className && text.trim() ? html`<span class="${span.className}">${text}</span>` : html`${text}`);
      at = to;
    }
    if (at < end) parts.push(html`${code.slice(at, end)}`);
    offset = end + 1;
    return html`${parts}`;
  });
}
