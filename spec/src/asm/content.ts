/** Bytes of one statement: an instruction or a data directive. */

import { u } from '../numbers/bits.ts';
import type { Mode } from '../isa/instruction.ts';
import { formsNamed } from '../isa/table.ts';
import { DATA_SIZES, RESERVE_SIZES, parseCount, parseData } from './data.ts';
import type { Cursor, Lookup } from './expression.ts';
import { type Parsed, parseOperand } from './operands.ts';
import { takePrefixes } from './prefixes.ts';
import { instructionNamed } from './pseudo-operations.ts';
import { select } from './select.ts';
import { inFull } from './shorthands.ts';
import { TokenError } from './tokens.ts';

export interface Place {
  readonly mode: Mode;
  readonly address: bigint;
  readonly lookup: Lookup;
  /** Bytes that the statement had before: an instruction does not become shorter. */
  readonly atLeast: number;
}

export interface Content {
  readonly bytes: Uint8Array;
  readonly kind: 'instruction' | 'data';
}

/** What TIMES can make: more is surely a mistake. */
const MAXIMUM_REPETITIONS = 1 << 16;
const MAXIMUM_BYTES = 1 << 24;

export function assembleStatement(cursor: Cursor, place: Place): Content {
  const word = cursor.word();
  if (!cursor.token) throw new TokenError('an instruction or a directive is missing after times', cursor.column);
  if (word === undefined) {
    const found = JSON.stringify(cursor.token.text);
    throw new TokenError(`a statement begins with an instruction or a directive, not with ${found}`, cursor.column);
  }
  const content = word === 'times' ? repeated(cursor, place) : data(cursor, word, place) ?? instruction(cursor, place);
  cursor.expectEnd();
  return content;
}

/** `times 3 nop`: what follows is assembled again and again. */
function repeated(cursor: Cursor, place: Place): Content {
  cursor.position++;
  const column = cursor.column;
  const count = parseCount(cursor, place.lookup, 'times');
  if (count > MAXIMUM_REPETITIONS) {
    throw new TokenError(`times ${count} is out of range: 0 to ${MAXIMUM_REPETITIONS} are possible`, column);
  }
  const start = cursor.position;
  const parts: Uint8Array[] = [];
  let { address } = place, kind: Content['kind'] = 'data';
  for (let n = 0; n < Math.max(count, 1); n++) {
    cursor.position = start;
    const content = assembleStatement(cursor, { ...place, address, atLeast: 0 });
    if (n >= count) break;
    ({ kind } = content);
    parts.push(content.bytes);
    address += BigInt(content.bytes.length);
    if (address - place.address > MAXIMUM_BYTES) {
      throw new TokenError(`times makes more than ${MAXIMUM_BYTES} bytes`, column);
    }
  }
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
  return { bytes, kind };
}

function data(cursor: Cursor, word: string, place: Place): Content | undefined {
  const { lookup } = place;
  const size = DATA_SIZES.get(word);
  const reserved = RESERVE_SIZES.get(word);
  if (size === undefined && reserved === undefined && word !== 'align') return undefined;
  cursor.position++;
  const made = (bytes: Uint8Array): Content => ({ kind: 'data', bytes });
  if (size !== undefined) return made(Uint8Array.from(parseData(cursor, size, lookup)));
  if (reserved !== undefined) return made(new Uint8Array(reserved * parseCount(cursor, lookup, word)));
  const column = cursor.column;
  const boundary = parseCount(cursor, lookup, 'align');
  if (boundary === 0 || boundary & (boundary - 1)) {
    throw new TokenError(`align needs a power of two (1, 2, 4, …), not ${boundary}`, column);
  }
  return made(new Uint8Array(Number(u(64, -place.address) % BigInt(boundary))));
}

function instruction(cursor: Cursor, place: Place): Content {
  const { mode, lookup, atLeast } = place;
  const prefixes = takePrefixes(cursor, mode);
  const column = cursor.column;
  const word = cursor.word();
  const { mnemonic, implied } = instructionNamed(word ?? '');
  if (formsNamed(mnemonic).length === 0) throw new TokenError(noInstruction(cursor), column);
  cursor.position++;
  const operands: Parsed[] = [];
  for (let more = cursor.token !== undefined; more; more = cursor.take(',')) {
    operands.push(parseOperand(cursor, mode, lookup, prefixes.addressSize));
  }
  cursor.expectEnd();
  operands.push(...implied);
  const address = operands.some((operand) => operand.address !== undefined) ? place.address : 0n;
  return {
    kind: 'instruction',
    bytes: select({ mnemonic, operands: inFull(mnemonic, operands), prefixes, column }, mode, address, atLeast),
  };
}

function noInstruction(cursor: Cursor): string {
  if (!cursor.token) return 'an instruction is missing after the prefix';
  const name = cursor.token.text;
  const second = cursor.tokens[cursor.position + 1];
  const next = second?.kind === 'word' ? second.text.toLowerCase() : '';
  const isLabel = second ? DATA_SIZES.has(next) || formsNamed(next).length > 0 : cursor.position === 0;
  const hint = isLabel ? `; a label is followed by a colon: ${name}:` : '';
  return `${JSON.stringify(name)} is no instruction or directive that this assembler knows${hint}`;
}
