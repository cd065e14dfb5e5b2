import { beforeAll, describe, expect, test } from 'vitest';
import { Samples } from './samples.ts';

const samples = new Samples();
const isa = 'spec/src/isa/sample.ts';
beforeAll(() => samples.lint(), 60_000);

/** One test a sample: refused with exactly these findings (their beginnings), or allowed when there are none. */
function sample(name: string, code: string, findings: string[], near = isa): void {
  const found = samples.add(code, near);
  test(name, () => {
    expect(found().map((line, i) => line.slice(0, findings[i]?.length))).toEqual(findings);
  });
}

describe('imports run downward', () => {
  const refuse = (what: string, code: string, finding: string, near?: string): void =>
    sample(`refused: ${what}`, code, [finding], near);

  refuse(
    'a higher folder of the engine',
    `import { step } from '../machine/step.ts';\nexport const f = step;\n`,
    '1:22: Imports run downward only (numbers, state, cpus, isa, machine, asm, hypervisors, explore, run, cli): spec/src/isa ' +
      'cannot import from spec/src/machine. Move what both need into the lower folder, or pass it in as a value. ' +
      '[Error/house(imports-downward)]',
  );
  refuse('the public face', `export type { A } from '../index.ts';`, '1:24: Imports run downward only');
  refuse('the site', `import { a } from '../../../src/a.ts';\nexport const b = a;`, '1:19: The engine imports nothing');
  refuse('a package', `import chai from 'chai';\nexport const b = chai;`, '1:18: The engine imports nothing');
  refuse('a module of Node', `import fs from 'node:fs';\nexport const b = fs;`, '1:16: The engine imports nothing');
  refuse('a package, from the command', `import chai from 'chai';\nexport const b = chai;`, '1:18: The engine imports nothing', 'spec/src/cli/a.ts');
  refuse('the command', `import { main } from '../cli/main.ts';\nexport const b = main;`, '1:22: Imports run downward', 'spec/src/run/a.ts');
  refuse('a type in passing', `export type A = import('../explore/verdict.ts').Verdict;`, '1:24: Imports run downward');
  refuse('a dynamic import', `export const a = () => import('../machine/step.ts');`, '1:31: Imports run downward');
  refuse(
    "the engine's inside, from the site",
    `import { u } from '../spec/src/numbers/bits.ts';\nexport const f = u;`,
    `1:19: The site uses the engine as its readers do: import from 'hidden-state', not from "../spec/src/numbers/bits.ts".`,
    'src/a.ts',
  );

  sample('allowed: a lower folder', `import { u } from '../numbers/bits.ts';\nexport const f = u;`, []);
  sample('allowed: the same folder', `import { b } from './b.ts';\nexport const f = b;`, []);
  sample('allowed: a module of Node in the command', `import fs from 'node:fs';\nexport const b = fs;`, [], 'spec/src/cli/a.ts');
  sample('allowed: index.ts', `export { Machine } from './machine/machine.ts';`, [], 'spec/src/index.ts');
  sample('allowed: the face from the site', `import { xen } from 'hidden-state';\nexport const f = xen;`, [], 'src/a.ts');
  sample('allowed: vitest in a test', `import { test } from 'vitest';\ntest('u', () => 1);`, [], 'spec/src/isa/a.test.ts');

  const there = samples.addAs('spec/src/isa/a.ts', `import { b } from './b.ts';\nexport const a = () => b;\n`);
  const back = samples.addAs('spec/src/isa/b.ts', `import { a } from './a.ts';\nexport const b = () => a;\n`);
  test('refused: a cycle inside one folder', () => {
    expect(there()).toEqual([expect.stringMatching(/^1:19: Dependency cycle detected/)]);
    expect(back()).toEqual([expect.stringMatching(/^1:19: Dependency cycle detected/)]);
  });
});

