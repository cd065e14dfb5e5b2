/** Words, numbers and punctuation of one line of assembly text, with columns. */

export type Token =
  | { readonly kind: 'word'; readonly text: string; readonly column: number }
  | { readonly kind: 'number'; readonly value: bigint; readonly text: string; readonly column: number }
  /** A decimal fraction or exponent: for DD, DQ and DT. */
  | { readonly kind: 'float'; readonly text: string; readonly column: number }
  | { readonly kind: 'string'; readonly text: string; readonly column: number }
  | { readonly kind: 'punctuation'; readonly text: string; readonly column: number };

export class TokenError extends Error {
  readonly column: number;
  constructor(message: string, column: number) {
    super(message);
    this.column = column;
  }
}

const PATTERNS: readonly [Token['kind'], RegExp][] = [
  ['float', /^\d[\d_]*\.\d*(?:[eE][+-]?\d+)?(?![\w.])|^\d[\d_]*[eE][+-]?\d+(?![\w.])/],
  ['number', /^(?:0[xX][0-9a-fA-F][0-9a-fA-F_]*|0[bB][01][01_]*|\d[0-9a-fA-F]*[hH]|[01]+[bB]|\d[\d_]*)(?![\w.])/],
  ['word', /^[A-Za-z_.?@$][\w.?@$]*/],
  ['string', /^'[^']*'|^"[^"]*"/],
  ['punctuation', /^(?:<<|>>|[,:[\]()+\-*/%&|^~])/],
];

/** Splits a line; a comment starts at `;`. */
export function tokenize(line: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < line.length;) {
    const rest = line.slice(at);
    const column = at + 1;
    if (/^\s/.test(rest)) {
      at++;
      continue;
    }
    if (rest.startsWith(';')) break;
    const found = PATTERNS.map(([kind, pattern]) => [kind, pattern.exec(rest)?.[0]] as const);
    const [kind, text] = found.find(([, match]) => match !== undefined) ?? [];
    if (kind === undefined || text === undefined) throw new TokenError(complaint(rest), column);
    tokens.push(kind === 'number' ? { kind, value: parseNumber(text), text, column } : { kind, text, column });
    at += text.length;
  }
  return tokens;
}

function complaint(rest: string): string {
  if (/^['"]/.test(rest)) return `the string has no end: close it with ${rest[0]}`;
  const number = /^\d[\w.]*/.exec(rest)?.[0];
  if (number !== undefined) return `${number} is no number: write 123, 0x7b, 7bh, 0b1111011 or 1.5`;
  return `unexpected character ${JSON.stringify(String.fromCodePoint(rest.codePointAt(0)!))}`;
}

function parseNumber(text: string): bigint {
  const digits = text.replaceAll('_', '');
  if (/^\d[0-9a-f]*h$/i.test(digits)) return BigInt(`0x${digits.slice(0, -1)}`);
  if (/^[01]+b$/i.test(digits)) return BigInt(`0b${digits.slice(0, -1)}`);
  return BigInt(digits.toLowerCase());
}
