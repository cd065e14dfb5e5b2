import { describe, expect, test } from 'vitest';
import { parseForm } from '../../spec/src/isa/form.ts';
import { INSTRUCTIONS, MNEMONICS, formsNamed, formsOf } from '../../spec/src/isa/table.ts';
import { FORMS } from './forms.ts';
import type { Form } from '../../spec/src/isa/form.ts';
import { DIFFERENCES } from './differences.ts';
import { Oracle, agree, ourLine } from './iced.ts';
import { decode } from '../../spec/src/isa/decode.ts';

test.for(INSTRUCTIONS.map((definition) => [definition.mnemonic, definition] as const))('%s is declared completely',
  ([, definition]) => {
  expect(definition.mnemonic).toMatch(/^[A-Z][A-Z0-9]*$/);
  expect(definition.title).toMatch(/^[A-Z]\S*( \S+)*$/);
  expect(definition.forms).not.toEqual([]);
  expect(definition.source).toMatchObject({
    manual: expect.stringMatching(/./), volume: expect.stringMatching(/^\d[A-D]?$/),
      section: expect.stringMatching(/./),
    edition: expect.stringMatching(/./),
  });
  for (const alias of definition.aliases ?? []) expect(alias).toMatch(/^[A-Z][A-Z0-9]*$/);
});

/** What the decoder looks at. Two forms with the same would make one of them unreachable. */
function conditions(form: Form): string[] {
  const rm = form.operands.find(({ place }) => place === 'rm');
  const kinds = form.modrm === undefined ? ['any']
    : rm && !form.modIgnored ? [...(rm.register ? ['register'] : []), ...(rm.memory ? ['memory'] : [])]
      : ['register', 'memory'];
  const modes = form.only === '64' ? ['64'] : form.only === 'legacy' ? ['legacy'] : ['64', 'legacy'];
  return kinds.flatMap((kind) => modes.map((mode) => [
    mode, form.prefix ?? 'any', form.rexW, JSON.stringify(form.vex ?? null), form.map, form.opcode.toString(16), form.registerInOpcode,
      form.modrmByte ?? form.modrm ?? 'none',
    kind, form.onlySize ?? 'any', form.onlyAddressSize ?? 'any', form.rexB0,
  ].join(' ')));
}

test('no two forms have the same conditions', () => {
  const seen = new Map<string, string>();
  const doubled: string[] = [];
  for (const form of FORMS) {
    for (const key of conditions(form)) {
      const other = seen.get(key);
      const text = `${form.definition.mnemonic} ${form.text}`;
      if (other !== undefined) doubled.push(`${other} = ${text}`);
      seen.set(key, text);
    }
  }
  expect(doubled).toEqual([]);
});

test('every form is found by its opcode and by every name of its instruction', () => {
  for (const form of FORMS) {
    for (let low = 0; low < (form.registerInOpcode ? 8 : 1); low++) expect(formsOf(form.map,
      form.opcode + low, form.vex !== undefined)).toContain(form);
    for (const name of [form.definition.mnemonic,
      ...(form.definition.aliases ?? [])]) expect(formsNamed(name)).toContain(form);
  }
  expect(MNEMONICS.length).toBeGreaterThan(new Set(INSTRUCTIONS.map(({ mnemonic }) => mnemonic)).size);
});

test('forms are parsed as they are written', () => {
  const [definition] = INSTRUCTIONS;
  expect(parseForm('NP REX.W + 0F AE /4 | m | o64', definition!)).toMatchObject({
    map: '0F', opcode: 0xae, prefix: 'NP', rexW: true, modrm: 4, only: '64', immediate: 0, sized: false,
  });
  expect(parseForm('66 0F 38 F6 /r | ry, r/my', definition!)).toMatchObject({ map: '0F38', opcode: 0xf6, prefix: '66',
    modrm: 'r', sized: true });
  expect(parseForm('D8 C8+i | ST(0), ST(i)', definition!)).toMatchObject({ modrm: 1, stackRegister: true });
  expect(parseForm('66 90', definition!)).toMatchObject({ prefix: '66', opcode: 0x90 });
});

describe('a form that cannot be read is an error that names it', () => {
  test.for([
    ['8G /r', '"8G" is no opcode byte'], ['', '"" is no opcode byte'], ['88 /8', 'unknown token "/8"'],
    ['88 xx', 'unknown token "xx"'],
    ['88 /r | r7', 'unknown operand notation "r7"'], ['88 /r | r8 | q64', 'unknown flag "q64"'],
    ['88 /r | toString', 'unknown operand notation'],
  ] as const)('%s', ([text, reason]) => {
    const { mnemonic } = INSTRUCTIONS[0]!;
    expect(() => parseForm(text, INSTRUCTIONS[0]!)).toThrow(SyntaxError);
    expect(() => parseForm(text, INSTRUCTIONS[0]!)).toThrow(`${mnemonic} form '${text}': ${reason}`);
  });
});

test.for(DIFFERENCES)('still a difference: $name', ({ example, mode = 64, why, ours, theirs }) => {
  const bytes = Uint8Array.from(example);
  const oracle = new Oracle(bytes, mode);
  const line = oracle.at(0)!;
  const mine = ourLine(decode((n) => bytes[n] ?? 0, mode), oracle.instruction.code);
  oracle.free();
  expect(why).toMatch(/\S\.$/);
  expect(agree(mine, line)).toBe(true);
  // Without this entry the two would not agree.
  expect(mine).not.toBe(line);
  expect([ours(mine), theirs(line)]).not.toEqual([mine, line]);
});
