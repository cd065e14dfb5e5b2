import { Pc, assemble } from 'hidden-state';
import { expect, test } from 'vitest';

// Xen 4.17 takes the place of its trampoline from here, and went astray without.
test('boot code finds the end of memory below 1 MiB: INT 12h\'s word, and the extended area above it', () => {
  const pc = new Pc({ program: assemble('mov ax, [0x413]\n mov bx, [0x40e]\n mov es, bx\n mov cl, es:[0]\n cli\n hlt', { mode: 16 }) });
  expect(pc.run({ limit: 100 }).reason).toBe('halted');
  const [kibibytes, , , segment] = pc.processors[0]!.state.gpr;
  expect(Number(kibibytes! & 0xffffn) * 1024).toBe(Number(segment! & 0xffffn) * 16);
  expect(Number(pc.processors[0]!.state.gpr[1]! & 0xffn)).toBe(640 - Number(kibibytes! & 0xffffn));
});
