import type { RuleTester } from 'oxlint/plugins-dev';

/** A lint rule as oxlint runs it (the shape is ESLint's). */
export type Rule = Extract<Parameters<RuleTester['run']>[1], { create: unknown }>;
export type Context = Parameters<Rule['create']>[0];
type Visitors = ReturnType<Rule['create']>;
export type Scope = ReturnType<Context['sourceCode']['getScope']>;
export type Variable = Scope['variables'][number];

/** A node of the syntax tree, seen loosely: rules look at `type` first and at fields after. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Node = { type: string; parent: Node } & Record<string, any>;

/** A rule that only ever reports one kind of finding at a node. */
export function rule(create: (report: (node: Node, message: string) => void, context: Context) => Visitors): Rule {
  return {
    meta: { type: 'problem' },
    create: (context) => create((node, message) => context.report({ node: node as never, message }), context),
  };
}

/** The variable that a name refers to where it stands. */
export function resolve(context: Context, identifier: Node): Variable | undefined {
  let scope: Scope | null = context.sourceCode.getScope(identifier as never);
  for (; scope; scope = scope.upper) {
    const variable = scope.set.get(identifier.name as string);
    if (variable) return variable;
  }
  return undefined;
}

export function isFunction(node: Node): boolean {
  return ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'].includes(node.type);
}

/** The path from the project's root, with forward slashes; the root is where oxlint was started. */
export function projectPath(context: Context): string {
  const file = context.filename.replaceAll('\\', '/');
  const root = `${context.cwd.replaceAll('\\', '/')}/`;
  return file.startsWith(root) ? file.slice(root.length) : file;
}
