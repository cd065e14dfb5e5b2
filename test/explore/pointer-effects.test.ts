import { describe, expect, it } from 'vitest';
import { AssemblyError, cpus, pointerClasses, pointerEffect, x87Instructions } from 'hidden-state';

const { ivyBridge, haswell, sapphireRapids, amdK10, zen4 } = cpus;

describe('what an instruction does to the FPU pointers', () => {
  it('FLD m64, by processor', () => {
    const effects = (cpu: typeof ivyBridge) => pointerEffect('fld qword ptr [operand]', { cpu }).effects;
    expect(effects(ivyBridge)).toEqual({
      FOP: 'kept', FIP: 'this instruction', FCS: 'this instruction', FDP: 'operand', FDS: 'operand',
    });
    expect(effects(haswell)).toMatchObject({ FCS: '0', FDP: 'operand', FDS: '0' });
    expect(effects(sapphireRapids)).toMatchObject({ FDP: 'kept', FDS: '0' });
    expect(effects(zen4)).toMatchObject({ FOP: 'this instruction', FCS: 'this instruction' });
  });

  it('tells what was loaded from what was there', () => {
    const restored = (source: string, cpu = ivyBridge) => Object.values(pointerEffect(source, { cpu }).effects);
    expect(restored('fxrstor64 [wide]')).toEqual(['loaded', 'loaded', '0', 'loaded', '0']);
    expect(restored('fxrstor [narrow]')).toEqual(['loaded', 'low half loaded', 'loaded', 'low half loaded', 'loaded']);
    expect(restored('fldenv [environment]')).toEqual(restored('fxrstor [narrow]'));
    expect(restored('fxrstor64 [wide]', amdK10)).toEqual(['kept', 'kept', 'kept', 'kept', 'kept']);
  });

  it('has no effect on any pointer that it cannot name: every x87 instruction, on every processor', () => {
    const all = Object.values(cpus);
    const named = ['kept', '0', 'this instruction', 'operand', 'loaded', 'low half loaded'];
    for (const exceptions of ['masked', 'unmasked'] as const) {
      for (const { effects, instructions } of pointerClasses(x87Instructions(), { cpus: all, exceptions })) {
        const seen = Object.values(effects).flatMap((each) => Object.values(each ?? {}));
        expect(seen.filter((effect) => !named.includes(effect)), instructions[0]!).toEqual([]);
      }
    }
  });

  it('an instruction that the processor lacks has no effects; text that is none is an error', () => {
    const [absent] = pointerClasses(['xsave [operand]'], { cpus: [amdK10] });
    expect(absent!.effects).toEqual({ amdK10: undefined });
    expect(pointerEffect('xsave [operand]', { cpu: amdK10 }).fault).toBe('#UD');
    expect(() => pointerEffect('fnord', { cpu: ivyBridge })).toThrow(AssemblyError);
  });
});
