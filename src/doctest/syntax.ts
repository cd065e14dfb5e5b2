import { parseSync } from 'rolldown/utils';

/** A span of a block's code, as offsets. */
export interface Span {
  start: number;
  end: number;
}

export interface ImportedName extends Span {
  from: string;
  /** `default`, `*` or the exported name. */
  imported: string;
  local: string;
  isType: boolean;
}

export interface ImportStatement extends Span {
  from: string;
  names: ImportedName[];
}

/** What a block's code imports, declares and exports at its top level. */
export interface Syntax {
  imports: ImportStatement[];
  declared: { name: string; start: number; kind: 'value' | 'type' }[];
  exported: string[];
  /** `export` keywords in front of declarations, and statements that do nothing else but export. */
  exportKeywords: Span[];
  exportStatements: Span[];
  /** The parts of template literals that are text: indenting them would change a value. */
  templates: Span[];
  errors: { message: string; start: number }[];
}

interface Tree {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

const cache = new Map<string, Syntax>();

export function readSyntax(code: string): Syntax {
  const known = cache.get(code);
  if (known) return known;
  const syntax = parse(code);
  if (cache.size > 2000) cache.clear();
  cache.set(code, syntax);
  return syntax;
}

function parse(code: string): Syntax {
  const { program, module, errors } = parseSync('block.ts', code, { sourceType: 'module' });
  const syntax: Syntax = {
    imports: [], declared: [], exported: [], exportKeywords: [], exportStatements: [], templates: [],
    errors: errors.map((error) => ({ message: error.message, start: error.labels[0]?.start ?? 0 })),
  };
  for (const statement of module.staticImports) {
    const from = statement.moduleRequest.value;
    syntax.imports.push({
      start: statement.start, end: statement.end, from,
      names: statement.entries.map((entry) => ({
        from,
        imported: entry.importName.kind === 'Default' ? 'default'
          : entry.importName.kind === 'NamespaceObject' ? '*' : entry.importName.name!,
        local: entry.localName.value,
        isType: entry.isType,
        start: entry.importName.start ?? entry.localName.start,
        end: entry.localName.end,
      })),
    });
  }
  for (const statement of module.staticExports) {
    for (const entry of statement.entries) {
      const { name, kind } = entry.exportName;
      if (!entry.isType) syntax.exported.push(name ?? (kind === 'Default' ? 'default' : '*'));
    }
  }
  for (const statement of program.body as unknown as Tree[]) readStatement(statement, syntax);
  collectTemplates(program, syntax.templates);
  return syntax;
}

function readStatement(statement: Tree, syntax: Syntax): void {
  if (statement.type.startsWith('Export')) {
    const declaration = statement['declaration'] as Tree | null | undefined;
    if (statement.type === 'ExportNamedDeclaration' && declaration) {
      syntax.exportKeywords.push({ start: statement.start, end: declaration.start });
      readStatement(declaration, syntax);
    } else {
      syntax.exportStatements.push({ start: statement.start, end: statement.end });
    }
    return;
  }
  const declare = (node: Tree | null, kind: 'value' | 'type') => {
    for (const bound of boundNames(node)) {
      syntax.declared.push({ name: bound['name'] as string, start: bound.start, kind });
    }
  };
  if (statement.type === 'VariableDeclaration') {
    for (const declarator of statement['declarations'] as Tree[]) declare(declarator['id'] as Tree, 'value');
  } else if (/^TS(TypeAlias|Interface)Declaration$/.test(statement.type)) {
    declare(statement['id'] as Tree, 'type');
  } else if (/^(Function|Class|TSEnum|TSModule)Declaration$/.test(statement.type)) {
    declare(statement['id'] as Tree | null, 'value');
  }
}

/** The identifiers that a pattern binds. */
function boundNames(node: Tree | null): Tree[] {
  if (!node) return [];
  if (node.type === 'Identifier') return [node];
  const inner = node['elements'] ?? node['properties'] ?? [node['value'] ?? node['left'] ?? node['argument'] ?? null];
  return (inner as (Tree | null)[]).flatMap(boundNames);
}

function collectTemplates(node: unknown, spans: Span[]): void {
  if (Array.isArray(node)) {
    for (const item of node) collectTemplates(item, spans);
  } else if (node !== null && typeof node === 'object') {
    const tree = node as Tree;
    if (tree.type === 'TemplateElement') spans.push({ start: tree.start, end: tree.end });
    else for (const key in tree) collectTemplates(tree[key], spans);
  }
}
