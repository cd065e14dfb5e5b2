/**
 * What a block gets when it imports 'vitest': vitest itself, with an `expect` that notes where it was called and how it
 * went. Everything else, messages and stack traces included, stays as it is.
 */
import { expect as original } from 'vitest';
import { withoutOwnFrames } from './failures.ts';
import { type Check, currentRecording, placeOf } from './recorder.ts';

export * from 'vitest';

/** vitest finds these in the page by counting frames, so they are called with no frame of ours in between. */
const countsFrames = /InlineSnapshot$/;

function note(): Check | undefined {
  const recording = currentRecording();
  const place = recording && placeOf(new Error().stack, recording);
  if (!recording || !place?.line) return undefined;
  let check = recording.checks.find(({ line, column }) => line === place.line && column === place.column);
  if (!check) recording.checks.push(check = { ...place, count: 0, passed: true });
  check.count += 1;
  return check;
}

function watch<T extends object>(assertion: T, check: Check): T {
  return new Proxy(assertion, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (name === '__flags') return member;
      if (typeof member === 'object' && member !== null) return watch(member, check);
      if (typeof member !== 'function') return member;
      if (typeof name === 'string' && countsFrames.test(name)) return member;
      return new Proxy(watch(member, check), {
        apply: (_, __, values: unknown[]) => settle(() => Reflect.apply(member, target, values), check),
      });
    },
  });
}

function settle(run: () => unknown, check: Check): unknown {
  try {
    const result = run();
    if (result instanceof Promise) {
      result.catch(() => {
        check.passed = false;
      });
    }
    return result;
  } catch (error) {
    check.passed = false;
    throw withoutOwnFrames(error);
  }
}

export const expect: typeof original = new Proxy(original, {
  apply(target, _, values: Parameters<typeof original>) {
    const check = note();
    const assertion = target(...values);
    return check ? watch(assertion, check) : assertion;
  },
  get(target, name) {
    const member: unknown = Reflect.get(target, name, target);
    if (name !== 'soft' && name !== 'poll') return member;
    return (...values: unknown[]) => {
      const check = note();
      const assertion = Reflect.apply(member as () => object, target, values);
      return check ? watch(assertion, check) : assertion;
    };
  },
});
