import {
  GUEST_EVENTS, type VcpuPolicy, compareLoads, cpus, exploreSchedules, guestEvent, loadArea, policy as definePolicy, readLegacy, tabulateSchedules,
  xenVcpu,
} from 'hidden-state';
import { describe, expect, test } from 'vitest';

const { ivyBridge, sapphireRapids, amdK10, zen3, zen4 } = cpus;
const WITH_XSAVE = [ivyBridge, sapphireRapids, zen3, zen4];
const { beforeSeries, resetOnCreate, merged, emptyTag, mergedSanitised, sanitised } = xenVcpu;

describe('the exported block is what the registers hold', () => {
  describe.each(WITH_XSAVE)('on $name', (cpu) => {
    test.each([mergedSanitised, sanitised])('after every schedule of any length, under $id', (policy) => {
      expect(exploreSchedules({ cpu, policy })).toMatchObject({ holds: true, closed: true });
    });
    test.each([beforeSeries, resetOnCreate, merged, emptyTag])('not under $id', (policy) => {
      expect(exploreSchedules({ cpu, policy })).toMatchObject({ holds: false });
    });
    test('under the merged change not even before the first schedule', () => {
      expect(exploreSchedules({ cpu, policy: merged }).counterexample).toMatchObject({
        schedule: ['vcpu_create'], differences: [{ field: 'FTW', bareMetal: 0, underPolicy: 0xff }],
      });
    });
    test.each([beforeSeries, resetOnCreate, merged, emptyTag])('a dead XMM register comes out of $id', (policy) => {
      const { counterexample } = exploreSchedules({ cpu, policy, fields: ['XMM0'] });
      expect(counterexample!.schedule.slice(3)).toEqual(['schedule', 'movups xmm0, [ones]', 'deschedule', 'schedule', expect.stringMatching(/vzeroall|xrstor64|pxor/), 'deschedule']);
    });
  });

  test.each(xenVcpu.history)('without XSAVE under every policy: $id', (policy) => {
    expect(exploreSchedules({ cpu: amdK10, policy })).toMatchObject({ holds: true, closed: true });
  });

  test.each([sapphireRapids, zen3])('by XSAVES the answers are the same, on $name', (cpu) => {
    const holding = xenVcpu.history.filter((policy) => exploreSchedules({ cpu, policy, switching: xenVcpu.compacted }).holds);
    expect(holding).toEqual([mergedSanitised, sanitised]);
  });

  test.each([sapphireRapids, zen3])('by plain XSAVE, which writes out what is not in use, the merged image alone is wrong, on $name', (cpu) => {
    const switching = definePolicy({
      ...xenVcpu.switchWide, id: 'plain',
      *save({ run, area }) {
        yield* run`xsave64 [${area}]`;
      },
    });
    expect(xenVcpu.history.filter((policy) => !exploreSchedules({ cpu, policy, switching }).holds)).toEqual([merged]);
  });

  test('where XINUSE goes by value, FNINIT after RESET is enough', () => {
    expect(exploreSchedules({ cpu: zen4, policy: resetOnCreate }).counterexample!.schedule.slice(-3)).toEqual(['schedule', 'fninit', 'deschedule']);
  });

  test.each([beforeSeries, emptyTag])('nothing breaks it as long as no state goes out of use: no XRSTOR and no VZEROALL by the guest, a processor that tracks: $id', (policy) => {
    const guest = GUEST_EVENTS.filter(({ name }) => !/xrstor|vzeroall/.test(name));
    expect(exploreSchedules({ cpu: sapphireRapids, policy, guest })).toMatchObject({ holds: true, closed: true });
  });

  test.each(['vzeroall', 'xrstor64 [initial]'])('bytes that are not initial, with XSTATE_BV 0 and called valid: after %s on every processor that has it (open question 3)', (giveUp) => {
    for (const cpu of WITH_XSAVE) {
      for (const policy of [beforeSeries, resetOnCreate, merged, emptyTag]) {
        const guest = ['movups xmm0, [ones]', giveUp].map(guestEvent);
        const { counterexample } = exploreSchedules({ cpu, policy, guest, fields: ['XMM0'] });
        expect(counterexample!.schedule.slice(-4)).toEqual(['deschedule', 'schedule', giveUp, 'deschedule']);
        expect(counterexample!.differences).toMatchObject([{ field: 'XMM0', bareMetal: 0n, underPolicy: 2n ** 128n - 1n }]);
      }
    }
  });

  test('FLD1 without FNINIT, and EMMS: schedules of up to nine events', () => {
    const guest = [...GUEST_EVENTS, guestEvent('fld1'), guestEvent('emms')];
    expect(exploreSchedules({ cpu: sapphireRapids, policy: sanitised, guest, length: 9 })).toMatchObject({ holds: true, closed: false });
  });

  test('a policy that hides the block is never wrong', () => {
    const mute: VcpuPolicy = xenVcpu.vcpuPolicy({ ...merged, id: 'mute', getContext: ({ area }) => ({ bytes: area.legacyRegion(), valid: false }) });
    expect(exploreSchedules({ cpu: sapphireRapids, policy: mute, length: 6 }).holds).toBe(true);
  });

  test('the table has a counterexample with its life for each cell that fails', () => {
    const { rows } = tabulateSchedules({ cpus: [sapphireRapids, amdK10], policies: [merged, sanitised], length: 6 });
    expect(rows.map(({ cells }) => cells.map(({ transparent }) => transparent))).toEqual([[false, true], [true, true]]);
    expect(rows[0]!.cells[0]!.counterexample).toMatchObject({ boundary: 0, after: 'vcpu_create', field: 'FTW' });
    for (const { cells } of rows) for (const { timeline } of cells) expect(timeline.steps.length).toBeGreaterThan(0);
  });
});

