/** XRSTOR from either format, and XRSTORS from the compacted one. SDM vol. 1, 13.8 and 13.12. */

import { u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import { endsFirst, partsOf, readContents } from '../save-area.ts';
import {
  HEADER_END, type Header, SSE_OR_AVX, XCOMP_BV_PROBE, areaOf, readHeader, requestedFeatures, requireEnabled,
  requireXsaveArea,
} from './area.ts';
import { COMPACTED, areaLayout } from './compaction.ts';
import { COMPONENTS, contentsOf, disabled, existing } from './components.ts';
import { withAndWithoutRexW } from './forms.ts';
import { checkedMxcsr, legacyAsked, wideForm } from './legacy-region.ts';
import { checkSupervisor, keepsInUse } from './supervisor.ts';
import { SSE, noteRestore } from './tracking.ts';

const INITIAL_MXCSR = 0x1f80;

/** The rules for XCOMP_BV, each a #GP(0). `enabled` is what XCR0 (and IA32_XSS) allow. SDM vol. 1, 13.8.1 and 13.12. */
function checkFormat(x: Execution, { xcompBv }: Header, enabled: bigint, supervisor: boolean): void {
  const compacted = (xcompBv & COMPACTED) !== 0n;
  if (supervisor && !compacted) x.fault('#GP', 'XRSTORS needs the compacted format: XCOMP_BV[63] is 0', 0);
  if (!compacted) return;
  if (!x.cpu.features.has('XSAVEC')) x.fault('#GP', 'this processor has no compacted format (CPUID: XSAVEC)', 0);
  if (u(63, xcompBv) & ~enabled) {
    x.fault('#GP', `XCOMP_BV sets a bit that is 0 in XCR0${supervisor ? ' and IA32_XSS' : ''}`, 0);
  }
}

/** The other header rules. SDM vol. 1, 13.8.1, 13.8.2 and 13.12. */
function checkHeader(x: Execution, { xstateBv, xcompBv, reserved, reservedLow }: Header, enabled: bigint): void {
  if (!(xcompBv & COMPACTED)) {
    if (xstateBv & ~enabled) x.fault('#GP', 'XSTATE_BV sets a bit that is 0 in XCR0', 0);
    if (xcompBv !== 0n) x.fault('#GP', 'XCOMP_BV is not zero in the standard format', 0);
    if (reservedLow !== 0n) x.fault('#GP', 'bytes 23:16 of the XSAVE header are not zero', 0);
    return;
  }
  if (xstateBv & ~u(63, xcompBv)) x.fault('#GP', 'XSTATE_BV sets a bit that is 0 in XCOMP_BV', 0);
  if (reserved) x.fault('#GP', 'bytes 63:16 of the XSAVE header are not zero', 0);
}

/** What MXCSR becomes, or undefined where it stays. In the compacted format it is part of SSE state. */
function mxcsrFor(x: Execution, image: Uint8Array, rfbm: bigint, header: Header): number | undefined {
  if (readsMxcsr(rfbm, header)) return checkedMxcsr(x, partsOf(image));
  return header.xcompBv & COMPACTED && rfbm & SSE ? INITIAL_MXCSR : undefined;
}

const readsMxcsr = (rfbm: bigint, { xstateBv, xcompBv }: Header): boolean =>
  (rfbm & (xcompBv & COMPACTED ? xstateBv & SSE : SSE_OR_AVX)) !== 0n;

/**
 * #NM, with IA32_XFD_ERR to say for which: the one register that the fault itself writes. A component that is only
 * initialised is not accessed.
 */
function requireNotDisabled(x: Execution, loaded: bigint): void {
  const refused = loaded & disabled(x);
  if (refused === 0n) return;
  x.state.setQuad(OFFSET.xfdErr, refused);
  x.fault('#NM', `IA32_XFD disables components ${refused.toString(16)}h, which XSTATE_BV says are to be loaded`);
}

function restore(x: Execution, i: Instruction, enabled: bigint, supervisor: boolean): void {
  const rfbm = requestedFeatures(x, enabled), area = areaOf(x, i);
  requireXsaveArea(x, area, HEADER_END, false, XCOMP_BV_PROBE);
  const header = readHeader(x, area);
  checkFormat(x, header, enabled, supervisor);
  const { xstateBv, xcompBv } = header;
  const layout = areaLayout(x.cpu, xcompBv, rfbm);
  if (endsFirst(x)) requireXsaveArea(x, area, layout.end, false);
  checkHeader(x, header, enabled);
  if (!endsFirst(x)) requireXsaveArea(x, area, layout.end, false);
  const wide = wideForm(x, i.rexW);
  const image = readContents(x, area, layout.end, () => [
    ...legacyAsked(rfbm, xcompBv & COMPACTED ? SSE : SSE_OR_AVX), ...contentsOf(x, rfbm & xstateBv, wide, layout),
  ]);
  const mxcsr = mxcsrFor(x, image, rfbm, header);
  requireNotDisabled(x, rfbm & xstateBv);
  const imageOf = (component: number): Uint8Array => image.subarray(layout.start(component));
  checkSupervisor(x, rfbm, xstateBv, imageOf);
  if (mxcsr !== undefined) x.state.mxcsr = mxcsr;
  for (const { number, bit, load, initialise } of COMPONENTS) {
    if (!(rfbm & bit)) continue;
    if (xstateBv & bit) load(x, imageOf(number), wide);
    else initialise(x);
  }
  const restored = rfbm & existing(x), kept = keepsInUse(x, rfbm & xstateBv, imageOf);
  noteRestore(x, restored, (restored & xstateBv & ~kept) | (x.state.xinuse & kept));
  remember(x, area.linear, xcompBv);
}

/** Records XRSTOR_INFO for the modified optimisation. */
function remember(x: Execution, linear: bigint, xcompBv: bigint): void {
  const { state } = x;
  state.setByte(OFFSET.xrstorValid, 1);
  state.setByte(OFFSET.xrstorCpl, x.cpl);
  state.setByte(OFFSET.xrstorGuest, state.byte(OFFSET.guestMode));
  state.setQuad(OFFSET.xrstorAddress, linear);
  state.setQuad(OFFSET.xrstorXcompBv, xcompBv);
}

export const RESTORES: readonly InstructionDefinition[] = [
  ...withAndWithoutRexW(
    'XRSTOR', '0F AE /5', 'XSAVE', 'Restore processor extended states', sdm('1', '13.8, Operation of XRSTOR'),
    (x, i) => {
      requireEnabled(x);
      restore(x, i, x.state.xcr0, false);
    },
  ),
  ...withAndWithoutRexW(
    'XRSTORS', '0F C7 /3', 'XSAVES', 'Restore processor extended states supervisor',
    sdm('1', '13.12, Operation of XRSTORS'),
    (x, i) => {
      requireEnabled(x);
      x.requirePrivilege('XRSTORS');
      restore(x, i, x.state.xcr0 | x.state.quad(OFFSET.xss), true);
    },
  ),
];
