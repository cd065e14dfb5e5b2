import { isTakenAsNumber, kindOf } from './kind-of.ts';
import { type Context, type Node, rule } from './rule.ts';

/** Operators whose low bits depend on nothing but the operands' low bits: wrapping once, outside, is enough. */
const passing = ['+', '-', '*', '<<', '&', '|', '^'];
const growing = ['+', '-', '*', '<<', '**'];

/**
 * `+ - * <<` on values is wrapped to its width, `u(n, …)` or `s(n, …)`, before any other use. A bigint that outgrows
 * its register is a wrong result here, and would be another one wherever the operations are compiled to machine words.
 */
export const wrappedArithmetic = rule((report, context) => {
  const complain = (node: Node, operator: string, example: string): void => {
    if (isWrapped(context, node)) return;
    const remedy = `Write u(n, ${example}) or s(n, …) with the width n; arithmetic on plain numbers goes into int(…)`;
    report(node, `The result of "${operator}" is used before it is wrapped to its width. ${remedy}.`);
  };
  return {
    BinaryExpression(found) {
      const node = found as unknown as Node;
      if (!growing.includes(node.operator) || isPlain(context, node)) return;
      complain(node, node.operator, `a ${node.operator} b`);
    },
    UnaryExpression(found) {
      const node = found as unknown as Node;
      if (node.operator !== '-' || isPlain(context, node)) return;
      complain(node, '-', '-a');
    },
    AssignmentExpression(found) {
      const node = found as unknown as Node;
      const operator = String(node.operator).slice(0, -1);
      if (!growing.includes(operator) || isPlain(context, node.left) || isPlain(context, node.right)) return;
      report(node, `"${node.operator}" stores a result that is not wrapped to its width. Write a = u(n, a ${operator} b).`);
    },
    UpdateExpression(found) {
      const node = found as unknown as Node;
      if (isPlain(context, node.argument)) return;
      const [sign] = node.operator as string;
      report(node, `"${node.operator}" stores a result that is not wrapped to its width. Write a = u(n, a ${sign} 1n).`);
    },
  };
});

function isPlain(context: Context, node: Node): boolean {
  if (isConstant(node)) return true;
  const kind = kindOf(context, node);
  return kind === 'number' || kind === 'string' || isTakenAsNumber(context, node);
}

/** `1n << 31n`: what it is can be read off the page. */
function isConstant(node: Node): boolean {
  if (node.type === 'BinaryExpression') return isConstant(node.left) && isConstant(node.right);
  return node.type === 'Literal';
}

/** Climbs from an operation to the u() or s() around it, through what keeps the low bits right. */
function isWrapped(context: Context, node: Node): boolean {
  let inner = node;
  for (let outer = node.parent; outer; inner = outer, outer = outer.parent) {
    switch (outer.type) {
      case 'ParenthesizedExpression':
      case 'TSNonNullExpression':
      case 'TSAsExpression':
        continue;
      case 'BinaryExpression':
        if (!passing.includes(outer.operator)) return false;
        // A shift count is another use: its upper bits matter.
        if (outer.operator === '<<' && outer.right === inner) return false;
        // `&` with a value that keeps its width is a wrapping too: `bits & (1n << BigInt(n))`.
        if (outer.operator === '&' && keepsItsWidth(outer.left === inner ? outer.right : outer.left)) return true;
        continue;
      case 'UnaryExpression':
        if (outer.operator !== '-' && outer.operator !== '~') return false;
        continue;
      case 'ConditionalExpression':
        if (outer.test === inner) return false;
        continue;
      case 'CallExpression':
        return isWrapper(outer.callee) && outer.arguments[1] === inner;
      default:
        return false;
    }
  }
  return false;
}

function keepsItsWidth(node: Node): boolean {
  return ['Identifier', 'Literal', 'MemberExpression', 'CallExpression', 'TSNonNullExpression'].includes(node.type);
}

function isWrapper(callee: Node): boolean {
  if (callee.type === 'Identifier') return callee.name === 'u' || callee.name === 's';
  return callee.object?.name === 'BigInt' && /^as(Ui|I)ntN$/.test(callee.property?.name);
}
