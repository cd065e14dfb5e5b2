import { describe, expect, it } from 'vitest';
import { asm32, asm64, comparePolicies, cpus, xen } from 'hidden-state';
import { integerOnly, verifier } from './guests.ts';

describe('comparePolicies', () => {
  it('finds where width 8 and width 4 part, with the value under each and on bare metal', () => {
    const { first, alike } = comparePolicies(verifier('xsave'), {
      cpu: cpus.ivyBridge, policies: [xen.fipWidth8, xen.fipWidth4],
    });
    expect(first).toMatchObject({
      boundary: 2, label: 'FCS', bareMetal: 0x10, values: { fipWidth8: 0, fipWidth4: 0x10 },
    });
    expect(alike).toEqual([['fipWidth8'], ['fipWidth4']]);
  });

  it('tells the guess from the guess that puts back only by two switches in a row, which it tries', () => {
    const guest = asm32`
        fninit
        fld qword ptr [value]
        hlt
value:  dq 1.0`;
    const { first } = comparePolicies(guest, {
      cpu: cpus.ivyBridge, policies: [xen.guessByHighHalf, xen.guessAndPutBack],
    });
    expect(first!.boundary).toBe(2);
  });

  it('groups policies that a guest cannot tell from one another', () => {
    const { alike, first, boundaries } = comparePolicies(integerOnly, { cpu: cpus.ivyBridge, policies: xen.history });
    expect(alike).toEqual([xen.history.map(({ id }) => id)]);
    expect(first).toBe(undefined);
    expect(boundaries).toBeGreaterThan(16);
  });

  it('refuses one policy, or one twice', () => {
    const guest = asm64`hlt`;
    const { fipWidth4 } = xen;
    expect(() => comparePolicies(guest, { cpu: cpus.haswell, policies: [fipWidth4] })).toThrow(/two or more/);
    expect(() => comparePolicies(guest, { cpu: cpus.haswell, policies: [fipWidth4, fipWidth4] })).toThrow(/two or more/);
  });
});
