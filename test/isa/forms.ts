import { INSTRUCTIONS, formsOfInstruction } from '../../spec/src/isa/table.ts';
import type { Form } from '../../spec/src/isa/form.ts';

/** Every encoding of every instruction, parsed: where one cannot be read, all tests that import this say so. */
export const FORMS: readonly Form[] = INSTRUCTIONS.flatMap(formsOfInstruction);
