import { partsOf } from './groups.ts';
import { type ImportedName, readSyntax } from './syntax.ts';
import type { Block, Page } from './types.ts';

/** What the copy button yields: one file that runs as it is with vitest and the published package. */
export function copyText(block: Block, page: Page): string {
  const parts = partsOf(page, block);
  const { attributes } = block;
  const names = parts.flatMap((part) => readSyntax(part.block.code).imports).flatMap((statement) => statement.names);
  const bare = parts.flatMap((part) => readSyntax(part.block.code).imports)
    .filter((statement) => statement.names.length === 0).map((statement) => statement.from);
  const own = new Set([...names.map((name) => name.local), ...parts.flatMap((part) => declared(part.block))]);
  let check = names.find((name) => name.from === 'vitest' && name.imported === 'expect')?.local;
  if (attributes.fault !== undefined && check === undefined) {
    check = unused('expect', own);
    names.push({ from: 'vitest', imported: 'expect', local: check, isType: false, start: 0, end: 0 });
  }
  const test = unused('test', own);
  names.push({ from: 'vitest', imported: 'test', local: test, isType: false, start: 0, end: 0 });
  const code = parts.map((part) => bodyOf(part.block, attributes.fault === undefined ? '  ' : '    ')).join('\n\n');
  const notRun = attributes.skip !== undefined ? `skipped: ${attributes.skip}`
    : attributes.error !== undefined ? `does not compile, which is the point: ${attributes.error}`
      : attributes['compile-only'] ? 'shows types, is not run' : undefined;
  const title = quote(notRun === undefined ? block.id : `${block.id} (${notRun})`);
  const body = attributes.fault === undefined ? code
    : `  const ${unused('block', own)} = async () => {\n${code}\n  };\n`
      + `  await ${check}(${unused('block', own)}()).rejects.`
      + `toMatchObject({ name: 'Fault', notation: ${quote(attributes.fault)} });`;
  return `// Block ${block.id} of ${page.file} in Hidden State.\n`
    + `${importsOf(names, bare)}\n\n`
    + `${test}${notRun === undefined ? '' : '.skip'}(${title}, async () => {\n${body}\n});\n`;
}

function declared(block: Block): string[] {
  return readSyntax(block.code).declared.map(({ name }) => name);
}

function unused(name: string, taken: Set<string>): string {
  let candidate = name;
  while (taken.has(candidate)) candidate = `${candidate}_`;
  return candidate;
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

/** One statement a module, with each name once; a name that is imported as a value and as a type stays a value. */
function importsOf(names: ImportedName[], bare: string[]): string {
  const modules = new Map<string, ImportedName[]>();
  for (const name of names) {
    const known = modules.get(name.from) ?? [];
    modules.set(name.from, known);
    const twin = known.findIndex((other) => other.local === name.local);
    if (twin < 0) known.push(name);
    else if (!name.isType) known[twin] = name;
  }
  const statements = [...new Set(bare)].filter((from) => !modules.has(from)).map((from) => `import ${quote(from)};`);
  for (const [from, list] of modules) {
    const named = list.filter(({ imported }) => imported !== 'default' && imported !== '*')
      .map(({ imported, local, isType }) =>
        `${isType ? 'type ' : ''}${imported === local ? local : `${imported} as ${local}`}`);
    for (const { imported, local, isType } of list) {
      if (imported === 'default') statements.push(`import ${isType ? 'type ' : ''}${local} from ${quote(from)};`);
      if (imported === '*') statements.push(`import ${isType ? 'type ' : ''}* as ${local} from ${quote(from)};`);
    }
    if (named.length > 0) statements.push(`import { ${named.join(', ')} } from ${quote(from)};`);
  }
  return statements.join('\n');
}

/** The code as the body of a function: no imports, no exports, indented except within template literals. */
function bodyOf(block: Block, indent: string): string {
  const { imports, exportKeywords, exportStatements, templates } = readSyntax(block.code);
  const dropped = [...imports, ...exportStatements, ...exportKeywords].sort((a, b) => b.start - a.start);
  const inTemplate = new Set<number>();
  let offset = 0;
  block.code.split('\n').forEach((line, index) => {
    if (templates.some((span) => span.start < offset && offset <= span.end)) inTemplate.add(index);
    offset += line.length + 1;
  });
  const removed = new Set<number>();
  let code = block.code;
  for (const { start, end } of dropped) {
    const first = block.code.slice(0, start).split('\n').length - 1;
    const last = block.code.slice(0, end).split('\n').length - 1;
    const lineBreaks = code.slice(start, end).replace(/[^\n]/g, '');
    code = code.slice(0, start) + lineBreaks + code.slice(end);
    for (let line = first; line <= last; line += 1) removed.add(line);
  }
  const lines = code.split('\n').flatMap((text, index) => {
    if (/^\s*\/\/\s*@(hide|show)\s*$/.test(text) && !inTemplate.has(index)) return [];
    if (removed.has(index) && text.trim() === '') return [];
    return [text === '' || inTemplate.has(index) ? text : indent + text];
  });
  return lines.join('\n').replace(/^\n+|\n+$/g, '');
}
