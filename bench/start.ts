import type * as Table from '../spec/src/isa/table.ts';
import { digits, median, type Section } from './table.ts';

const RUNS = 9;

/** What a new engine does with its table of instructions: it finds the first opcode, and parses what has it. */
export async function startOfAnEngine(): Promise<Section> {
  const first: number[] = [], all: number[] = [];
  let count = 0;
  for (let run = 0; run <= RUNS; run++) {
    const started = performance.now();
    // A module of another address is evaluated anew, and has parsed nothing.
    const table = await import(`../spec/src/isa/table.ts?run=${run}`) as typeof Table;
    table.formsOf('primary', 0x90);
    const found = performance.now();
    count = table.INSTRUCTIONS.flatMap(table.formsOfInstruction).length;
    first.push(found - started);
    all.push(performance.now() - found);
  }
  // The first run reads the instructions' files.
  const [own, whole] = [median(first.slice(1)), median(all.slice(1))];
  return {
    title: `Start of an engine (median of ${RUNS} runs)`,
    rows: [{
      what: 'its table, to the first opcode', value: `${digits(own)} ms`,
      beside: `${digits(whole)} ms to parse all ${count.toLocaleString('en')} encodings`, ratio: digits(own / whole),
    }],
  };
}
