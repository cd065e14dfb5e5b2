import { importsDownward } from './imports-downward.ts';
import { operations } from './operations.ts';
import { singleQuotes } from './single-quotes.ts';
import { wrappedArithmetic } from './wrapped-arithmetic.ts';

/** The house's own lint rules, for oxlint: see .oxlintrc.json for where each applies. */
export default {
  meta: { name: 'house' },
  rules: {
    'imports-downward': importsDownward,
    operations,
    'single-quotes': singleQuotes,
    'wrapped-arithmetic': wrappedArithmetic,
  },
};
