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
  ['float', /^\d[\d_]*\.\d*(?:[eE][+-]?\d+)?|^\d[\d_]*[eE][+-]?\d+(?![\w.])/],
  ['number', /^0[xX][0-9a-fA-F][0-9a-fA-F_]*(?!\w)|^0[bB][01][01_]*(?!\w)|^\d[0-9a-fA-F]*[hH](?!\w)|^\d[\d_]*(?!\w)/],
  ['word', /^[A-Za-z_.?@$][\w.?@$]*/],
  ['string', /^'[^']*'|^"[^"]*"/],
  ['punctuation', /^(?:<<|>>|[,:[\]()+\-*])/],
];

/** Splits a line; a comment starts at `;`. */
export function tokenize(line: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < line.length;) {
    const rest = line.slice(at);
    const column = at + 1;
    if (/^\s/.test(rest)) { at++; continue; }
    if (rest.startsWith(';')) break;
    const found = PATTERNS.map(([kind, pattern]) => [kind, pattern.exec(rest)?.[0]] as const).find(([, text]) => text !== undefined);
    if (!found) throw new TokenError(`unexpected character ${JSON.stringify(rest[0])}`, column);
    const [kind, text] = found as [Token['kind'], string];
    tokens.push(kind === 'number' ? { kind, value: parseNumber(text), text, column } : { kind, text, column } as Token);
    at += text.length;
  }
  return tokens;
}

function parseNumber(text: string): bigint {
  const digits = text.replaceAll('_', '');
  return /^\d[0-9a-fA-F]*[hH]$/.test(digits) ? BigInt(`0x${digits.slice(0, -1)}`) : BigInt(digits);
}
