import { assemble, cpus, segments, tabulateConsequences } from 'hidden-state';
import { expect, test } from 'vitest';
import { verdictTable } from '../../src/figures/verdict-table.ts';

const guest = assemble(`
        cli
        lgdt   [gdtr]
        mov    eax, cr0
        mov    ecx, eax
        or     al, 1
        mov    cr0, eax
        mov    bx, 8
        mov    fs, bx
        mov    cr0, ecx
        mov    ebx, 0x18000
use:    mov    eax, fs:[ebx]
        hlt
        align  8
gdt:    dq     0, 0x00cf93001000ffff
gdtr:   dw     15
        dd     gdt`, { mode: 16 });
const table = tabulateConsequences({
  cases: [{ id: 'unreal', name: 'unreal', guest, cpu: cpus.ivyBridge, at: 'use', prepare: ({ memory }) => memory.write(0x1_9000n, 4, 7n) }],
  policies: [segments.hardware, segments.virtual8086, segments.reloadReal],
});

test('a cell of consequences says what became of the guest, and opens what it ended with', () => {
  const text = String(verdictTable(table, { id: 'figure' }));
  const cells = [...text.matchAll(/<td class="(\w+)" title="[^"]*">(.*?)<\/td>/gsu)]
    .map(([, tone, content]) => [tone, content!.replace(/<[^>]*>/gu, '').replace(/\s+/gu, ' ').trim()]);
  expect(cells).toEqual([
    ['kept', '✓identical'], ['part', '!faults: #GP'], ['lost', '✗ wrong: RAX, or a fault'],
  ]);
  expect(text).toContain('aria-label="Policies by guests"');
  expect(text).toMatch(/With a world switch after\s+<code>mov ebx, 0x18000<\/code>/u);
  expect(text).toContain('the guest ends as it should, with other values:');
});
