/** XSAVE, XSAVEOPT and XRSTOR in the standard format, with the init and modified optimisations. SDM vol. 1, 13.7 to 13.9. */

import { toBytes, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from '../instruction.ts';
import { HEADER_OFFSET, SSE_OR_AVX, areaAddress, areaBytes, readHeader, requestedFeatures, requireEnabled } from './area.ts';
import { COMPONENTS, xinuse } from './components.ts';
import { type Piece, checkedMxcsr, mxcsrPiece, wideForm } from './legacy-region.ts';

const selected = (mask: bigint, component: number): boolean => (mask & (1n << BigInt(component))) !== 0n;

/**
 * Components that the modified optimisation lets XSAVEOPT pass over: those not modified since an XRSTOR from this very
 * address at this privilege level. It looks neither at REX.W nor at what memory holds now. SDM vol. 1, 13.9.
 */
function unmodified(x: Execution, linear: bigint): bigint {
  const { state } = x;
  const matches = state.byte(OFFSET.xrstorValid) === 1
    && state.byte(OFFSET.xrstorCpl) === x.cpl
    && state.byte(OFFSET.xrstorGuest) === state.byte(OFFSET.guestMode)
    && state.quad(OFFSET.xrstorAddress) === linear
    && state.quad(OFFSET.xrstorXcompBv) === 0n;
  return matches ? ~state.xmodified : 0n;
}

const put = (x: Execution, linear: bigint, { offset, bytes }: Piece): void => x.memory.writeBytes(u(64, linear + BigInt(offset)), bytes);

/** Stores the components of `stored`, MXCSR where SSE or AVX is requested, and XSTATE_BV; nothing else of the header. */
function store(x: Execution, i: Instruction, optimised: boolean): void {
  requireEnabled(x);
  const rfbm = requestedFeatures(x);
  const linear = areaAddress(x, i, areaBytes(rfbm), true);
  x.memory.requireWritable(linear, areaBytes(rfbm));
  const inUse = xinuse(x);
  const stored = optimised ? rfbm & inUse & ~unmodified(x, linear) : rfbm;
  const xstateBv = (readHeader(x, linear).xstateBv & ~rfbm) | (inUse & rfbm);
  for (const component of COMPONENTS) {
    const pieces = selected(stored, component.number) ? component.store(x, wideForm(x, i.rexW)) : [];
    pieces.forEach((piece) => put(x, linear, piece));
  }
  if (rfbm & SSE_OR_AVX) put(x, linear, mxcsrPiece(x));
  put(x, linear, { offset: HEADER_OFFSET, bytes: toBytes(xstateBv, 8) });
}

const saving = (mnemonic: string, form: string, optimised: boolean): InstructionDefinition => instruction({
  mnemonic,
  title: optimised ? 'Save processor extended states, optimised' : 'Save processor extended states',
  forms: [form],
  cpuid: optimised ? 'XSAVEOPT' : 'XSAVE',
  operation(x, i) {
    store(x, i, optimised);
  },
  source: optimised ? sdm('1', '13.9, Operation of XSAVEOPT') : sdm('1', '13.7, Operation of XSAVE'),
});

/** The header rules, each a #GP(0), and the reserved bits of MXCSR; all before anything is loaded. SDM vol. 1, 13.8.1. */
function checkImage(x: Execution, linear: bigint, rfbm: bigint): bigint {
  const header = readHeader(x, linear);
  if (header.xcompBv >> 63n) x.unmodelled('XRSTOR of the compacted format (XCOMP_BV[63] = 1)');
  if (header.xstateBv & ~x.state.xcr0) x.fault('#GP', 'XSTATE_BV sets a bit that is 0 in XCR0', 0);
  if (header.xcompBv !== 0n) x.fault('#GP', 'XCOMP_BV is not zero in the standard format', 0);
  if (header.reservedLow !== 0n) x.fault('#GP', 'bytes 23:16 of the XSAVE header are not zero', 0);
  if (rfbm & SSE_OR_AVX) checkedMxcsr(x, x.memory.readBytes(linear, 32));
  return header.xstateBv;
}

const restoring = (mnemonic: string, form: string): InstructionDefinition => instruction({
  mnemonic,
  title: 'Restore processor extended states',
  forms: [form],
  cpuid: 'XSAVE',
  operation(x, i) {
    requireEnabled(x);
    const rfbm = requestedFeatures(x);
    const linear = areaAddress(x, i, areaBytes(rfbm), false);
    const xstateBv = checkImage(x, linear, rfbm);
    const image = x.memory.readBytes(linear, areaBytes(rfbm));
    if (rfbm & SSE_OR_AVX) x.state.mxcsr = checkedMxcsr(x, image);
    for (const component of COMPONENTS) {
      if (selected(rfbm, component.number) && selected(xstateBv, component.number)) component.load(x, image, wideForm(x, i.rexW));
      if (selected(rfbm, component.number) && !selected(xstateBv, component.number)) component.initialise(x);
    }
    x.state.xinuse = (x.state.xinuse & ~rfbm) | (xstateBv & rfbm);
    remember(x, linear, rfbm);
  },
  source: sdm('1', '13.8, Operation of XRSTOR'),
});

/** Records XRSTOR_INFO for the modified optimisation. */
function remember(x: Execution, linear: bigint, rfbm: bigint): void {
  const { state } = x;
  state.setByte(OFFSET.xrstorValid, 1);
  state.setByte(OFFSET.xrstorCpl, x.cpl);
  state.setByte(OFFSET.xrstorGuest, state.byte(OFFSET.guestMode));
  state.setQuad(OFFSET.xrstorAddress, linear);
  state.setQuad(OFFSET.xrstorXcompBv, 0n);
  state.xmodified = BigInt.asUintN(64, ~rfbm);
}

export const XSAVE_FAMILY: readonly InstructionDefinition[] = [
  saving('XSAVE64', 'NP REX.W + 0F AE /4 | m | o64', false), saving('XSAVE', 'NP 0F AE /4 | m', false),
  saving('XSAVEOPT64', 'NP REX.W + 0F AE /6 | m | o64', true), saving('XSAVEOPT', 'NP 0F AE /6 | m', true),
  restoring('XRSTOR64', 'NP REX.W + 0F AE /5 | m | o64'), restoring('XRSTOR', 'NP 0F AE /5 | m'),
];
