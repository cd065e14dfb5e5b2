/** What the fixture pages run in place of the whole engine: only what an expected fault needs. */
export { Fault } from '../../spec/src/state/outcomes.ts';
