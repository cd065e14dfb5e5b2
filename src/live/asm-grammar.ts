import { languages } from 'prism-code-editor/prism';
import { directives, label, number, registers, tags } from '../site/asm-words.ts';

const word = (source: string): RegExp => new RegExp(`(?<![\\w.$])${source}(?![\\w$])`, 'i');

/** Assembly in tagged templates, in the editor: the same words as in the pages, as a Prism grammar. */
export function addAssembly(): void {
  const typescript = languages.typescript as Record<string, unknown>;
  const template = typescript['template-string'] as { inside: Record<string, unknown> };
  const inside = {
    'template-punctuation': { pattern: /^`|`$/, alias: 'string' },
    interpolation: template.inside.interpolation,
    'asm-comment': /;.*/,
    'asm-label': new RegExp(label),
    'asm-directive': word(directives),
    'asm-register': word(registers),
    'asm-number': word(number),
    'asm-mnemonic': { pattern: /(^|\n|:)([ \t]*(?:(?:rep\w*|lock)[ \t]+)?[a-z]\w*)/i, lookbehind: true },
  };
  const body = '`(?:\\\\[^]|\\$\\{(?:[^{}]|\\{[^}]*\\})*\\}|[^\\\\`])*`';
  languages.typescript = {
    'asm-template': { pattern: new RegExp(`(${tags})${body}`, 'g'), lookbehind: true, inside },
    ...typescript,
  } as (typeof languages)[string];
}
