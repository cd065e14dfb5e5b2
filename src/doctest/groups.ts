import { readSyntax, type ImportedName, type Span } from './syntax.ts';
import type { Block, Page } from './types.ts';

/** One block's share of a test: its code and the spans of it that earlier blocks of the group have said already. */
export interface Part {
  block: Block;
  repeated: Span[];
}

/** The blocks whose code runs, in order, when `block` runs: the earlier ones of its group, then itself. */
export function partsOf(page: Page, block: Block): Part[] {
  const { group } = block.attributes;
  const blocks = group === undefined ? [block]
    : page.blocks.filter((other) => other.attributes.group === group && other.index <= block.index);
  const imported: ImportedName[] = [];
  return blocks.map((member) => ({ block: member, repeated: repeatedImports(member.code, imported) }));
}

/** Imports of names that `imported` holds already; adds the others to it. */
function repeatedImports(code: string, imported: ImportedName[]): Span[] {
  const spans: Span[] = [];
  for (const statement of readSyntax(code).imports) {
    const repeated = statement.names.filter((name) => imported.some((other) => saysTheSame(other, name)));
    imported.push(...statement.names);
    if (repeated.length === 0) continue;
    if (repeated.length === statement.names.length) spans.push({ start: statement.start, end: statement.end });
    else spans.push(...repeated.map((name) => withComma(code, name)));
  }
  return spans;
}

function saysTheSame(one: ImportedName, other: ImportedName): boolean {
  return one.local === other.local && one.from === other.from && one.imported === other.imported
    && (!one.isType || other.isType);
}

/** A name of an import list, with its own `type` and the comma after it. */
function withComma(code: string, name: Span): Span {
  const type = /\btype\s+$/.exec(code.slice(0, name.start));
  const comma = /^\s*,/.exec(code.slice(name.end));
  return { start: name.start - (type?.[0].length ?? 0), end: name.end + (comma?.[0].length ?? 0) };
}

/** Names that a block declares although an earlier block of its group has them already. */
export function redeclared(page: Page, block: Block): { name: string; start: number; earlier: Block }[] {
  if (block.attributes.group === undefined) return [];
  const found: { name: string; start: number; earlier: Block }[] = [];
  const own = readSyntax(block.code);
  for (const { block: earlier } of partsOf(page, block).slice(0, -1)) {
    const before = readSyntax(earlier.code);
    for (const { name, start, kind } of own.declared) {
      const twin = before.declared.find((other) => other.name === name && (kind === 'value' || other.kind === 'type'));
      if (twin || before.imports.some((statement) => statement.names.some((imported) => imported.local === name))) {
        found.push({ name, start, earlier });
      }
    }
    for (const name of own.imports.flatMap((statement) => statement.names)) {
      if (before.declared.some((other) => other.name === name.local)) {
        found.push({ name: name.local, start: name.start, earlier });
      }
    }
  }
  return found;
}

/** `code` with the spans replaced by spaces, so that everything else stays where it is. */
export function blank(code: string, spans: Span[]): string {
  let text = code;
  for (const { start, end } of spans) {
    text = text.slice(0, start) + text.slice(start, end).replace(/[^\n]/g, ' ') + text.slice(end);
  }
  return text;
}
