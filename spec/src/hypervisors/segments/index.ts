import type { Policy } from '../policy.ts';
import { linuxFsgsbase, linuxSelectors, reloadProtected, reloadReal, xenPv } from './reload.ts';
import { interpreted, privateDescriptor } from './software.ts';
import { hardware, kvm, kvmMadeToFit, virtual8086, xenGuess, xenGuessKeepingSs } from './vmx.ts';

export * from './reload.ts';
export * from './software.ts';
export * from './vmx.ts';
export type { SegmentRules } from './virtual-8086.ts';
export { throughVirtual8086 } from './virtual-8086.ts';

/** All policies for segment registers, oldest first. */
export const history: readonly Policy[] = [
  virtual8086, reloadProtected, reloadReal, xenPv, interpreted, privateDescriptor, xenGuess, xenGuessKeepingSs,
  hardware, kvmMadeToFit, kvm, linuxSelectors, linuxFsgsbase,
];
