import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineMdastPlugin, type MdxJsxFlowElement } from 'satteri';

/** Components that read results of the page they stand on, and so must know which page and line that is. */
const bound = new Set(['VerdictTable', 'Lanes', 'ByteMap', 'StateTable', 'PolicyDiff', 'Claim', 'Value']);

type Attributes = MdxJsxFlowElement['attributes'];

const attribute = (name: string, value: string | number): Attributes[number] => ({
  type: 'mdxJsxAttribute', name, value: String(value),
});

/**
 * Makes each `ts` fence a `<LiveBlock>`, counted as the extractor counts them, and tells each bound component its page
 * and line.
 */
export const pageBlocks = (context: { fileURL: URL | undefined }): ReturnType<typeof defineMdastPlugin> => {
  const page = context.fileURL ? relative(process.cwd(), fileURLToPath(context.fileURL)).replaceAll('\\', '/') : '';
  let index = 0;
  const locate = (node: { name?: string | null; attributes: Attributes; position?: { start: { line: number } } }) =>
    [...node.attributes, attribute('page', page), attribute('line', node.position?.start.line ?? 0)];
  return defineMdastPlugin({
    name: 'page-blocks',
    options: { position: true },
    code(node) {
      if (node.lang !== 'ts') return;
      return {
        type: 'mdxJsxFlowElement',
        name: 'LiveBlock',
        attributes: [attribute('index', index++), ...locate({ attributes: [], position: node.position })],
        children: [],
      };
    },
    mdxJsxFlowElement(node) {
      if (bound.has(node.name ?? '')) return { ...node, attributes: locate(node) };
    },
    mdxJsxTextElement(node) {
      if (bound.has(node.name ?? '')) return { ...node, attributes: locate(node) };
    },
  });
};
