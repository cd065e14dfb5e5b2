import { type Context, isFunction, type Node, resolve } from './rule.ts';

/** What an expression is, as far as its text alone tells. */
export type Kind = 'number' | 'string' | 'bigint' | 'unknown';

const numberCalls = ['int', 'Number', 'parseInt', 'parseFloat'];
const numberMembers = ['length', 'byteLength', 'byteOffset', 'BYTES_PER_ELEMENT'];
const numberMethods = /^(indexOf|lastIndexOf|findIndex|charCodeAt|codePointAt|get(Uint|Int)(8|16|32)|getFloat(32|64))$/;
const stringMethods = /^(toString|padStart|padEnd|join|repeat|toUpperCase|toLowerCase|replace|replaceAll|trim)$/;
const arithmetic = /^(\+|-|\*|\/|%|\*\*|<<|>>|&|\||\^)$/;

/**
 * Tells plain numbers and strings from values without asking the type checker. bigint and number never mix in
 * JavaScript, so one operand that is known to be a number settles the whole expression.
 */
export function kindOf(context: Context, node: Node | null | undefined, depth = 0): Kind {
  if (!node || depth > 12) return 'unknown';
  const kind = (inner: Node): Kind => kindOf(context, inner, depth + 1);
  switch (node.type) {
    case 'Literal':
      if (typeof node.value === 'number') return 'number';
      if (typeof node.value === 'string') return 'string';
      return typeof node.value === 'bigint' ? 'bigint' : 'unknown';
    case 'TemplateLiteral':
      return 'string';
    case 'ParenthesizedExpression':
    case 'TSNonNullExpression':
      return kind(node.expression);
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
      return kindOfType(node.typeAnnotation) ?? kind(node.expression);
    case 'UnaryExpression':
      if (node.operator === 'typeof') return 'string';
      return node.operator === '+' ? 'number' : kind(node.argument);
    case 'UpdateExpression':
      return kind(node.argument);
    case 'AssignmentExpression':
      return kind(node.right);
    case 'ConditionalExpression':
    case 'LogicalExpression': {
      const left = kind(node.type === 'LogicalExpression' ? node.left : node.consequent);
      return left === 'unknown' ? kind(node.type === 'LogicalExpression' ? node.right : node.alternate) : left;
    }
    case 'BinaryExpression': {
      if (node.operator === '>>>') return 'number';
      if (!arithmetic.test(node.operator)) return 'unknown';
      const sides = [kind(node.left), kind(node.right)];
      if (node.operator === '+' && sides.includes('string')) return 'string';
      return sides.find((side) => side !== 'unknown' && side !== 'string') ?? 'unknown';
    }
    case 'MemberExpression':
      if (node.computed) return 'unknown';
      return numberMembers.includes(node.property.name) ? 'number' : kindOfField(context, node.property.name);
    case 'CallExpression':
      return kindOfCall(context, node);
    case 'Identifier':
      return kindOfName(context, node, depth);
    default:
      return 'unknown';
  }
}

function kindOfCall(context: Context, node: Node): Kind {
  const callee: Node = node.callee;
  if (callee.type === 'Identifier') {
    if (numberCalls.includes(callee.name)) return 'number';
    if (callee.name === 'String') return 'string';
    if (callee.name === 'BigInt' || callee.name === 'u' || callee.name === 's') return 'bigint';
    const declaration = resolve(context, callee)?.defs[0]?.node as Node | undefined;
    const called: Node | undefined = declaration?.type === 'VariableDeclarator' ? declaration.init : declaration;
    return called && isFunction(called) ? (kindOfType(called.returnType?.typeAnnotation) ?? 'unknown') : 'unknown';
  }
  if (callee.type !== 'MemberExpression' || callee.computed) return 'unknown';
  if (callee.object.name === 'Math') return 'number';
  if (numberMethods.test(callee.property.name)) return 'number';
  return stringMethods.test(callee.property.name) ? 'string' : 'unknown';
}

