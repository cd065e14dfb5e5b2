import {
  addCustomEqualityTesters, ASYMMETRIC_MATCHERS_OBJECT, customMatchers, GLOBAL_EXPECT, getState,
  JestAsymmetricMatchers, JestChaiExpect, JestExtend, setState,
} from '@vitest/expect';
import * as chai from 'chai';

type Expect = ((value: unknown, message?: string) => unknown) & Record<string, unknown>;
interface Extendable {
  extend(subject: unknown, matchers: object): void;
}
type State = Parameters<typeof setState>[1];

/** Called when a check begins; what it answers is called with what the check threw. */
export type Note = () => (error: unknown) => void;

/**
 * A check that fails is noted and the block goes on, so that the reader sees all checks and, after an edit, the values
 * and figures that made them fail.
 */
function softly<Subject extends object>(assertion: Subject, failed: (error: unknown) => void): Subject {
  const settle = (act: () => unknown): unknown => {
    try {
      const result = act();
      return result instanceof Promise ? result.catch(failed) : wrap(result);
    } catch (error) {
      failed(error);
      return softly(assertion, failed);
    }
  };
  const wrap = (value: unknown): unknown => {
    if (typeof value === 'object' && value !== null) return softly(value, failed);
    if (typeof value !== 'function') return value;
    return new Proxy(softly(value, failed), {
      apply: (_, __, values: unknown[]) => settle(() => Reflect.apply(value, assertion, values)),
    });
  };
  return new Proxy(assertion, { get: (target, name) => settle(() => Reflect.get(target, name, target)) });
}

/** vitest's own `expect`, put together as vitest does it. */
export function createExpect(note: Note): Expect {
  chai.use(JestExtend);
  chai.use(JestChaiExpect);
  chai.use(JestAsymmetricMatchers);
  chai.config.truncateThreshold = 0;
  const expect = ((value: unknown, message?: string) => {
    return softly(chai.expect(value, message), note());
  }) as Expect;
  const state = expect as unknown as State;
  Object.assign(expect, chai.expect, (globalThis as Record<symbol, unknown>)[ASYMMETRIC_MATCHERS_OBJECT]);
  Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect, configurable: true });
  Object.assign(expect, {
    getState: () => getState(state),
    setState: (change: object) => setState(change, state),
    extend: (matchers: object) => (chai.expect as unknown as Extendable).extend(expect, matchers),
    addEqualityTesters: addCustomEqualityTesters,
    assert: chai.assert,
    unreachable: (message?: string) => chai.assert.fail(`expected${message ? ` "${message}"` : ''} not to be reached`),
  });
  setState({
    assertionCalls: 0, isExpectingAssertions: false, isExpectingAssertionsError: null,
    expectedAssertionsNumber: null, expectedAssertionsNumberErrorGen: null,
  }, state);
  (expect as unknown as { extend(matchers: object): void }).extend(customMatchers);
  return expect;
}
