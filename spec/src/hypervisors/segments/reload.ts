/** Monitors that save selectors and load them again: what the hidden part becomes is decided by where they load. */

import { inferred, linuxCommit, sourceOfRelease } from '../../state/citation.ts';
import { type Host, type Policy, type Steps, policy } from '../policy.ts';
import { loadOrNull, popSelectors, pushSelectors } from './steps.ts';

/** The monitor that the mail has in mind. */
export const reloadProtected: Policy = policy({
  id: 'reloadProtected',
  name: 'reload, protected mode',
  year: 2006,
  summary: "PUSH and POP in protected mode: the hidden part is what the guest's table says by now.",
  source: inferred('the mail of 2006-08-08, which says "restore" and not where'),
  covers: 'data segment registers',
  mode: 32,
  save: pushSelectors,
  restore: popSelectors,
});

/** The same instructions with CR0.PE clear. */
export const reloadReal: Policy = policy({
  ...reloadProtected,
  id: 'reloadReal',
  name: 'reload, real mode',
  summary: 'PUSH and POP in real-address mode: base from the selector, limit and attributes of whoever was there last.',
  mode: 16,
});

/** The selectors of a 64-bit monitor, which cannot push ES and DS. */
function* storeSelectors({ run }: Host): Steps {
  yield* run`mov  eax, ds
             push rax
             mov  eax, es
             push rax
             mov  eax, fs
             push rax
             mov  eax, gs
             push rax`;
}

function* loadSelectors(host: Host, registers: readonly ('ds' | 'es' | 'fs' | 'gs')[]): Steps {
  for (const register of registers) {
    yield* host.run`pop rax`;
    yield* loadOrNull(host, register);
  }
}

/** Selectors only, and null where the load faults: a PV guest is then called back, which is not modelled here. */
export const xenPv: Policy = policy({
  id: 'xenPv',
  name: 'Xen PV, 64-bit',
  year: 2006,
  summary: 'Every selector is loaded anew from the tables of the guest; one that faults becomes null.',
  source: sourceOfRelease('Xen', 'of 2006 (b25d8fde56)', 'arch/x86/domain.c, load_segments and save_segments'),
  covers: 'data segment registers',
  save: storeSelectors,
  *restore(host) {
    yield* loadSelectors(host, ['gs', 'fs', 'es', 'ds']);
  },
});

/** Before FSGSBASE: a selector above 3 is enough, its base comes with it. */
export const linuxSelectors: Policy = policy({
  ...xenPv,
  id: 'linuxSelectors',
  name: 'Linux, selectors',
  year: 2018,
  summary: 'A task with a segment of its own gets it by its selector: base, limit and attributes of the table.',
  source: sourceOfRelease('Linux', 'before 673903495c85', 'arch/x86/kernel/process_64.c, load_seg_legacy'),
});

/** With FSGSBASE: the selector, and then the base that was saved, whatever the table says. */
export const linuxFsgsbase: Policy = policy({
  ...linuxSelectors,
  id: 'linuxFsgsbase',
  name: 'Linux, FSGSBASE',
  year: 2020,
  summary: 'FS and GS: limit and attributes of the table, and the base as it was saved, where there is FSGSBASE.',
  source: linuxCommit(
    '673903495c85', '2020-06-18', 'switch_to saves the bases of FS and GS, and writes them after the selectors',
  ),
  *save(host) {
    yield* storeSelectors(host);
    if (!host.cpu.features.has('FSGSBASE')) return;
    yield* host.run`rdfsbase rax
                    push rax
                    rdgsbase rax
                    push rax`;
  },
  *restore(host) {
    if (!host.cpu.features.has('FSGSBASE')) {
      yield* linuxSelectors.restore(host);
      return;
    }
    yield* host.run`pop rbx
                    pop rcx`;
    yield* loadSelectors(host, ['gs', 'fs']);
    yield* host.run`wrfsbase rcx
                    wrgsbase rbx`;
    yield* loadSelectors(host, ['es', 'ds']);
  },
});
