import { type CpuProfile, LEGACY_FIELDS, RecordedVcpu, SaveArea, Vcpu, type VcpuPolicy, cpus, printCitation, readLegacy, xen, xenVcpu } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { Memory } from '../../spec/src/machine/memory/physical.ts';

const { ivyBridge, haswell, sapphireRapids, amdK10, zen3, zen4 } = cpus;
const WITH_XSAVE = [ivyBridge, haswell, sapphireRapids, zen3, zen4];

const started = (policy: VcpuPolicy, cpu = sapphireRapids): Vcpu => {
  const vcpu = new Vcpu({ cpu, policy });
  vcpu.initialise();
  vcpu.bringUp();
  vcpu.schedule();
  return vcpu;
};
const registers = (vcpu: Vcpu): Record<string, number | bigint> => readLegacy(vcpu.look());
const block = (vcpu: Vcpu): Record<string, number | bigint> => readLegacy(vcpu.getContext().bytes);

describe("Xen's policies for a new vCPU", () => {
  test('are called what they are exported as, cite a source, and are all in history', () => {
    const exported = xenVcpu as unknown as Record<string, unknown>;
    for (const policy of xenVcpu.history) {
      expect(exported[policy.id], policy.id).toBe(policy);
      expect(printCitation(policy.source)).not.toBe('');
    }
    const policies = Object.values(exported).filter((value) => typeof value === 'object' && value !== null && 'allocate' in value);
    expect(new Set(xenVcpu.history)).toEqual(new Set(policies));
  });

  test('one that lacks a step says so', () => {
    const { allocate: _, ...rest } = xenVcpu.merged;
    expect(() => xenVcpu.vcpuPolicy(rest as VcpuPolicy)).toThrow(/"merged".*allocate is undefined/);
  });
});

describe('the first schedule', () => {
  test.each(WITH_XSAVE)('before the series the registers are as FNINIT leaves them, and so is the block, on $name', (cpu) => {
    const vcpu = started(xenVcpu.beforeSeries, cpu);
    expect(registers(vcpu)).toMatchObject({ FCW: 0x37f, FSW: 0, FTW: 0, MXCSR: 0x1f80, ST0: 0n, XMM0: 0n });
    vcpu.deschedule();
    expect(vcpu.getContext().valid).toBe(true);
    expect(block(vcpu)).toMatchObject({ FCW: 0x37f, FSW: 0, FTW: 0, MXCSR: 0x1f80 });
  });
  test('a block that was never loaded is not called valid before the series, and is after it', () => {
    expect(new Vcpu({ cpu: haswell, policy: xenVcpu.beforeSeries }).getContext().valid).toBe(false);
    expect(new Vcpu({ cpu: haswell, policy: xenVcpu.merged }).getContext().valid).toBe(true);
  });
  test.each([...WITH_XSAVE, amdK10])('v2 1/9 starts every guest in the state after RESET, on $name', (cpu) => {
    expect(registers(started(xenVcpu.resetOnCreate, cpu))).toMatchObject({ FCW: 0x40, FSW: 0, FTW: 0xff, MXCSR: 0x1f80, ST0: 0n, XMM0: 0n });
  });
  test.each(WITH_XSAVE)('the merged image: XRSTOR takes no notice of its tag word, on $name', (cpu) => {
    const vcpu = started(xenVcpu.merged, cpu);
    expect(registers(vcpu)['FTW']).toBe(0);
    vcpu.deschedule();
    expect(block(vcpu)['FTW']).toBe(0xff);
  });
  test('the merged image: FXRSTOR does, on a processor without XSAVE, and FLD1 overflows the stack', () => {
    const vcpu = started(xenVcpu.merged, amdK10);
    expect(registers(vcpu)['FTW']).toBe(0xff);
    vcpu.execute('fld1');
    expect(registers(vcpu)).toMatchObject({ FSW: 0x3a41, ST0: 0xffff_c000_0000_0000_0000n });
  });
  test.each(['beforeSeries', 'merged'] as const)('no block is all zeros: %s has FCW and MXCSR', (id) => {
    expect(block(new Vcpu({ cpu: haswell, policy: xenVcpu[id] }))).toMatchObject({ FCW: 0x37f, MXCSR: 0x1f80 });
  });
});

