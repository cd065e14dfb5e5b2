/** Which forms of the table are run on the processor, and why the others are not. */

import type { Form } from '../../../spec/src/isa/form.ts';
import { FORMS } from '../../isa/forms.ts';

interface Exclusion { readonly forms: (form: Form) => boolean; readonly why: string }

const named = (names: RegExp): Exclusion['forms'] => ({ definition }) => names.test(definition.mnemonic);

/** Everything that is not here is generated, what the table gains included. */
export const EXCLUSIONS: readonly Exclusion[] = [
  { forms: named(/^CPUID$/), why: 'what it says is the profile and, under a hypervisor, not the processor' },
  { forms: named(/^(SYSCALL|SYSENTER)$/), why: 'enters the kernel, which answers in its own way' },
  { forms: named(/^(SGDT|SIDT|SLDT|STR|SMSW)$/), why: 'under UMIP Linux emulates it with values of its own' },
  { forms: named(/^(RDRAND|RDSEED)$/), why: 'its result is random' },
  { forms: named(/^RDPID$/), why: 'its result is the number of the CPU that the task happens to run on' },
  { forms: named(/^RDPMC$/), why: 'whether user code may is the kernel’s choice, and its result is a count' },
  { forms: named(/^(RDPKRU|WRPKRU)$/), why: 'the rights that it changes hold for the kernel’s handler too, before the result is read' },
  { forms: named(/^INT1$/), why: 'a hypervisor that intercepts #DB gives it back with the address of the instruction itself' },
  { forms: named(/^(VMCALL|VMMCALL)$/), why: 'the hypervisor answers it' },
];

export const exclusionOf = (form: Form): Exclusion | undefined => EXCLUSIONS.find(({ forms }) => forms(form));
export const generatedForms: readonly Form[] = FORMS.filter((form) => !exclusionOf(form));
