/** Data directives: DB to DT, RESB to REST, ALIGN. */

import { hex, toBytes, u } from '../numbers/bits.ts';
import { loadFloat64, controlOf } from '../numbers/float80.ts';
import { type Cursor, type Lookup, parseConstant } from './expression.ts';
import { type Token, TokenError } from './tokens.ts';

export const DATA_SIZES: ReadonlyMap<string, number> = new Map([
  ['db', 1], ['.byte', 1], ['dw', 2], ['.word', 2], ['dd', 4], ['.long', 4], ['dq', 8], ['.quad', 8], ['dt', 10],
]);
export const RESERVE_SIZES: ReadonlyMap<string, number> = new Map([
  ['resb', 1], ['resw', 2], ['resd', 4], ['resq', 8], ['rest', 10],
]);

/** More than this is surely a mistake. */
const MAXIMUM_BYTES = 1 << 24;

/** Bytes of a data directive: numbers, strings (in DB), decimal fractions (in DD, DQ, DT). */
export function parseData(cursor: Cursor, size: number, lookup: Lookup): number[] {
  const bytes: number[] = [];
  do {
    const token = cursor.token;
    if (token?.kind === 'string' && isWhole(cursor.tokens[cursor.position + 1])) {
      cursor.position++;
      bytes.push(...latin1(token.text.slice(1, -1), token.column));
      while (bytes.length % size) bytes.push(0);
    } else bytes.push(...toBytes(parseValue(cursor, size, lookup), size));
  } while (cursor.take(','));
  return bytes;
}

/** A string that is a value by itself, not part of an expression: `'a' + 1`. */
const isWhole = (after: Token | undefined): boolean => after?.kind !== 'punctuation' || after.text === ',';

function latin1(text: string, column: number): number[] {
  const codes = Array.from(text, (character) => character.codePointAt(0)!);
  if (codes.some((code) => code > 0xff)) {
    throw new TokenError('a string holds one byte a character, up to U+00FF: write others as numbers', column);
  }
  return codes;
}

function parseValue(cursor: Cursor, size: number, lookup: Lookup): bigint {
  const column = cursor.column;
  const negativeFloat = cursor.is('-') && cursor.tokens[cursor.position + 1]?.kind === 'float';
  if (negativeFloat) cursor.position++;
  const token = cursor.token;
  if (token?.kind === 'float') {
    cursor.position++;
    return floatBits(Number(token.text.replaceAll('_', '')) * (negativeFloat ? -1 : 1), size, column);
  }
  const value = parseConstant(cursor, lookup);
  const bits = 8 * size;
  if (value >= 1n << BigInt(bits) || value < -(1n << BigInt(bits - 1))) {
    throw new TokenError(`${hex(value)} does not fit in ${size} byte${size > 1 ? 's' : ''}`, column);
  }
  return u(bits, value);
}

/** Decimal fractions are read as double precision; DT widens that exactly. */
function floatBits(value: number, size: number, column: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (size === 4) {
    view.setFloat32(0, value, true);
    return BigInt(view.getUint32(0, true));
  }
  view.setFloat64(0, value, true);
  const double = view.getBigUint64(0, true);
  if (size === 8) return double;
  if (size === 10) return loadFloat64(double, controlOf(0x37f)).value;
  throw new TokenError('a decimal fraction needs dd, dq or dt', column);
}

/** Number of bytes of a RESx or the argument of ALIGN, within reason. */
export function parseCount(cursor: Cursor, lookup: Lookup, what: string): number {
  const column = cursor.column;
  const count = parseConstant(cursor, lookup);
  if (count < 0n || count > BigInt(MAXIMUM_BYTES)) {
    throw new TokenError(`${what} ${count} is out of range: 0 to ${MAXIMUM_BYTES} are possible`, column);
  }
  return Number(count);
}