describe('a block that is imported', () => {
  test.each(WITH_XSAVE)('of zeros unmasks every exception, on $name', (cpu) => {
    const vcpu = started(xenVcpu.beforeSeries, cpu);
    vcpu.deschedule();
    vcpu.setContext({ bytes: new Uint8Array(512), valid: true });
    vcpu.schedule();
    expect(registers(vcpu)).toMatchObject({ FCW: 0x40, FTW: 0, MXCSR: 0 });
    vcpu.execute('fld qword ptr [one]\n fdiv qword ptr [three]');
    expect(() => vcpu.execute('fwait')).toThrow('#MF');
  });
  test('that is not called valid becomes the state after RESET', () => {
    const vcpu = started(xenVcpu.beforeSeries);
    vcpu.deschedule();
    vcpu.setContext({ bytes: new Uint8Array(512), valid: false });
    vcpu.schedule();
    expect(registers(vcpu)).toMatchObject({ FCW: 0x40, FTW: 0xff, MXCSR: 0x1f80 });
  });
  /** XMM0 in a new vCPU that is given the block of one whose guest has used it and given it up. */
  const afterGivingUp = (policy: VcpuPolicy, cpu: CpuProfile, how: string) => {
    const vcpu = started(policy, cpu);
    vcpu.execute('movups xmm0, [ones]');
    vcpu.deschedule();
    vcpu.schedule();
    vcpu.execute(how);
    expect(registers(vcpu)['XMM0']).toBe(0n);
    vcpu.deschedule();
    expect(vcpu.area.xstateBv & 2n).toBe(0n);
    vcpu.migrate();
    vcpu.schedule();
    return registers(vcpu)['XMM0'];
  };
  describe.each(['xrstor64 [initial]', 'vzeroall'])('after %s', (how) => {
    test.each(WITH_XSAVE)('brings an XMM register back that the guest had given up, on $name', (cpu) => {
      expect(afterGivingUp(xenVcpu.emptyTag, cpu, how)).toBe((1n << 128n) - 1n);
    });
    test.each(WITH_XSAVE)('does not where the export heeds XSTATE_BV, on $name', (cpu) => {
      expect(afterGivingUp(xenVcpu.sanitised, cpu, how)).toBe(0n);
    });
  });
  test('survives the sanitised export on a processor whose area has no XSTATE_BV', () => {
    const vcpu = started(xenVcpu.sanitised, amdK10);
    vcpu.execute('movups xmm0, [ones]\n fninit\n fld1');
    const before = registers(vcpu);
    vcpu.deschedule();
    vcpu.migrate();
    vcpu.schedule();
    expect(registers(vcpu)).toEqual(before);
  });
});

describe('INIT and a start-up IPI', () => {
  test('Xen resets the FPU, a processor keeps it', () => {
    const vcpu = started(xenVcpu.merged);
    vcpu.execute('fninit\n fld1\n movups xmm0, [ones]\n ldmxcsr [rounding]');
    const before = registers(vcpu);
    const { machine } = started(xenVcpu.merged);
    machine.state.restore(vcpu.machine.state.bytes);
    machine.state.set('IA32_APIC_BASE', 0xfee0_0800);
    machine.init();
    machine.startup(0x9a);
    expect([machine.state.fcw, machine.state.ftw, machine.state.mxcsr, machine.state.xmm(0)]).toEqual([before['FCW'], before['FTW'], before['MXCSR'], before['XMM0']]);
    vcpu.initAndStartup();
    vcpu.schedule();
    expect(registers(vcpu)).toMatchObject({ FCW: 0x40, FTW: 0xff, MXCSR: 0x1f80, ST0: 0n, XMM0: 0n });
  });
  test.each([zen3, zen4])('after it, FNINIT takes x87 state out of use, and the block still has the state after RESET, on $name', (cpu) => {
    const vcpu = started(xenVcpu.emptyTag, cpu);
    vcpu.initAndStartup();
    vcpu.schedule();
    vcpu.execute('fninit');
    expect(registers(vcpu)).toMatchObject({ FCW: 0x37f, FTW: 0 });
    vcpu.deschedule();
    expect(block(vcpu)).toMatchObject({ FCW: 0x40, FTW: 0xff });
  });
  test.each([ivyBridge, sapphireRapids])('where FNINIT leaves it in use, the block follows, on $name', (cpu) => {
    const vcpu = started(xenVcpu.emptyTag, cpu);
    vcpu.initAndStartup();
    vcpu.schedule();
    vcpu.execute('fninit');
    vcpu.deschedule();
    expect(block(vcpu)).toMatchObject({ FCW: 0x37f, FTW: 0 });
  });
});

