import { Machine, type Program, type System, assemble, cpus } from 'hidden-state';
import { OFFSET, RSP } from '../../spec/src/state/fields.ts';
import { gate, segmentDescriptor } from '../machine/descriptors.ts';

const GDT = 0x5_0000n, IDT = 0x5_1000n, STACK = 0x6_0000n;
const STACK_BYTES = 0x1000;
/** The selectors of the machine's initial state, so that IRETQ finds what CS and SS hold. */
const CODE = 0x10, DATA = 0x18;

/**
 * A 64-bit kernel without paging: `body` runs with interrupts on, `handlers` are 64-bit code by vector, `x` is a
 * quadword of data.
 */
export function flatKernel(
  body: string, handlers: Readonly<Record<number, string>>, origin = 0x4_0000,
): { program: Program; start: () => System } {
  const entries = Object.entries(handlers);
  const data = /^x:/m.test(body) ? '' : '\nx: dq 0';
  const code = entries.map(([vector, text]) => `\nhandler_${vector}: ${text}`).join('');
  const program = assemble(`bits 64\norg ${origin}\n${body}\nhlt${code}${data}`, { mode: 64 });
  const start = (): System => {
    const machine = new Machine(program, { cpu: cpus.haswell, faults: 'deliver' });
    const { memory, state } = machine;
    memory.map(GDT, 0x3000);
    memory.map(STACK, STACK_BYTES);
    memory.write(GDT + BigInt(CODE), 8, segmentDescriptor(0, 0xf_ffff, 0x9b, 0xa0));
    memory.write(GDT + BigInt(DATA), 8, segmentDescriptor(0, 0xf_ffff, 0x93, 0xc0));
    for (const [vector] of entries) {
      const at = IDT + 16n * BigInt(vector);
      memory.write(at, 8, gate(0x8e, CODE, program.symbols[`handler_${vector}`]!));
    }
    state.setQuad(OFFSET.gdtrBase, GDT);
    state.setWord(OFFSET.gdtrLimit, 0xff);
    state.setQuad(OFFSET.idtrBase, IDT);
    state.setWord(OFFSET.idtrLimit, 0xfff);
    state.cr4 |= 0x40n;
    state.gpr[RSP] = STACK + BigInt(STACK_BYTES);
    state.rflags |= 0x200;
    return { machines: [machine], stacks: [{ address: STACK, bytes: STACK_BYTES }] };
  };
  return { program, start };
}
