import { RecordedVcpu, cpus, tabulateSchedules, xenVcpu } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { draw } from '../../src/figures/index.ts';

const text = (html: { text: string }): string => html.text.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

describe('figures of a vCPU\'s life', () => {
  test('a verdict table speaks of what it compares', () => {
    const table = tabulateSchedules({ cpus: [cpus.sapphireRapids], policies: [xenVcpu.merged], length: 2 });
    const said = text(draw('verdict-table', table, { id: 'x' }));
    expect(said).toContain('the block is not what the registers hold');
    expect(said).toContain('Exported block');
    expect(said).not.toContain('Bare metal');
  });
  test('lanes say what a wrong byte should be', () => {
    const vcpu = new RecordedVcpu({ cpu: cpus.sapphireRapids, policy: xenVcpu.merged });
    vcpu.initialise();
    vcpu.bringUp();
    vcpu.schedule();
    vcpu.deschedule();
    expect(text(draw('lanes', vcpu.timeline(), { id: 'x' }))).toContain('ff ≠ 00');
  });
});

describe('figures that list', () => {
  test('a state table lights what differs, unless its columns are sentences', () => {
    const table = { columns: ['one', 'other'], rows: [{ name: 'row', values: ['this', 'that'] }] };
    expect(text(draw('state-table', table, { id: 'x' }))).toContain('differs: that');
    const said = draw('state-table', { ...table, compared: false }, { id: 'x' });
    expect(text(said)).not.toContain('differs');
    expect(text(said)).toContain('row this that');
  });
  test('a verdict table names commits where it is asked to', () => {
    const table = tabulateSchedules({ cpus: [cpus.amdK10], policies: [xenVcpu.merged, xenVcpu.emptyTag], length: 2 });
    expect(text(draw('verdict-table', table, { id: 'x' }))).not.toContain('639de2aafa');
    expect(text(draw('verdict-table', table, { id: 'x', commits: true }))).toContain('639de2aafa');
  });
});

test('a byte map prints the numbers that its bytes are, where nothing else is said', () => {
  const bytes = Uint8Array.from({ length: 20 }, (_, n) => n + 1);
  const fields = [
    { offset: 0, size: 4, name: 'A' }, { offset: 4, size: 2, name: 'B', value: 'said' }, { offset: 8, size: 10, name: 'C' },
  ];
  const drawn = draw('byte-map', { forms: [{ caption: '', bytes, fields }] }, { id: 'x' });
  expect(drawn.text.match(/(?<=class="value">)[^<]+/g)).toEqual(['04030201', 'said', '10 bytes', '10 bytes']);
  const short = { forms: [{ caption: '', bytes: bytes.slice(0, 6), fields }] };
  expect(() => draw('byte-map', short, { id: 'x' })).toThrow('`C` ends at byte 18, but there are 6');
});