describe('arithmetic on values is wrapped', () => {
  const head = `import { int, s, u } from '../numbers/bits.ts';\nexport const used = [int, s, u];\n`;
  const code = (expression: string): string => `${head}export const f = (a: bigint, b: bigint, n: number) =>\n${expression};\n`;
  const refuse = (expression: string, ...places: string[]): void => sample(`refused: ${expression}`, code(expression), places);
  const allow = (expression: string): void => sample(`allowed: ${expression}`, code(expression), []);

  refuse(
    'u(64, a) + b',
    '4:1: The result of "+" is used before it is wrapped to its width. Write u(n, a + b) or s(n, …) with the width ' +
      'n; arithmetic on plain numbers goes into int(…). [Error/house(wrapped-arithmetic)]',
  );
  refuse('a - b', '4:1: The result of "-"');
  refuse('a << 3n', '4:1: The result of "<<"');
  refuse('-a', '4:1: The result of "-"');
  refuse('u(64, (a + b) >> 1n)', '4:8: The result of "+"');
  refuse('u(64, a << (b - 1n))', '4:13: The result of "-"');
  refuse('u(64, (a + b) / 2n)', '4:8: The result of "+"');
  refuse('u(64, a + b > 3n ? a : b)', '4:7: The result of "+"');
  refuse('Number(a * b)', '4:8: The result of "*"');
  refuse('u(Number(a + b), a)', '4:10: The result of "+"');
  refuse('a.valueOf() + b.valueOf()', '4:1: The result of "+"');

  allow('u(64, a + b)');
  allow('s(32, a * b + (a << 3n))');
  allow('u(64, (a + b) & 0xffn)');
  allow('u(64, n > 3 ? a + b : -a)');
  allow('BigInt.asUintN(64, a - b)');
  allow('u(8, u(9, a + b) >> 1n)');
  allow('n + 1');
  allow('n - Number(a)');
  allow('`${a}` + b');
  allow('a.toString() + b.toString(16)');
  allow('BigInt(n * n)');
  allow('int(n << n)');
  allow('a & ~b');
  allow('a / b');
  allow('a & (1n << 31n)');
  allow('a & (1n << BigInt(n))');
  refuse('(a - b) & (a << 1n)', '4:2: The result of "-"', '4:12: The result of "<<"');

  sample('refused: += and ++ on values', 'export function f(a: bigint) {\n  let b = a;\n  b += a;\n  b++;\n  return b;\n}\n', [
    '3:3: "+=" stores a result that is not wrapped to its width. Write a = u(n, a + b).',
    '4:3: "++" stores a result that is not wrapped to its width. Write a = u(n, a + 1n).',
  ]);
  sample('allowed: += on numbers', 'export function f(a: number) {\n  let b = 0;\n  b += a;\n  b++;\n  return b;\n}\n', []);
  sample('allowed: a field that is declared a number', `interface R { at: number }
export function f(r: R, rest: unknown) {
  r.at++;
  return r.at + rest;
}
`, []);
  sample('allowed: what can only be a number where it stands', `import { bit, u } from '../numbers/bits.ts';
const take = (n: number): number => n;
export const f = (x: { a: bigint; n: number; m: number }[], g: (n: unknown, m: unknown) => void) => {
  g((n, m) => [u(n - m, 1n), bit(1n, n - m), BigInt(n * m), take(n - m), Math.max(n + m), x[n - m]], u);
};
`, []);
  sample('other folders are free', 'export const f = (a: bigint, b: bigint) => a + b;\n', [], 'spec/src/explore/a.ts');
});

describe('operations keep to the form that can be compiled', () => {
  const code = (body: string): string => `
import { repeat, u } from './somewhere.ts';
let last = 0n;
export const sample = { operation(cpu: { a: bigint; f: boolean; n: number }) {
${body}
} };
export const used = [repeat, u, last];
`;
  const refuse = (what: string, body: string, finding: string): void => sample(`refused: ${what}`, code(body), [finding]);
  const allow = (what: string, body: string): void => sample(`allowed: ${what}`, code(body), []);

  refuse('an early return', '  if (cpu.f) return;\n  cpu.a = 1n;', '5:14: An operation does not return early under a condition');
  refuse('an assignment to an outer variable', '  last = cpu.a;', '5:3: "last" is declared outside this function.');
  refuse('an assignment out of a closure', '  let b = 0n;\n  repeat(3, () => { b = 1n; });\n  cpu.a = b;', '6:21: "b" is');
  refuse('a while loop', '  while (cpu.f) cpu.f = false;', '5:3: A loop in an operation');
  refuse('a bound of run time', '  for (let i = 0; i < cpu.n; i++) cpu.f = false;', '5:3: A loop in an operation');
  refuse('a loop over what is computed', '  for (const x of Object.keys(cpu)) cpu.f = !x;', '5:3: A loop in an operation');
  sample('refused: in an arrow function', 'export const x = { operation: (c: { f: boolean }) => { while (c.f) c.f = false; } };\n', [
    '1:56: A loop in an operation whose count is known only at run time goes through repeat(…).',
  ]);

  sample('refused: in a function that is named as an operation', `
const spin = (c: { f: boolean }) => { while (c.f) c.f = false; };
export const x = { operation: spin };
`, ['2:39: A loop in an operation']);
  sample('refused: in a function that makes operations', `
export const make = (n: number) => (x: Execution, i: Instruction) => { while (n > 3) x.a = i.b; };
`, ['2:72: A loop in an operation']);
  sample('allowed: a loop in any other function', 'export const f = (c: { f: boolean }) => { while (c.f) c.f = false; };', []);

  allow('a guard that throws', "  if (cpu.f) throw new Error('no');\n  cpu.a = 1n;");
  allow('a choice', '  cpu.a = cpu.f ? 1n : 2n;');
  allow('a local variable', '  let b = cpu.a;\n  b = u(64, b + 1n);\n  cpu.a = b;');
  allow('a loop of fixed length', '  for (let i = 0; i < 8; i++) cpu.n = i;');
  allow('a loop over what is written there', '  for (const x of [1n, 2n] as const) cpu.a = x;');
  sample('allowed: a loop over what the decoder found', 'export const x = { operation(x: A, i: B) { for (const o of i.operands) x.f(o); } };\n', []);
  sample('allowed: an early return of a value from a helper', `
export const f = (x: Execution, i: Instruction): bigint => {
  if (x.f) return 1n;
  return i.value;
};
`, []);
  allow('the combinator', '  repeat(cpu.n, () => { cpu.a = 0n; });');
  allow('a last return', '  return cpu.a;');
});

describe('quotes', () => {
  sample('refused: double quotes without need', 'export const a = "b";\n', ['1:18: Write this string in single quotes.']);
  sample('allowed: around a single quote', `export const a = "b's";\n`, []);
});
