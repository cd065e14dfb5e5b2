import ByteMap from '../components/ByteMap.astro';
import Claim from '../components/Claim.astro';
import Lanes from '../components/Lanes.astro';
import LiveBlock from '../components/LiveBlock.astro';
import PolicyDiff from '../components/PolicyDiff.astro';
import StateTable from '../components/StateTable.astro';
import Value from '../components/Value.astro';
import VerdictTable from '../components/VerdictTable.astro';

/** What a page may use without importing it. */
export const components = { ByteMap, Claim, Lanes, LiveBlock, PolicyDiff, StateTable, Value, VerdictTable };
