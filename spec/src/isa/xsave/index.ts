import { FXSAVE_FAMILY } from './fxsave.ts';
import { XCR_FAMILY } from './xcr.ts';
import { XSAVE_FAMILY } from './xsave.ts';

export const XSAVE = [...FXSAVE_FAMILY, ...XSAVE_FAMILY, ...XCR_FAMILY];
