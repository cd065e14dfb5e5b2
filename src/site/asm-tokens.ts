import * as words from './asm-words.ts';

const opening = new RegExp(`${words.tags}\``, 'g');
const registers = new RegExp(`^${words.registers}$`, 'i');
const directives = new RegExp(`^${words.directives}$`, 'i');
const piece = new RegExp([
  ';[^\\n]*', '\\n', words.label, '[A-Za-z_.$][\\w.$]*(?:\\(\\d\\))?', words.number, '[^\\sA-Za-z_.$\\d;]+', '\\s',
].join('|'), 'gi');

export interface AsmToken {
  start: number;
  end: number;
  kind: 'mnemonic' | 'register' | 'number' | 'comment' | 'label' | 'directive';
}

/** Where in TypeScript text the assembly of tagged templates stands: `[start, end)`, without `${…}`. */
export function asmRanges(code: string): [number, number][] {
  const ranges: [number, number][] = [];
  for (const match of code.matchAll(opening)) {
    let start = match.index + match[0].length;
    let at = start;
    while (at < code.length && code[at] !== '`') {
      if (code[at] === '\\') {
        at += 2;
      } else if (code.startsWith('${', at)) {
        ranges.push([start, at]);
        let depth = 1;
        at += 2;
        while (at < code.length && depth > 0) {
          if (code[at] === '{') depth += 1;
          if (code[at] === '}') depth -= 1;
          at += 1;
        }
        start = at;
      } else {
        at += 1;
      }
    }
    ranges.push([start, Math.min(at, code.length)]);
  }
  return ranges.filter(([start, end]) => end > start);
}

/** Colours one stretch of assembly; `first` says whether it begins a statement (it does not after a `${…}`). */
export function asmTokens(code: string, start: number, end: number): AsmToken[] {
  const tokens: AsmToken[] = [];
  const before = code.slice(0, start);
  let statement = !before.endsWith('}');
  piece.lastIndex = start;
  for (let match = piece.exec(code); match && match.index < end; match = piece.exec(code)) {
    const [text] = match;
    const push = (kind: AsmToken['kind']): void => {
      tokens.push({ start: match.index, end: Math.min(end, match.index + text.length), kind });
    };
    if (text === '\n') statement = true;
    else if (text.startsWith(';')) push('comment');
    else if (/^\d/.test(text)) push('number');
    else if (/^[A-Za-z_.$]/.test(text)) {
      if (text.endsWith(':')) push('label');
      else if (registers.test(text)) push('register');
      else if (directives.test(text)) { push('directive'); statement = false; }
      else if (statement) { push('mnemonic'); statement = /^(?:rep\w*|lock)$/i.test(text); }
    }
  }
  return tokens;
}
