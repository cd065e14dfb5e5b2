/** Compares the engine with records from standard input: `capture 1 100000 | node --conditions=source test/x87/live.ts`. */

import { cpus } from 'hidden-state';
import { Unmodelled } from '../../spec/src/state/outcomes.ts';
import { RECORD_BYTES, readHeader, recordAt } from './states.ts';
import { Unit, judge } from './unit.ts';

const shown = Number(process.argv[2] ?? 3);
/** The processor's own manner of computing transcendental functions, or correct rounding. */
const transcendentals = process.argv[3] === 'rounded' ? 'correctly rounded' : 'through 67 bits';
const unit = new Unit({ ...cpus.sapphireRapids, x87: { ...cpus.sapphireRapids.x87, transcendentals } });
const counts = new Map<string, { records: number; wrong: number; lastBits: number; lines: string[]; missing?: string }>();
let rest = new Uint8Array(0), instructions: readonly string[] | undefined;

for await (const chunk of process.stdin) {
  rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
  let at = 0;
  if (!instructions) {
    const { header, start } = readHeader(rest);
    instructions = header.instructions;
    at = start;
  }
  for (; at + RECORD_BYTES <= rest.length; at += RECORD_BYTES) {
    const record = recordAt(rest, at, instructions);
    const name = record.instruction;
    const count = counts.get(name) ?? { records: 0, wrong: 0, lastBits: 0, lines: [] };
    counts.set(name, count);
    count.records++;
    if (count.missing) continue;
    try {
      const verdict = judge(unit, record);
      if (verdict.kind === 'last bit') count.lastBits++;
      if (verdict.kind !== 'different') continue;
      count.wrong++;
      if (count.lines.length < shown) count.lines.push(verdict.line);
    } catch (error) {
      if (!(error instanceof Unmodelled)) throw error;
      count.missing = error.message;
    }
  }
  rest = rest.subarray(at);
}
for (const [name, { records, wrong, lastBits, lines, missing }] of counts) {
  if (missing) console.log(`${name}: ${missing}`);
  else if (wrong > 0) console.log(`${name}: ${wrong} of ${records} differ\n  ${lines.join('\n  ')}`);
  if (lastBits > 0) console.log(`${name}: ${lastBits} of ${records} (${(100 * lastBits / records).toFixed(2)} %) in the last bit`);
}
const all = [...counts.values()];
console.log(`${all.filter(({ wrong, missing }) => wrong === 0 && !missing).length} of ${all.length} instructions agree`);
