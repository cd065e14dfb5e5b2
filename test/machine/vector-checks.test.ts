/**
 * What is checked before every instruction on vector registers, by the exception class of its declaration: all forms of
 * the table, whatever it gains. SDM vol. 2A, 2.4; vol. 3B, 22.25.3.
 */

import { type Machine, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import type { Form } from '../../spec/src/isa/form.ts';
import { FORMS } from '../isa/forms.ts';
import { SS } from '../../spec/src/state/fields.ts';
import { DATA, VECTOR_FORMS, instanceOf, machineWith, outcomeOf, profileOf } from './vector-forms.ts';

const CR0 = { EM: 4n, TS: 8n, AM: 0x4_0000n }, CR4 = { OSFXSR: 0x200n, OSXSAVE: 0x4_0000n };
const MXCSR_MM = 1 << 17;

const isMmx = ({ operands }: Form): boolean => operands.some(({ file }) => file === 'mm');
const name = (form: Form): string => `${form.definition.mnemonic} ${form.text}`;

/** The outcome of every form with each kind of operand, where it is not what `expected` says. */
function exceptions(
  prepare: (machine: Machine, form: Form) => void, expected: (form: Form, where: 'register' | 'memory') => string | undefined,
): { checked: number; different: string[] } {
  let checked = 0;
  const different: string[] = [];
  for (const form of VECTOR_FORMS) {
    for (const where of ['register', 'memory'] as const) {
      const bytes = instanceOf(form, where), wanted = expected(form, where);
      if (!bytes || wanted === undefined) continue;
      const machine = machineWith(bytes, profileOf(form));
      prepare(machine, form);
      const found = outcomeOf(machine);
      checked++;
      if (found !== wanted) different.push(`${name(form)} with a ${where} operand: ${found}, not ${wanted}`);
    }
  }
  return { checked, different };
}

/** A test that all forms, each with each kind of operand, end as `expected` says; there are more than `atLeast`. */
function everyForm(
  title: string, prepare: (machine: Machine, form: Form) => void, expected: (form: Form, where: 'register' | 'memory') => string | undefined, atLeast: number,
): void {
  test(title, () => {
    const { checked, different } = exceptions(prepare, expected);
    expect(different).toEqual([]);
    expect(checked).toBeGreaterThan(atLeast);
  });
}

describe('every form', () => {
  everyForm('raises nothing where all is enabled', () => {}, () => 'none', 1000);
  everyForm('is #NM with CR0.TS', ({ state }) => void (state.cr0 |= CR0.TS), () => '#NM', 1000);
  everyForm('is #UD with CR0.EM without VEX, and does not look at it with', ({ state }) => void (state.cr0 |= CR0.EM), ({ vex }) => (vex ? 'none' : '#UD'), 1000);
  everyForm('is #UD rather than #NM where both are due', ({ state }) => void (state.cr0 |= CR0.EM | CR0.TS), ({ vex }) => (vex ? '#NM' : '#UD'), 1000);
  everyForm('is #UD without CR4.OSFXSR where it has XMM registers or MXCSR and no VEX', ({ state }) => void (state.cr4 &= ~CR4.OSFXSR), ({ vex, definition }) => (vex || definition.exceptions === 'MMX' ? 'none' : '#UD'), 1000);
  everyForm('is #UD without CR4.OSXSAVE with VEX', ({ state }) => void (state.cr4 &= ~CR4.OSXSAVE), ({ vex }) => (vex ? '#UD' : 'none'), 1000);
  for (const xcr0 of [1n, 3n]) {
    everyForm(`is #UD with VEX where XCR0 is ${xcr0}`, ({ state }) => void (state.xcr0 = xcr0), ({ vex }) => (vex ? '#UD' : 'none'), 1000);
  }
  everyForm('is #MF with a pending x87 exception where it has an MMX register as an operand', ({ state }) => { state.fcw = 0x37e; state.fsw = 0x8081; }, (form, where) => {
      const rm = form.operands.find(({ place }) => place === 'rm');
      const others = form.operands.some((operand) => operand.file === 'mm' && operand !== rm);
      return others || (where === 'register' && isMmx(form)) ? '#MF' : 'none';
    }, 1000);
  everyForm('is #NM before #MF', ({ state }) => { state.cr0 |= CR0.TS; state.fcw = 0x37e; state.fsw = 0x8081; }, () => '#NM', 1000);
});

describe('with VEX', () => {
  const withVex = VECTOR_FORMS.filter(({ vex }) => vex);
  test('every form is #UD in real-address and virtual-8086 mode, those on general-purpose registers included', () => {
    const different: string[] = [];
    const forms = FORMS.filter(({ vex }) => vex);
    for (const form of forms) {
      const bytes = instanceOf(form, 'register', 32);
      if (!bytes) continue;
      const machine = machineWith(bytes, profileOf(form), 32);
      machine.state.cr0 &= ~1n;
      const real = outcomeOf(machine);
      const again = machineWith(bytes, profileOf(form), 32);
      again.state.rflags |= 0x2_0000;
      const virtual = outcomeOf(again);
      if (real !== '#UD' || virtual !== '#UD') different.push(`${name(form)}: ${real}, ${virtual}`);
    }
    expect(different).toEqual([]);
    expect(forms.length).toBeGreaterThan(withVex.length);
  });

  test('every form is #UD behind LOCK, 66, F2, F3 or REX', () => {
    const different: string[] = [];
    for (const form of withVex) {
      const bytes = instanceOf(form, form.operands.some(({ memory }) => memory) ? 'memory' : 'register')!;
      for (const prefix of [0xf0, 0x66, 0xf2, 0xf3, 0x40]) {
        const found = outcomeOf(machineWith(Uint8Array.of(prefix, ...bytes), profileOf(form)));
        if (found !== '#UD') different.push(`${prefix.toString(16)} before ${name(form)}: ${found}`);
      }
    }
    expect(different).toEqual([]);
  });

  test('VEX.vvvv is 1111 where it names no register, else #UD', () => {
    const forms = withVex.filter(({ operands }) => !operands.some(({ place }) => place === 'vvvv'));
    const different = forms.filter((form) => {
      const bytes = instanceOf(form, form.operands.some(({ memory }) => memory) ? 'memory' : 'register')!;
      bytes[bytes[0] === 0xc5 ? 1 : 2]! &= ~0x40;
      return outcomeOf(machineWith(bytes, profileOf(form))) !== '#UD';
    });
    expect(different.map(name)).toEqual([]);
    expect(forms.length).toBeGreaterThan(150);
  });

  test('VEX.L is #UD where there is no such length', () => {
    const same = (form: Form, other: Form): boolean => other.map === form.map && other.opcode === form.opcode && other.prefix === form.prefix
      && other.modrm === form.modrm && other.vex!.w === form.vex!.w;
    const forms = withVex.filter((form) => form.vex!.l !== undefined && !withVex.some((other) => same(form, other) && other.vex!.l !== form.vex!.l));
    const different = forms.filter((form) => {
      const bytes = instanceOf(form, form.operands.some(({ memory }) => memory) ? 'memory' : 'register')!;
      bytes[bytes[0] === 0xc5 ? 1 : 2]! ^= 4;
      return outcomeOf(machineWith(bytes, profileOf(form))) !== '#UD';
    });
    expect(different.map(name)).toEqual([]);
    expect(forms.length).toBeGreaterThan(40);
  });
});

describe('a memory operand that is not aligned', () => {
  /** Bytes of the operand that has to be aligned, 0 for none. */
  function aligned(form: Form): number {
    const size = form.operands.find(({ memory }) => memory)?.size;
    const bytes = typeof size === 'number' ? size / 8 : 0;
    const { exceptions } = form.definition;
    if (exceptions === 1) return bytes;
    return !form.vex && bytes === 16 && (exceptions === 2 || exceptions === 4 || exceptions === 'MMX and SSE') ? 16 : 0;
  }
  const shifted = ({ state }: Machine): void => void (state.gpr[3] = DATA + 1n);

  everyForm('is #GP where the class says so, and read and written elsewhere', shifted, (form, where) => (where === 'register' ? undefined : aligned(form) > 1 ? '#GP' : 'none'), 500);

  everyForm('is taken with MXCSR.MM on AMD, except by what is aligned by name', (machine) => { shifted(machine); machine.state.mxcsr |= MXCSR_MM; }, (form, where) =>
      (where === 'register' ? undefined : aligned(form) > 1 && form.definition.exceptions === 1 ? '#GP' : 'none'), 500);

  everyForm('is #AC at level 3 where that is switched on, for operands of 16 to 64 bits', (machine) => {
      shifted(machine);
      machine.state.gpr[7] = DATA + 1n;
      machine.state.cr0 |= CR0.AM;
      machine.state.rflags |= 0x4_0000;
      machine.state.setSegment(SS, { ...machine.state.segment(SS), attributes: machine.state.segment(SS).attributes | 0x60 });
    }, (form, where) => {
      const operand = form.operands.find(({ memory }) => memory);
      if (where === 'register' || typeof operand?.size !== 'number') return undefined;
      if (aligned(form) > 1) return '#GP';
      // SDM vol. 2C, 5.3, VMASKMOV, VCVTPH2PS and VCVTPS2PH: these report no #AC.
      const spared = form.definition.exceptions === '6, masked' || form.definition.exceptions === 11;
      return operand.size > 8 && operand.size <= 64 && !spared ? '#AC' : 'none';
    }, 500);
});

test.for([['misaligned', 1, '#GP'], ['aligned', 0, '#SS']] as const)('a stack address that is not canonical, %s', ([, displacement, expected]) => {
  const machine = machineWith(Uint8Array.of(0x0f, 0x28, 0x45, displacement), cpus.sapphireRapids);
  machine.state.gpr[5] = 0x8000_0000_0000_0000n;
  expect(outcomeOf(machine)).toBe(expected);
});
