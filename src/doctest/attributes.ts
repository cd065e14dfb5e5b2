import type { Attributes } from './types.ts';

/** A message and where in the fence's line it belongs, as an offset from the meta's first character. */
export interface AttributeProblem {
  offset: number;
  message: string;
}

interface Rule {
  /** How to write it, for messages. */
  usage: string;
  /** What a value must look like; `null` for a flag. */
  value: RegExp | null;
}

const rules: Record<keyof Attributes, Rule> = {
  id: { usage: 'id=name (lower-case letters, digits and dashes)', value: /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/ },
  'compile-only': { usage: 'compile-only', value: null },
  fault: { usage: 'fault="#GP(0)"', value: /^#[A-Z]{2}(\([^()]+\))?$/ },
  error: { usage: 'error=TS2322', value: /^TS\d{4,5}$/ },
  skip: { usage: 'skip="reason"', value: /\S/ },
  group: { usage: 'group=name (lower-case letters, digits and dashes)', value: /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/ },
};

const allowed = Object.keys(rules).join(', ');

/** No block can mean two of these at once. */
const exclusive: [keyof Attributes, keyof Attributes][] = [
  ['compile-only', 'fault'],
  ['compile-only', 'error'],
  ['error', 'fault'],
];

const token = /([^\s="']+)(?:=("[^"]*"|'[^']*'|[^\s"']*))?(?=\s|$)/y;

/** Reads the text after the language of a `ts` fence. */
export function readAttributes(meta: string): { attributes: Attributes; problems: AttributeProblem[] } {
  const attributes: Record<string, string | true> = {};
  const problems: AttributeProblem[] = [];
  const offsets: Record<string, number> = {};
  let at = 0;
  for (;;) {
    at += /^\s*/.exec(meta.slice(at))![0].length;
    if (at === meta.length) break;
    token.lastIndex = at;
    const match = token.exec(meta);
    if (!match) {
      problems.push({ offset: at, message: `cannot read \`${meta.slice(at)}\` as attributes: write name, name=value or `
        + 'name="value with spaces"' });
      break;
    }
    const problem = take(match[1]!, match[2], attributes);
    if (problem) problems.push({ offset: at, message: problem });
    offsets[match[1]!] ??= at;
    at = token.lastIndex;
  }
  for (const [one, other] of exclusive) {
    if (attributes[one] === undefined || attributes[other] === undefined) continue;
    const message = `\`${one}\` and \`${other}\` exclude each other: keep one of them`;
    problems.push({ offset: offsets[other]!, message });
  }
  return { attributes: attributes as Attributes, problems };
}

function take(
  name: string, written: string | undefined, attributes: Record<string, string | true>,
): string | undefined {
  if (!Object.hasOwn(rules, name)) return `unknown attribute \`${name}\`: allowed are ${allowed}`;
  const rule = rules[name as keyof Attributes];
  if (name in attributes) return `attribute \`${name}\` is given twice: keep one of them`;
  const value = written?.replace(/^(["'])(.*)\1$/, '$2');
  if (rule.value === null) {
    attributes[name] = true;
    return value === undefined ? undefined : `\`${name}\` takes no value: write ${rule.usage}`;
  }
  attributes[name] = value ?? '';
  if (value !== undefined && rule.value.test(value)) return undefined;
  if (name === 'skip') return 'a skipped block needs a reason: write skip="reason"';
  return value === undefined || value === ''
    ? `\`${name}\` needs a value: write ${rule.usage}`
    : `\`${value}\` is no value for \`${name}\`: write ${rule.usage}`;
}
