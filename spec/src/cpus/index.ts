export { haswell, ivyBridge, sapphireRapids } from './intel.ts';
export { amdK10, zen3, zen4 } from './amd.ts';
