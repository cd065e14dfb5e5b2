import { posix } from 'node:path';
import { type Node, projectPath, rule } from './rule.ts';

/** The engine's folders from the bottom up. A file may import from its own folder and from those before it. */
export const layers = ['numbers', 'state', 'cpus', 'isa', 'machine', 'asm', 'hypervisors', 'explore', 'run', 'cli'];

/** The one folder of the engine that is for Node alone: what it imports never reaches a browser. */
const forNode = 'spec/src/cli/';

/**
 * Inside spec/src imports run downward only, and never out of spec/src: the engine has no dependencies. The site
 * reaches the engine through its public face alone.
 */
export const importsDownward = rule((report, context) => {
  const file = projectPath(context);
  const inEngine = file.startsWith('spec/src/') && !file.endsWith('.test.ts');
  const inSite = file.startsWith('src/');
  if (!inEngine && !inSite) return {};

  const check = (source: Node | null | undefined): void => {
    if (!source || source.type !== 'Literal' || typeof source.value !== 'string') return;
    const target = source.value.startsWith('.') ? posix.join(posix.dirname(file), source.value) : undefined;
    const complaint = inEngine ? engineComplaint(file, source.value, target) : siteComplaint(source.value, target);
    if (complaint) report(source, complaint);
  };
  return {
    ImportDeclaration: (node) => check(node.source as never),
    ExportNamedDeclaration: (node) => check(node.source as never),
    ExportAllDeclaration: (node) => check(node.source as never),
    ImportExpression: (node) => check(node.source as never),
    TSImportType: (node) => check(node.source as never),
  };
});

function engineComplaint(file: string, specifier: string, target: string | undefined): string | undefined {
  if (file.startsWith(forNode) && specifier.startsWith('node:')) return undefined;
  if (!target?.startsWith('spec/src/')) {
    return `The engine imports nothing from outside spec/src, so that it runs anywhere; "${specifier}" is outside.`;
  }
  const from = layerOf(file);
  const to = layerOf(target);
  if (to <= from) return undefined;
  const place = to === layers.length ? 'the public face' : `spec/src/${layers[to]}`;
  return (
    `Imports run downward only (${layers.join(', ')}): spec/src/${layers[from]} cannot import from ${place}. ` +
    'Move what both need into the lower folder, or pass it in as a value.'
  );
}

function siteComplaint(specifier: string, target: string | undefined): string | undefined {
  const inside = target?.startsWith('spec/') || /^hidden-state\/.+/.test(specifier);
  if (!inside || specifier === 'hidden-state/package.json') return undefined;
  return `The site uses the engine as its readers do: import from 'hidden-state', not from "${specifier}".`;
}

/** Files directly in spec/src (the public face) lie above all folders; so does a folder that is not in the list. */
function layerOf(path: string): number {
  const at = layers.indexOf(path.split('/')[2] ?? '');
  return at < 0 ? layers.length : at;
}
