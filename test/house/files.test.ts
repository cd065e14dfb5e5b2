import { describe, expect, test } from 'vitest';
import { places, projectFiles, read } from './files.ts';

const files = projectFiles();

describe('every file', () => {
  test('the search finds the house', () => {
    expect(files).toEqual(expect.arrayContaining(['.ci/run', 'package.json', 'spec/package.json', 'tools/run.mjs']));
  });

  test('names no path of one machine', () => {
    const absolute = /(?<![\w.:/-])\/(?:work|root|home\/[a-z]\w*|Users\/\w+)\/\w[\w./-]*/g;
    expect(files.flatMap((file) => places(file, absolute))).toEqual([]);
  });

  test('names no host of a package registry', () => {
    const host = /https?:\/\/(?:registry\.[\w.-]+|[\w.-]*(?:artifactory|verdaccio|nexus)[\w.-]*|(?:localhost|[\d.]+):4873)/g;
    expect(files.flatMap((file) => places(file, host))).toEqual([]);
  });

  test('has up to 500 lines, unless it is a table and says so', () => {
    const code = files.filter((file) => /\.(ts|mjs|astro|css)$/.test(file) && !file.endsWith('.table.ts'));
    const long = code.map((file) => ({ file, lines: read(file).split('\n').length - 1 })).filter(({ lines }) => lines > 500);
    expect(long).toEqual([]);
  });

  test('has lines of up to 120 columns, where it is the engine', () => {
    const engine = files.filter((file) => file.startsWith('spec/src/') && file.endsWith('.ts'));
    expect(engine.flatMap((file) => places(file, /^.{121,}$/gu))).toEqual([]);
  });

  test('has no tabs, no trailing spaces, and ends in one line feed', () => {
    const code = files.filter((file) => /\.(ts|mjs|astro|css|json)$/.test(file) && !file.endsWith('package-lock.json'));
    expect(code.flatMap((file) => places(file, /\t|[ \t\r]+$/g))).toEqual([]);
    expect(code.filter((file) => !/[^\n]\n$/.test(read(file)))).toEqual([]);
  });
});

describe('the packages', () => {
  const root = JSON.parse(read('package.json'));
  const engine = JSON.parse(read('spec/package.json'));

  test('the engine depends on nothing', () => {
    expect(Object.keys(engine).filter((key) => /dependencies/i.test(key))).toEqual([]);
  });

  test('versions are pinned, so that a bump is a decision', () => {
    const versions = Object.entries<string>({ ...root.dependencies, ...root.devDependencies });
    expect(versions.filter(([name, version]) => !name.startsWith('@types/') && !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  test('the lock files name no place to download from', () => {
    const locks = files.filter((file) => file.endsWith('package-lock.json'));
    expect(locks).toHaveLength(2);
    expect(locks.flatMap((file) => places(file, /"resolved": "https?:.*/g))).toEqual([]);
  });

  test('every script goes through tools/run.mjs, which brings the Node it needs', () => {
    for (const script of Object.values(root.scripts)) expect(script).toMatch(/^node tools\/run\.mjs [a-z-]+$/);
  });

  test('the licence travels with the engine', () => {
    expect(read('spec/LICENSE')).toBe(read('LICENSE'));
    expect([root.license, engine.license]).toEqual(['MIT', 'MIT']);
  });
});
