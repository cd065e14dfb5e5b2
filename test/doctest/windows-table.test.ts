import { kvm, tabulateHosts } from 'hidden-state';
import { expect, test } from 'vitest';
import { verdictTable } from '../../src/figures/verdict-table.ts';

const table = tabulateHosts({
  kernels: [kvm.linux311, kvm.linux41, kvm.linux46],
  columns: [{ id: 'ipi', name: 'IPI', happening: 'IPI' }],
});

test('a cell of windows says what the worst ends in, and opens how often and where', () => {
  const text = String(verdictTable(table, { id: 'figure', open: 'linux41/ipi', strict: true }));
  const cells = [...text.matchAll(/<td class="(\w+)" title="([^"]*)">(.*?)<\/td>/gsu)]
    .map(([, tone, tried, content]) => [tone, tried, content!.replace(/<[^>]*>/gu, '').replace(/\s+/gu, ' ').trim()]);
  expect(cells).toEqual([
    ['lost', '270 boundaries tried', '✗ends in SIGSEGV, task loses'],
    ['part', '272 boundaries tried', '~open, with nothing lost: FPU used under XCR0 1'],
    ['kept', '169 boundaries tried', '✓transparent'],
  ]);
  expect(text).toContain('It can happen at 270 boundaries');
  expect(text).toMatch(/SIGSEGV, FPU used under XCR0 1<\/th><td class="lost">29<\/td>/u);
  expect(text).toContain('<code>kvm_load_guest_xcr0</code> 2');
  expect(text).toMatch(/id="figure-linux41-ipi" class="counterexample"\s+data-default/u);
});
