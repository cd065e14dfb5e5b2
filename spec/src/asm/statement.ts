/** Lines of assembly text, split into labels and statements. */

import { registerNamed } from '../isa/operand.ts';
import { isPrefix } from './prefixes.ts';
import { type Token, TokenError, tokenize } from './tokens.ts';

/** What a line defines or says: a label, a symbol with a value (`name equ value`), an instruction or a directive. */
export interface Statement {
  readonly line: number;
  readonly kind: 'label' | 'equ' | 'org' | 'bits' | 'content';
  /** What a label or EQU defines. */
  readonly name: string | undefined;
  readonly tokens: readonly Token[];
  /** Column after the last token. */
  readonly end: number;
  /** As in the source, without labels and comments. */
  readonly text: string;
}

/** What changes the assembler's state and takes no space. */
const DIRECTIVES: Readonly<Record<string, 'org' | 'bits'>> = { org: 'org', bits: 'bits' };

/** Splits one line. A name is defined when it is followed by a colon or by EQU. */
export function parseLine(text: string, line: number): Statement[] {
  const tokens = tokenize(text);
  const last = tokens.at(-1);
  const end = last ? last.column + last.text.length : 1;
  const statements: Statement[] = [];
  let at = 0;
  for (; tokens[at]?.kind === 'word' && tokens[at + 1]?.text === ':'; at += 2) {
    statements.push({ line, kind: 'label', name: defined(tokens[at]!), tokens: [tokens[at]!], end, text: '' });
  }
  const rest = tokens.slice(at);
  const [first, second] = rest;
  if (!first) return statements;
  const isEqu = second?.kind === 'word' && second.text.toLowerCase() === 'equ';
  statements.push({
    line, kind: isEqu ? 'equ' : DIRECTIVES[first.text.toLowerCase()] ?? 'content',
    name: isEqu ? defined(first) : undefined, tokens: rest, end, text: text.slice(first.column - 1, end - 1),
  });
  return statements;
}

function defined({ kind, text, column }: Token): string {
  const taken = registerNamed(text) ? 'a register' : isPrefix(text) ? 'a prefix' : '';
  if (taken) throw new TokenError(`${text} is ${taken}: a symbol needs another name`, column);
  if (kind !== 'word' || text.startsWith('$')) {
    throw new TokenError(`${JSON.stringify(text)} cannot be a symbol: a name begins with a letter, _ or .`, column);
  }
  return text;
}