describe('a switch', () => {
  const everything = 'fninit\n fld1\n fld qword ptr [three]\n movups xmm0, [ones]\n movups xmm9, [ones]\n ldmxcsr [rounding]';
  test.each([...WITH_XSAVE, amdK10])('keeps what the guest can see by FXSAVE, and shows another vCPU in between, on $name', (cpu) => {
    const vcpu = started(xenVcpu.merged, cpu);
    vcpu.execute(everything);
    const before = registers(vcpu);
    vcpu.deschedule();
    expect(vcpu.machine.state.fcw).toBe(0x27f);
    vcpu.schedule();
    expect(registers(vcpu)).toEqual(before);
  });
  test.each([sapphireRapids, zen3])('by XSAVES does, too, on $name', (cpu) => {
    const vcpu = new Vcpu({ cpu, policy: xenVcpu.merged, switching: xenVcpu.compacted });
    vcpu.initialise();
    vcpu.bringUp();
    vcpu.schedule();
    vcpu.execute(everything);
    const before = registers(vcpu);
    vcpu.deschedule();
    vcpu.migrate();
    vcpu.schedule();
    expect(registers(vcpu)).toEqual(before);
  });
  test.each(xen.history.filter(({ id }) => id !== 'unscrubbed' && id !== 'alwaysWide'))('by $id does, too', (switching) => {
    const vcpu = new Vcpu({ cpu: ivyBridge, policy: xenVcpu.merged, switching });
    vcpu.initialise();
    vcpu.bringUp();
    vcpu.schedule();
    vcpu.execute(everything);
    const before = registers(vcpu);
    vcpu.deschedule();
    vcpu.schedule();
    expect(registers(vcpu)).toEqual(before);
  });
});

describe('what cannot be', () => {
  const vcpu = (): Vcpu => new Vcpu({ cpu: haswell, policy: xenVcpu.merged });
  test.each([
    ['VCPUOP_up before VCPUOP_initialise', (v: Vcpu) => v.bringUp(), /-EINVAL/],
    ['a schedule before VCPUOP_up', (v: Vcpu) => v.schedule(), /never scheduled/],
    ['guest code off the processor', (v: Vcpu) => v.execute('nop'), /schedule\(\) it first/],
    ['FXSAVE off the processor', (v: Vcpu) => v.look(), /schedule\(\) it first/],
    ['a second deschedule', (v: Vcpu) => v.deschedule(), /schedule\(\) it first/],
  ] as const)('%s says so', (_, act, message) => {
    expect(() => act(vcpu())).toThrow(message);
  });
  test('a context of a running vCPU, and a second schedule', () => {
    const running = started(xenVcpu.merged);
    expect(() => running.getContext()).toThrow(/deschedule\(\) it first/);
    expect(() => running.schedule()).toThrow(/already/);
  });
  test('a legacy region of another size', () => {
    expect(() => new SaveArea(new Memory(), 0x1000n).setLegacyRegion(new Uint8Array(511))).toThrow(/512 bytes/);
    expect(() => readLegacy(new Uint8Array(100))).toThrow(/512 bytes/);
  });
});

describe('a record', () => {
  test('marks what memory has wrong while the vCPU is off the processor, and nothing while it is on it', () => {
    const vcpu = new RecordedVcpu({ cpu: sapphireRapids, policy: xenVcpu.merged });
    vcpu.initialise();
    vcpu.bringUp();
    vcpu.schedule();
    vcpu.execute('movups xmm0, [ones]');
    vcpu.deschedule();
    vcpu.getContext();
    const { steps, fields } = vcpu.timeline();
    expect(steps.at(-1)).toMatchObject({ text: 'getvcpucontext', wrong: ['[FTW]'], expected: { '[FTW]': 0 } });
    expect(steps.filter(({ lane }) => lane === 'guest').every(({ wrong }) => wrong.length === 0)).toBe(true);
    expect(fields.map(({ name }) => name)).toEqual(Object.keys(steps[0]!.values));
    expect(steps.map(({ text }) => text)).toContain('movups xmm0, xmmword ptr [ones]');
  });
  test('the fields of a legacy region do not overlap', () => {
    const cells = LEGACY_FIELDS.flatMap(({ offset, width }) => Array.from({ length: width / 8 }, (_, n) => offset + n));
    expect(new Set(cells).size).toBe(cells.length);
  });
});
