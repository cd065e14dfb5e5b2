import { type Node, rule } from './rule.ts';

/** Strings stand in single quotes unless they contain one. */
export const singleQuotes = rule((report) => ({
  Literal(found) {
    const node = found as unknown as Node;
    if (typeof node.value !== 'string' || node.parent.type.startsWith('JSX')) return;
    if (node.raw[0] === '"' && !node.value.includes("'")) report(node, `Write this string in single quotes.`);
  },
}));