function kindOfName(context: Context, node: Node, depth: number): Kind {
  const definition = resolve(context, node)?.defs[0];
  if (!definition) return 'unknown';
  const declared = kindOfType((definition.name as unknown as Node).typeAnnotation?.typeAnnotation);
  if (declared) return declared;
  if (definition.type === 'Variable') {
    const declarator = definition.node as unknown as Node;
    if (declarator.id?.type === 'Identifier') return kindOf(context, declarator.init, depth + 1);
  }
  if (definition.type === 'Parameter') {
    const parent = (definition.name as unknown as Node).parent;
    if (parent?.type === 'AssignmentPattern' && parent.left === definition.name) return kindOf(context, parent.right, depth + 1);
  }
  return 'unknown';
}

/** Parameters of the number library and of the language that are numbers; a bigint there would not pass the type check. */
const numberParameters: Record<string, number> = { BigInt: 0, u: 0, s: 0, signExtend: 0, signBit: 0, isCanonical: 0, bit: 1 };

/** Whether an expression stands where only a plain number can: an index, or an argument whose parameter says so. */
export function isTakenAsNumber(context: Context, node: Node): boolean {
  let inner = node;
  let outer = node.parent;
  while (outer && /^(BinaryExpression|ConditionalExpression|ParenthesizedExpression)$/.test(outer.type)) {
    const passesOn = outer.type === 'BinaryExpression' ? arithmetic.test(outer.operator) : outer.test !== inner;
    if (!passesOn) return false;
    inner = outer;
    outer = outer.parent;
  }
  if (outer?.type === 'MemberExpression') return outer.computed && outer.property === inner;
  if (outer?.type !== 'CallExpression') return false;
  const at = (outer.arguments as Node[]).indexOf(inner);
  if (outer.callee.object?.name === 'Math' || numberParameters[outer.callee.name] === at) return true;
  const declaration = outer.callee.type === 'Identifier' ? resolve(context, outer.callee)?.defs[0]?.node as Node | undefined : undefined;
  const called: Node | undefined = declaration?.type === 'VariableDeclarator' ? declaration.init : declaration;
  const parameter: Node | undefined = called && isFunction(called) ? called.params[at] : undefined;
  return kindOfType(parameter?.typeAnnotation?.typeAnnotation) === 'number';
}

const fieldsOfFiles = new WeakMap<object, Map<string, Kind>>();

/** What this file's interfaces and classes say a field of that name is, where they agree. */
function kindOfField(context: Context, name: string): Kind {
  const { ast, visitorKeys } = context.sourceCode;
  let fields = fieldsOfFiles.get(ast);
  if (!fields) {
    fields = new Map();
    const pending: Node[] = [ast as unknown as Node];
    for (let node = pending.pop(); node; node = pending.pop()) {
      if (node.type === 'TSPropertySignature' || node.type === 'PropertyDefinition') {
        const kind = kindOfType(node.typeAnnotation?.typeAnnotation) ?? 'unknown';
        const known = fields.get(node.key.name);
        fields.set(node.key.name, known === undefined || known === kind ? kind : 'unknown');
      }
      for (const key of (visitorKeys as Record<string, string[]>)[node.type] ?? []) {
        pending.push(...([node[key]].flat().filter(Boolean) as Node[]));
      }
    }
    fieldsOfFiles.set(ast, fields);
  }
  return fields.get(name) ?? 'unknown';
}

function kindOfType(type: Node | undefined): Kind | undefined {
  switch (type?.type) {
    case 'TSNumberKeyword':
      return 'number';
    case 'TSStringKeyword':
      return 'string';
    case 'TSBigIntKeyword':
      return 'bigint';
    case 'TSLiteralType':
      return kindOf(undefined as never, type.literal);
    case 'TSUnionType': {
      const kinds = new Set((type.types as Node[]).map(kindOfType));
      return kinds.size === 1 ? [...kinds][0] : undefined;
    }
    default:
      return undefined;
  }
}
