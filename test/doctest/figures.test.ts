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
