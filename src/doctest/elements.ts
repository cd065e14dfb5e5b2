import { attributeText, type Node, textOf, walk } from './tree.ts';
import type { Block, Claim, InlineValue, Problem } from './types.ts';

type Report = (node: Node, message: string) => void;

const attributesOf: Record<string, string[]> = {
  Claim: ['id', 'witness', 'untested', 'source'],
  Value: ['of', 'is'],
};

/** Reads `<Claim>` and `<Value>`; `aboutTest` says what is wrong with the name of a test file, if anything. */
export function readElements(
  file: string, root: Node, blocks: Block[], aboutTest: (name: string) => string | undefined,
): { claims: Claim[]; values: InlineValue[]; problems: Problem[] } {
  const claims: Claim[] = [];
  const values: InlineValue[] = [];
  const problems: Problem[] = [];
  const report: Report = (node, message) => {
    problems.push({ file, line: node.position.start.line, column: node.position.start.column, message });
  };
  const runs = new Map(blocks.map((block) => [block.id, block]));
  for (const { node } of walk(root)) {
    forbidInExpressions(node, report);
    const allowed = node.name ? attributesOf[node.name] : undefined;
    if (!allowed || !node.type.startsWith('mdxJsx') || !plainAttributes(node, allowed, report)) continue;
    const where = { line: node.position.start.line, column: node.position.start.column };
    if (node.name === 'Claim') {
      const claim = readClaim(node, report);
      const twin = claim && claims.find((other) => other.id === claim.id);
      if (twin) report(node, `claim \`${twin.id}\` is already at line ${twin.line}: every claim needs its own id`);
      if (claim && checkWitness(node, claim, runs, aboutTest, report)) claims.push({ ...claim, ...where });
    } else {
      const value = readValue(node, runs, report);
      if (value) values.push({ ...value, ...where });
    }
  }
  return { claims, values, problems };
}

function plainAttributes(node: Node, allowed: string[], report: Report): boolean {
  let fine = true;
  const seen = new Set<string>();
  for (const attribute of node.attributes ?? []) {
    const complaint = attribute.name === undefined
      ? `<${node.name}> takes no spread attributes: write ${allowed.join(', ')} out`
      : !allowed.includes(attribute.name)
        ? `unknown attribute \`${attribute.name}\` on <${node.name}>: allowed are ${allowed.join(', ')}`
        : seen.has(attribute.name)
          ? `attribute \`${attribute.name}\` is given twice on <${node.name}>: keep one of them`
          : typeof attribute.value !== 'string' || attribute.value.trim() === ''
            ? `\`${attribute.name}\` of <${node.name}> must be written as text: ${attribute.name}="…"`
            : undefined;
    if (attribute.name !== undefined) seen.add(attribute.name);
    if (complaint) report(node, complaint);
    fine &&= complaint === undefined;
  }
  return fine;
}

function readClaim(node: Node, report: Report): Omit<Claim, 'line' | 'column'> | undefined {
  const id = attributeText(node, 'id');
  const witness = attributeText(node, 'witness');
  const untested = attributeText(node, 'untested');
  const from = attributeText(node, 'source');
  const text = textOf(node);
  const name = id === undefined ? 'a claim' : `claim \`${id}\``;
  const complaints: string[] = [];
  if (id === undefined) complaints.push('a claim needs an id: <Claim id="…">');
  else if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(id)) {
    complaints.push(`\`${id}\` is no id for a claim: use lower-case letters, digits and dashes`);
  }
  if (from === undefined) {
    complaints.push(`${name} names no source: add source="manual and section, commit or message"`);
  }
  if (witness === undefined && untested === undefined) {
    complaints.push(`${name} names no witness: add witness="block-id", witness="test:name" or untested="reason"`);
  }
  if (witness !== undefined && untested !== undefined) {
    complaints.push(`${name} has a witness and a reason for having none: remove witness or untested`);
  }
  if (text === '') complaints.push(`${name} says nothing: put the sentence between <Claim> and </Claim>`);
  for (const complaint of complaints) report(node, complaint);
  if (complaints.length > 0) return undefined;
  return {
    id: id!, source: from!, text,
    ...(witness === undefined ? {} : { witness }), ...(untested === undefined ? {} : { untested }),
  };
}

function checkWitness(
  node: Node, claim: Omit<Claim, 'line' | 'column'>, blocks: Map<string, Block>, aboutTest: (name: string) => string | undefined,
  report: Report,
): boolean {
  if (claim.witness === undefined) return true;
  const test = /^test:(.*)$/.exec(claim.witness)?.[1];
  const complaint = test !== undefined
    ? aboutTest(test)
    : cannotRun(claim.witness, blocks);
  if (complaint) report(node, `the witness of claim \`${claim.id}\` does not exist or does not run: ${complaint}`);
  return complaint === undefined;
}

function readValue(
  node: Node, blocks: Map<string, Block>, report: Report,
): Omit<InlineValue, 'line' | 'column'> | undefined {
  const of = attributeText(node, 'of');
  const is = attributeText(node, 'is');
  if (of === undefined || is === undefined) {
    report(node, '<Value> needs both: of="block-id.export" and is="the value as the page should print it"');
    return undefined;
  }
  const [id, ...path] = of.split('.');
  const complaint = path.length === 0 || path.includes('')
    ? 'write of="block-id.export" or of="block-id.export.member"'
    : cannotRun(id!, blocks, true);
  if (complaint) {
    report(node, `\`${of}\` names no value: ${complaint}`);
    return undefined;
  }
  return { of, is };
}

function cannotRun(id: string, blocks: Map<string, Block>, needsExports = false): string | undefined {
  const block = blocks.get(id);
  if (!block) {
    const known = [...blocks.keys()].join(', ');
    return `this page has no block \`${id}\` (${known === '' ? 'it has no blocks' : `it has ${known}`})`;
  }
  for (const attribute of ['compile-only', 'skip', 'error'] as const) {
    if (block.attributes[attribute] !== undefined) return `block \`${id}\` is not run (${attribute})`;
  }
  return needsExports && block.attributes.fault !== undefined
    ? `block \`${id}\` ends in a fault and exports nothing` : undefined;
}

/** An element inside an expression is drawn by the page but not seen here: it would look checked and not be. */
function forbidInExpressions(node: Node, report: Report): void {
  const expressions = /^mdx(Flow|Text)Expression$|^mdxjsEsm$/.test(node.type) ? [node.value ?? ''] : [];
  for (const attribute of node.attributes ?? []) {
    if (attribute.value !== null && typeof attribute.value === 'object') expressions.push(attribute.value.value);
  }
  for (const expression of expressions) {
    const code = expression.replace(/\/\*[^]*?\*\//g, '');
    const name = /<(Claim|Value)\b/.exec(code)?.[1];
    if (name) report(node, `<${name}> inside an expression is not checked: write it directly in the page's text`);
  }
}
