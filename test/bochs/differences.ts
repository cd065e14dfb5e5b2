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
    what: 'the hidden parts of FS and GS that a change of level made null',
    right: 'both',
    why: 'The selectors are null, so nothing can be reached through them; Bochs prints what they held, here they are cleared.',
    source: 'SDM vol. 3A, 5.8.6; vol. 3B, 20.3.1.1',
    covers: ({ name, field }) => name.startsWith('flags-') && /^[FG]S\.(attributes|limit)$/.test(field),
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
    covers: ({ name, field }) => name === 'task-faults' && /records CS = (3|data3 \+ 3)$/.test(field),
  },
];