describe('image × load × first instruction', () => {
  const allocations = {
    beforeSeries: beforeSeries.allocate, merged: merged.allocate, resetOnCreate: resetOnCreate.allocate, zeros: () => {},
    importedZeros: (area: Parameters<typeof merged.allocate>[0]) => xenVcpu.setupFpu(area, new Uint8Array(512)),
  };
  const cpu = sapphireRapids;
  const firsts = ['nop', 'fninit', 'fld1', 'fld qword ptr [one]', 'emms', 'fnop', 'fnstenv [scratch]', 'ffree st(0)', 'ldmxcsr [scratch]', 'pxor xmm0, xmm0'];

  test('the merged image: FXRSTOR gives tag 5555h, XRSTOR and XRSTORS FFFFh', () => {
    const tag = (loader: 'FXRSTOR' | 'XRSTOR' | 'XRSTORS'): number => loadArea({ cpu, allocate: merged.allocate, loader }).tagWord;
    expect([tag('FXRSTOR'), tag('XRSTOR'), tag('XRSTORS')]).toEqual([0x5555, 0xffff, 0xffff]);
  });
  test('and FLD1 overflows after FXRSTOR alone', () => {
    const after = (loader: 'FXRSTOR' | 'XRSTOR'): Record<string, number | bigint> => readLegacy(loadArea({ cpu, allocate: merged.allocate, loader, first: 'fld1' }).image);
    expect(after('FXRSTOR')).toMatchObject({ FSW: 0x3a41, ST0: 0xffff_c000_0000_0000_0000n });
    expect(after('XRSTOR')).toMatchObject({ FSW: 0x3800, ST0: 0x3fff_8000_0000_0000_0000n });
  });
  test.each(firsts)('tag 00h and the RESET image mean the same to all three loads, whatever comes first: %s', (first) => {
    for (const name of ['beforeSeries', 'resetOnCreate', 'importedZeros'] as const) {
      const allocate = allocations[name];
      expect([name, compareLoads({ cpu, allocate, first }, 'FXRSTOR', 'XRSTOR'), compareLoads({ cpu, allocate, first }, 'XRSTOR', 'XRSTORS')]).toEqual([name, [], []]);
    }
  });
  test('FNINIT or EMMS as the first instruction hides what the merged image does', () => {
    const told = firsts.filter((first) => compareLoads({ cpu, allocate: merged.allocate, first }, 'FXRSTOR', 'XRSTOR').length > 0);
    expect(firsts.filter((first) => !told.includes(first))).toEqual(['fninit', 'emms']);
  });
  test('an image of zeros means something else to each of the three', () => {
    const allocate = allocations.zeros;
    expect(compareLoads({ cpu, allocate }, 'FXRSTOR', 'XRSTOR')).toEqual(['FCW']);
    expect(compareLoads({ cpu, allocate }, 'XRSTOR', 'XRSTORS')).toEqual(['MXCSR']);
  });
  test('a first instruction that faults is told from one that does not', () => {
    expect(loadArea({ cpu, allocate: resetOnCreate.allocate, loader: 'XRSTOR', first: 'fld1\n fwait' }).fault).toBe('#MF');
    expect(compareLoads({ cpu, allocate: (area) => { area.mxcsr = -1 >>> 0; } }, 'XRSTOR', 'XRSTORS')).toContain('fault');
  });
});
