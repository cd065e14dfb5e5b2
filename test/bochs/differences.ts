/** Where Bochs 2.7 and this engine differ on purpose: what, who is right, why, and the source. */

export interface Difference {
  readonly what: string;
  readonly right: 'ours' | 'both';
  readonly why: string;
  readonly source: string;
  /** The field or range of memory at a point of a case, with both values. */
  readonly covers: (at: Place) => boolean;
}

export interface Place {
  readonly name: string;
  readonly point: string;
  readonly field: string;
  readonly bochs: string;
  readonly engine: string;
}

/**
 * A record of the case `coprocessor-error`, of one of `attempts`, of which nothing differs but the interrupts, what the
 * first one found, and requests: not #MF, SI, and what is left in the end.
 */
const ofCoprocessor = ({ name, field, bochs, engine }: Place, attempts: RegExp): boolean =>
  name === 'coprocessor-error' && attempts.test(field)
  && [[12, 20], [24, 32]].every(([from, to]) => bochs.slice(from, to) === engine.slice(from, to));

export const DIFFERENCES: readonly Difference[] = [
  {
    what: 'RDX after RESET holds no signature',
    right: 'ours',
    why: 'Bochs clears RDX; a processor leaves family, model and stepping there.',
    source: 'SDM vol. 3A, 9.1.1, table 9-1, and 9.1.2',
    covers: ({ point, field }) => point === 'reset vector' && field === 'RDX',
  },
  {
    what: 'CS after PE was cleared is a writable data segment',
    right: 'both',
    why: 'Bochs rewrites the type of CS when PE is cleared; here it stays what protected mode loaded, and real-address mode '
      + 'writes through CS whatever it says. No instruction can tell; the manual does not say which it is.',
    source: 'SDM vol. 3A, 9.9.2',
    covers: ({ field, bochs, engine }) => field === 'CS.attributes' && bochs.endsWith('3') && /[9ab]$/.test(engine),
  },
  {
    what: 'a code segment in ES cannot be written in real-address mode',
    right: 'both',
    why: 'The manual asks for writable data segments before PE is cleared and does not say what happens with others. '
      + 'Bochs faults; here code is writable in every segment register, as it must be in CS.',
    source: 'SDM vol. 3A, 9.9.2',
    covers: ({ name, field, bochs }) => name === 'real-execute-only' && /mov \w+( ptr)?,? ?.*es:/.test(field) && (bochs.startsWith('0d') || /mov [ab]l, es/.test(field)),
  },
  {
    what: 'an access that wraps from FFFFFFFFh to 0 in a segment of 4 GiB does not fault',
    right: 'both',
    why: 'Implementation-specific by the manual; an AMD Zen 4 was seen to raise #GP, as here.',
    source: 'SDM vol. 3A, 5.3',
    covers: ({ name, field }) => name === 'limits' && field.includes('wrap'),
  },
  {
    what: 'IRETD in virtual-8086 mode to an EIP above FFFFh',
    right: 'ours',
    why: 'Bochs checks EIP against FFFFh nowhere but in the fetch that follows; the manual has IRET fault, with nothing popped.',
    source: 'SDM vol. 2A, 3.2, IRET/IRETD: RETURN-FROM-VIRTUAL-8086-MODE',
    covers: ({ name, field }) => name === 'flags-virtual-8086' && field.startsWith('records iretd beyond, IOPL 3'),
  },
  {
    what: 'an instruction that begins with VIF and VIP set, at IOPL 3',
    right: 'ours',
    why: 'Bochs raises #GP whatever IOPL; the manual has the processor recognise VIP below IOPL 3 alone.',
    source: 'SDM vol. 3A, 2.3, VIP',
    covers: ({ name, field }) => name.startsWith('flags-') && /IOPL 3 VIF VIP.* extensions 1$/.test(field),
  },
  {
    what: 'a task whose CS and SS are both bad',
    right: 'both',
    why: 'The order of the checks is model-specific. Bochs looks at CS last.',
    source: 'SDM vol. 3A, 7.3, table 7-1',
    covers: ({ name, field }) => (name === 'task-faults' && /records CS = (3|data3 \+ 3)$/.test(field))
      || (name === 'task-checks' && /CS (3|code32 \+ 3)$/.test(field)),
  },
  {
    what: 'a trap after an iteration of a repeated string instruction pushes RF = 0',
    right: 'ours',
    why: 'After any iteration but the last the saved RF is 1, so that the repetition goes on without an instruction breakpoint.',
    source: 'SDM vol. 3B, 17.3.1.1',
    covers: ({ name, field }) => (name === 'data-breakpoints' && field.includes('rep ')) || (name === 'trace' && field === 'trace step 8'),
  },
  {
    what: 'a data breakpoint that MOV SS holds back is lost when INT3 follows',
    right: 'ours',
    why: 'It is delivered at the first instruction of the handler of #BP: the pitfall that CVE-2018-8897 is about.',
    source: 'SDM vol. 3A, 6.8.3; CVE-2018-8897',
    covers: ({ name, field }) => name === 'data-breakpoints' && field.includes('mov ss, [selector]; int3'),
  },
  {
    what: 'FCS and FDS are kept where CPUID says that they are deprecated',
    right: 'both',
    why: 'Bochs keeps them and stores 0; here they are 0 from the beginning. No instruction can tell.',
    source: 'SDM vol. 1, 8.1.8',
    covers: ({ name, field, engine }) => name.endsWith('-haswell') && /^F[CD]S$/.test(field) && engine === '0',
  },
  {
    what: 'FOP is written by every x87 instruction',
    right: 'ours',
    why: 'Since the Pentium 4 only an unmasked exception writes it; the processors that Bochs models are later ones.',
    source: 'SDM vol. 1, 8.1.9.1',
    covers: ({ field, engine }) => field === 'FOP' && engine === '0',
  },
  {
    what: 'FERR# is asserted by the next instruction that waits',
    right: 'ours',
    why: 'Since the P6 family it is asserted upon completion of the instruction that caused the exception, or unmasked it: the '
      + 'interrupt is taken behind that one, and the request is there although nothing waits.',
    source: 'SDM vol. 3B, 22.18.6.7',
    covers: (at) => ofCoprocessor(at, /^records (fdivp, interrupts (on|off)|out 0xf0 without an exception|out 0xf0, fnclex, and another exception|fldcw that unmasks)$/),
  },
  {
    what: 'an instruction that would have to wait for the interrupt is executed before it',
    right: 'ours',
    why: 'Bochs requests IRQ 13 and goes on with the instruction; a processor stops before it, so that the handler returns to it '
      + 'and finds TOP and the registers as the exception left them.',
    source: 'SDM vol. 1, 8.7.2; vol. 3A, 2.5, CR0.NE',
    covers: (at) => ofCoprocessor(at, /^records (fld1|fwait|movq mm0, mm1) waits$/),
  },
  {
    what: 'while IGNNE# is asserted, instructions that wait request IRQ 13 again',
    right: 'ours',
    why: 'A write to port F0h takes the request back, as in Bochs, and asserts IGNNE#, of which Bochs knows nothing.',
    source: 'SDM vol. 1, 8.7.2 and D.2.1.2; IBM PC AT Technical Reference, math coprocessor control',
    covers: (at) => ofCoprocessor(at, /^records (out 0xf0 takes the request back, and fld1 goes on|a handler that leaves the exception pending)$/),
  },
  {
    what: 'general detect pushes RF = 0',
    right: 'ours',
    why: 'It is a fault, and of faults only an instruction breakpoint saves RF as 0.',
    source: 'SDM vol. 3B, 17.3.1.1',
    covers: ({ name, field }) => name === 'instruction-breakpoints' && field.includes('mov eax, 0x2400'),
  },
  {
    what: 'a single-step trap reports the instruction breakpoint on the next instruction as well',
    right: 'ours',
    why: 'Traps of the instruction before come ahead of instruction breakpoints, whose condition is met when the next one is executed.',
    source: 'SDM vol. 3A, 6.9, table 6-2',
    covers: ({ name, field }) => name === 'instruction-breakpoints' && field.includes('or dword ptr [esp], 0x100; popfd; nop;here_N'),
  },
  {
    what: 'bit 11 of DR7 can be set',
    right: 'ours',
    why: 'It enables debugging of transactions and is reserved on a processor without RTM.',
    source: 'SDM vol. 3B, 17.2.4 and 17.3.3',
    covers: ({ name, field }) => name === 'instruction-breakpoints' && field.includes('mov eax, 0xffffdfff'),
  },
  {
    what: 'CET_U and CET_S state are in use where one of their MSRs is not 0',
    right: 'ours',
    why: 'Bochs 2.7 has CET_U state in use exactly while both of its MSRs are 0, and CET_S state not while only IA32_PL2_SSP is something else.',
    source: 'SDM vol. 1, 13.6 and 13.11, of an edition later than 2016',
    covers: ({ name, point, field, bochs, engine }) => name === 'cet-saves' && field === 'header +1'
      && ((point === 'saved 1800' && bochs === '10' && engine === '18') || (point === 'IA32_PL2_SSP alone in use' && bochs === '00' && engine === '10')),
  },
  {
    what: 'XRSTORS of a value that WRMSR refuses is #GP(0)',
    right: 'ours',
    why: 'Bochs 2.7 asks WRMSR, which refuses, and goes on with what the MSR held.',
    source: 'SDM vol. 1, 13.12',
    covers: ({ name, field, bochs, engine }) => name === 'cet-restores' && /^records (IA32_U_CET|quadword)/.test(field) && bochs.startsWith('ff') && engine.startsWith('0d'),
  },
];
