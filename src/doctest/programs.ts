import { redeclared } from './groups.ts';
import { positionAt } from './positions.ts';
import { readSyntax } from './syntax.ts';
import type { Attributes, Block, Page, Problem } from './types.ts';

const ownTests = ['test', 'it', 'describe', 'suite', 'bench', 'beforeAll', 'beforeEach', 'afterAll', 'afterEach'];
const endsAGroup: (keyof Attributes)[] = ['compile-only', 'fault', 'error', 'skip'];

/** What is wrong with a block's code as a test of its own, beyond what the type check and the run will say. */
export function checkPrograms(page: Page): Problem[] {
  const problems: Problem[] = [];
  for (const block of page.blocks) {
    const report = (start: number, message: string, unreadable = false) => {
      problems.push({
        file: page.file, ...positionAt(block, start), message, block: block.index,
        ...(unreadable ? { syntax: true } : {}),
      });
    };
    const syntax = readSyntax(block.code);
    for (const error of block.attributes.error === undefined ? syntax.errors : []) {
      report(error.start, `cannot read the code: ${error.message}`, true);
    }
    for (const name of syntax.imports.flatMap((statement) => statement.names)) {
      if (name.from === 'vitest' && ownTests.includes(name.imported)) {
        report(name.start, `a block is a test already: remove \`${name.imported}\` and write its body here`);
      }
    }
    for (const name of syntax.imports.filter((statement) => /^\.{0,2}\//.test(statement.from))) {
      report(name.start, `\`${name.from}\` would not be there for who copies the block: import packages by name`);
    }
    if (syntax.exported.some((name) => name === 'default' || name === '*')) {
      report(syntax.exportStatements[0]!.start, 'a block can only export names: write `export const name = …`');
    }
    for (const { name, start, earlier } of redeclared(page, block)) {
      report(start, `\`${name}\` is already there from block \`${earlier.id}\` (line ${earlier.fenceLine}) of group `
        + `\`${block.attributes.group}\`: use it or choose another name`);
    }
    const attribute = endsAGroup.find((name) => block.attributes[name] !== undefined);
    if (attribute && laterInGroup(page, block)) {
      problems.push({
        file: page.file, line: block.fenceLine, column: block.fenceColumn, block: block.index,
        message: `a block with \`${attribute}\` must be the last of its group: later ones need it to run to its end`,
      });
    }
  }
  return problems;
}

function laterInGroup(page: Page, block: Block): boolean {
  const { group } = block.attributes;
  return group !== undefined
    && page.blocks.some((other) => other.attributes.group === group && other.index > block.index);
}
