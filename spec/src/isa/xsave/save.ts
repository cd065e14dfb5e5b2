/**
 * XSAVE and XSAVEOPT in the standard format, XSAVEC and XSAVES in the compacted one, with the init and modified
 * optimisations. SDM vol. 1, 13.7 and 13.9 to 13.11.
 */

import { toBytes, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import { HEADER_OFFSET, writeContents } from '../save-area.ts';
import {
  SSE_OR_AVX, areaOf, readXstateBv, requestedFeatures, requireEnabled, requireXsaveArea,
} from './area.ts';
import { COMPACTED, areaLayout } from './compaction.ts';
import { contentsOf, disabled, withMxcsr, xinuse } from './components.ts';
import { withAndWithoutRexW } from './forms.ts';
import { legacyAsked, mxcsrPiece, wideForm } from './legacy-region.ts';
import { ALWAYS_SAVED, afterSaving } from './supervisor.ts';
import { SSE, modified } from './tracking.ts';

/**
 * Components that the modified optimisation lets XSAVEOPT and XSAVES pass over: those not modified since an XRSTOR or
 * XRSTORS of this very format from this very address at this privilege level. It looks neither at REX.W nor at what
 * memory holds now. SDM vol. 1, 13.9 and 13.11.
 */
function unmodified(x: Execution, linear: bigint, xcompBv: bigint): bigint {
  const { state } = x;
  const matches = state.byte(OFFSET.xrstorValid) === 1
    && state.byte(OFFSET.xrstorCpl) === x.cpl
    && state.byte(OFFSET.xrstorGuest) === state.byte(OFFSET.guestMode)
    && state.quad(OFFSET.xrstorAddress) === linear
    && state.quad(OFFSET.xrstorXcompBv) === xcompBv;
  return matches ? ~modified(x) : 0n;
}

/**
 * Stores the components of `stored`, MXCSR where SSE or AVX is requested, and XSTATE_BV; nothing else of the header.
 */
function storeStandard(x: Execution, i: Instruction, optimised: boolean): void {
  requireEnabled(x);
  const rfbm = requestedFeatures(x, x.state.xcr0), area = areaOf(x, i);
  const layout = areaLayout(x.cpu, 0n, rfbm);
  requireXsaveArea(x, area, layout.end, true);
  const inUse = xinuse(x) & ~disabled(x);
  const stored = optimised ? rfbm & inUse & ~unmodified(x, area.linear, 0n) : rfbm;
  const header = { offset: HEADER_OFFSET, bytes: new Uint8Array(8) };
  writeContents(x, area, layout.end, contentsOf(x, stored, wideForm(x, i.rexW), layout), {
    asked: legacyAsked(rfbm, 0n), first: rfbm & SSE_OR_AVX ? [mxcsrPiece(x)] : [], last: [header],
    between() {
      header.bytes.set(toBytes((readXstateBv(x, area) & ~rfbm) | (inUse & rfbm), 8));
    },
  });
}

/** Stores what is in use of `rfbm`, one after another, with XSTATE_BV and XCOMP_BV. MXCSR is part of SSE state here. */
function storeCompacted(x: Execution, i: Instruction, rfbm: bigint, supervisor: boolean): void {
  const xcompBv = u(64, rfbm | COMPACTED), area = areaOf(x, i);
  const layout = areaLayout(x.cpu, xcompBv, rfbm);
  requireXsaveArea(x, area, layout.end, true);
  const xstateBv = rfbm & withMxcsr(x) & ~disabled(x);
  // Whether a load of MXCSR alone modifies SSE state is not tracked, so SSE state is never passed over.
  const stored = xstateBv & ~(supervisor ? unmodified(x, area.linear, xcompBv) & ~SSE & ~ALWAYS_SAVED : 0n);
  const header = { offset: HEADER_OFFSET, bytes: Uint8Array.of(...toBytes(xstateBv, 8), ...toBytes(xcompBv, 8)) };
  writeContents(x, area, layout.end, contentsOf(x, stored, wideForm(x, i.rexW), layout), {
    asked: legacyAsked(rfbm, SSE), first: stored & SSE ? [mxcsrPiece(x)] : [], last: [header],
    // It is only asked for: around the end of the offsets it may be beyond the limit.
    between() {
      readXstateBv(x, area);
    },
  });
  afterSaving(x, stored);
}

export const SAVES: readonly InstructionDefinition[] = [
  ...withAndWithoutRexW(
    'XSAVE', '0F AE /4', 'XSAVE', 'Save processor extended states', sdm('1', '13.7, Operation of XSAVE'),
    (x, i) => {
      storeStandard(x, i, false);
    },
  ),
  ...withAndWithoutRexW(
    'XSAVEOPT', '0F AE /6', 'XSAVEOPT', 'Save processor extended states, optimised',
    sdm('1', '13.9, Operation of XSAVEOPT'),
    (x, i) => {
      storeStandard(x, i, true);
    },
  ),
  ...withAndWithoutRexW(
    'XSAVEC', '0F C7 /4', 'XSAVEC', 'Save processor extended states with compaction',
    sdm('1', '13.10, Operation of XSAVEC'),
    (x, i) => {
      requireEnabled(x);
      storeCompacted(x, i, requestedFeatures(x, x.state.xcr0), false);
    },
  ),
  ...withAndWithoutRexW(
    'XSAVES', '0F C7 /5', 'XSAVES', 'Save processor extended states supervisor', sdm('1', '13.11, Operation of XSAVES'),
    (x, i) => {
      requireEnabled(x);
      x.requirePrivilege('XSAVES');
      storeCompacted(x, i, requestedFeatures(x, x.state.xcr0 | x.state.quad(OFFSET.xss)), true);
    },
  ),
];
