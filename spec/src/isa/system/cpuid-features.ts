/**
 * AMD's registers of what CPUID reports as features: hypervisors clear bits there to hide features from guests that ask
 * CPUID themselves. What is hidden works all the same. AMD's guides to families 10h to 19h, MSRC001_1002 to 1005, from
 * memory.
 */

import { u } from '../../numbers/bits.ts';
import { type CpuidInputs, type CpuidResult, cpuid } from '../../cpus/cpuid.ts';
import type { CpuidRegister } from '../../cpus/features.table.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type Msr, amd, lacking } from './msr.ts';

interface Reported {
  readonly msr: number;
  readonly name: string;
  readonly leaf: number;
  /** In bits 31:0 and 63:32. */
  readonly low: CpuidRegister;
  readonly high: CpuidRegister;
  /** Where the bits are that software has changed: so it is 0 from RESET on, whichever processor it is. */
  readonly changed: number;
}

const REPORTED: readonly Reported[] = [
  {
    msr: 0xc001_1002, name: 'structured extended CPUID features', leaf: 7, low: 'ebx', high: 'eax',
    changed: OFFSET.changedFeatures7,
  },
  { msr: 0xc001_1004, name: 'CPUID features', leaf: 1, low: 'edx', high: 'ecx', changed: OFFSET.changedFeatures1 },
  {
    msr: 0xc001_1005, name: 'extended CPUID features', leaf: 0x8000_0001, low: 'edx', high: 'ecx',
    changed: OFFSET.changedFeaturesExtended,
  },
];

/** Bits that follow the processor's state are 1 here: CPUID reports the conjunction of both. */
const everythingOn = (x: Execution): CpuidInputs => ({
  ...x.placement, in64BitMode: true, xcr0: 1n, xss: 0n, osxsave: x.cpu.features.has('XSAVE'),
  ospke: x.cpu.features.has('OSPKE'), apicEnabled: true, monitor: true, limited: false,
});

function unchanged(x: Execution, { leaf, low, high }: Reported): bigint {
  const result = cpuid(x.cpu, leaf, 0, everythingOn(x));
  return u(64, BigInt(result[high]) << 32n) | u(32, BigInt(result[low]));
}

/** What CPUID reports of `leaf`, whose result would be `result` if software had changed nothing. */
export function reportedFeatures(x: Execution, leaf: number, subleaf: number, result: CpuidResult): CpuidResult {
  const reported = REPORTED.find((each) => each.leaf === leaf && (leaf !== 7 || subleaf === 0));
  const changed = reported ? x.state.quad(reported.changed) : 0n;
  if (!reported || changed === 0n) return result;
  const added = changed & ~unchanged(x, reported), removed = changed & ~added;
  const change = (register: CpuidRegister, shift: bigint): number =>
    (result[register] & ~Number(u(32, removed >> shift))) | Number(u(32, added >> shift));
  return { ...result, [reported.low]: change(reported.low, 0n), [reported.high]: change(reported.high, 32n) };
}

const structured: Msr['on'] = (cpu) => amd(cpu) && cpu.features.has('XSAVE');

export const FEATURE_MSRS: readonly Msr[] = [
  ...REPORTED.map((reported): Msr => ({
    number: reported.msr, name: reported.name, on: reported.leaf === 7 ? structured : amd,
    read: (x) => unchanged(x, reported) ^ x.state.quad(reported.changed),
    write: (x, value) => x.state.setQuad(reported.changed, value ^ unchanged(x, reported)),
  })),
  lacking(0xc001_1003, 'thermal and power management CPUID features', structured),
];
