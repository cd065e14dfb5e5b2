import { kindOf } from './kind-of.ts';
import { type Context, isFunction, type Node, resolve, rule } from './rule.ts';

/**
 * An instruction's `operation` stays in a form from which faster layers can be derived: its values flow through
 * expressions and through the machine's fields, and its loops through one combinator.
 */
export const operations = rule((report, context) => {
  const loop = (found: unknown): void => {
    const node = found as Node;
    if (!operationAround(context, node) || hasFixedBound(context, node)) return;
    report(node, 'A loop in an operation whose count is known only at run time goes through repeat(…).');
  };
  const assignment = (found: unknown, target: Node): void => {
    const node = found as Node;
    if (target.type !== 'Identifier' || !operationAround(context, node)) return;
    const declared = resolve(context, target)?.scope.variableScope;
    const own = nearestFunction(node);
    if (!declared || !own || declared.block === (own as unknown)) return;
    report(node, `"${target.name}" is declared outside this function. Return the value, or keep it in a field of the machine.`);
  };
  return {
    ReturnStatement(found) {
      const node = found as unknown as Node;
      if (!operationAround(context, node)) return;
      for (let outer = node.parent; outer && !isFunction(outer); outer = outer.parent) {
        if (!/^(If|Switch|For|ForIn|ForOf|While|DoWhile|Try)Statement$/.test(outer.type)) continue;
        report(node, 'An operation does not return early under a condition. Choose with ?: (a guard that throws is fine).');
        return;
      }
    },
    AssignmentExpression: (found) => assignment(found, found.left as unknown as Node),
    UpdateExpression: (found) => assignment(found, found.argument as unknown as Node),
    WhileStatement: loop,
    DoWhileStatement: loop,
    ForStatement: loop,
    ForOfStatement: loop,
    ForInStatement: loop,
  };
});

function nearestFunction(node: Node): Node | undefined {
  for (let outer = node.parent; outer; outer = outer.parent) if (isFunction(outer)) return outer;
  return undefined;
}

/** The operation that `node` is in, if any. */
function operationAround(context: Context, node: Node): Node | undefined {
  for (let outer = nearestFunction(node); outer; outer = nearestFunction(outer)) {
    if (isOperation(context, outer)) return outer;
  }
  return undefined;
}

/** A function given as `operation: …` (directly, by name, or to what makes one), or one with an operation's type. */
function isOperation(context: Context, node: Node): boolean {
  const types = (node.params as Node[]).map((parameter) => parameter.typeAnnotation?.typeAnnotation?.typeName?.name);
  const returned = node.returnType?.typeAnnotation?.type ?? 'TSVoidKeyword';
  if (types[0] === 'Execution' && types[1] === 'Instruction' && returned === 'TSVoidKeyword') return true;
  for (let outer = node.parent; outer && !isFunction(outer); outer = outer.parent) {
    if (outer.type === 'Property' && outer.key.name === 'operation') return true;
    if (outer.type === 'VariableDeclarator' && outer.init === node) return isNamedAsOperation(context, outer.id);
  }
  return node.type === 'FunctionDeclaration' && isNamedAsOperation(context, node.id);
}

function isNamedAsOperation(context: Context, name: Node): boolean {
  const references = name.type === 'Identifier' ? resolve(context, name)?.references : undefined;
  return (references ?? []).some(({ identifier }) => {
    const use = identifier as unknown as Node;
    return use.parent?.type === 'Property' && use.parent.key.name === 'operation' && use.parent.value === use;
  });
}

/** `for (let n = 0; n < 8; n++)`, `for (… of [a, b])`, `for (… of CONSTANT)`, `for (… of i.operands)`: known once decoded. */
function hasFixedBound(context: Context, node: Node): boolean {
  if (node.type === 'ForOfStatement') return isFixed(context, node.right);
  if (node.type !== 'ForStatement' || node.test?.type !== 'BinaryExpression') return false;
  return isFixed(context, node.test.right) && kindOf(context, node.test.right) !== 'unknown';
}

function isFixed(context: Context, node: Node): boolean {
  if (node.type === 'TSAsExpression') return isFixed(context, node.expression);
  if (node.type === 'Literal' || node.type === 'ArrayExpression') return true;
  if (node.type === 'MemberExpression') return node.object.type === 'Identifier' && isDecoded(context, node.object);
  if (node.type !== 'Identifier') return false;
  const definition = resolve(context, node)?.defs[0];
  if (definition?.type === 'ImportBinding') return /^[A-Z][A-Z0-9_]+$/.test(node.name);
  const declaration = definition?.node as unknown as Node | undefined;
  return declaration?.parent?.kind === 'const' && declaration.parent.parent.type !== 'BlockStatement';
}

/** The second parameter of an operation: the decoded instruction, which does not change while it runs. */
function isDecoded(context: Context, identifier: Node): boolean {
  const definition = resolve(context, identifier)?.defs[0];
  if (definition?.type !== 'Parameter') return false;
  const name = definition.name as unknown as Node;
  const typed = name.typeAnnotation?.typeAnnotation?.typeName?.name === 'Instruction';
  return typed || ((definition.node as unknown as Node).params[1] === name && isOperation(context, definition.node as unknown as Node));
}
