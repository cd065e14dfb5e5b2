import { mdxToMdast } from 'satteri';

/** What the extractor needs of the MDX parser's nodes. */
export interface Node {
  type: string;
  position: { start: { line: number; column: number }; end: { line: number; column: number } };
  children?: Node[];
  name?: string | null;
  lang?: string | null;
  value?: string;
  attributes?: Attribute[];
}

export interface Attribute {
  type: string;
  name?: string;
  value?: string | null | { value: string };
}

/** The page as the site's own MDX parser sees it; its syntax errors carry a position. */
export function parseMdx(text: string): Node {
  try {
    return mdxToMdast(text) as unknown as Node;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const match = /^(\d+):(\d+): ([^]*?)(?: \([\w-]+:[\w-]+\))?$/.exec(message);
    throw new MdxSyntaxError(match?.[3] ?? message, Number(match?.[1] ?? 1), Number(match?.[2] ?? 1));
  }
}

export class MdxSyntaxError extends Error {
  readonly line: number;
  readonly column: number;

  constructor(message: string, line: number, column: number) {
    super(message);
    this.line = line;
    this.column = column;
  }
}

/** Every node with its ancestors, in the order of the page. */
export function* walk(node: Node, ancestors: Node[] = []): Generator<{ node: Node; ancestors: Node[] }> {
  yield { node, ancestors };
  for (const child of node.children ?? []) yield* walk(child, [...ancestors, node]);
}

/** The text a reader sees, white space collapsed. */
export function textOf(node: Node): string {
  const parts: string[] = [];
  for (const { node: inner } of walk(node)) {
    if (inner.type === 'text' || inner.type === 'inlineCode' || inner.type === 'code') parts.push(inner.value ?? '');
    if (inner.type === 'break') parts.push(' ');
    if (inner.type === 'mdxJsxTextElement' && inner.name === 'Value') parts.push(attributeText(inner, 'is') ?? '');
  }
  return parts.join('').replace(/\s+/g, ' ').trim();
}

/** An attribute written as plain text; undefined when absent or not plain. */
export function attributeText(node: Node, name: string): string | undefined {
  const value = node.attributes?.find((attribute) => attribute.name === name)?.value;
  return typeof value === 'string' ? value : undefined;
}
