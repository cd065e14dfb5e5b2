import { FXSAVE_FAMILY } from './fxsave.ts';
import { RESTORES } from './restore.ts';
import { SAVES } from './save.ts';
import { XCR_FAMILY } from './xcr.ts';

export const XSAVE = [...FXSAVE_FAMILY, ...SAVES, ...RESTORES, ...XCR_FAMILY];
