/**
 * Instructions of several accesses leave some of them done when a later one faults: what they wrote below the stack
 * pointer (a far CALL its CS), or the registers that POPA loaded. It is restarted all the same. The engine's rule is that
 * a fault comes before the first write. XRSTOR may have loaded some of its components: SDM vol. 1, 13.8 and 13.12. Each
 * byte is then as it was before, or as the whole instruction would leave it; nothing else may differ.
 */

import { decode } from '../../spec/src/isa/decode.ts';
import { toBytes } from '../../spec/src/numbers/bits.ts';
import { AREA_FIELDS, type Cause, type CompareOptions, type Disagreement, disagreements } from './compare.ts';
import { PLACES } from './environment.ts';
import { CS, RSP, SS, extentOf, stackWidth } from './generate/draft.ts';
import type { Model } from './model.ts';
import { type Piece, type RunRecord, type RunResult, flatSegments } from './records.ts';

const PARTIAL: Readonly<Record<string, readonly Cause[]>> = {
  PUSHA: ['memory'], PUSHAD: ['memory'], POPA: ['registers'], POPAD: ['registers'], ENTER: ['memory'], CALL: ['memory'],
  XRSTOR: ['x87', 'SSE and AVX'], XRSTOR64: ['x87', 'SSE and AVX'],
};

const bytesOf = (pieces: readonly Piece[]): Map<number, number> =>
  new Map(pieces.flatMap(({ offset, bytes }) => [...bytes].map((byte, n) => [offset + n, byte] as const)));

/** Bytes that changed: the processor's where the whole instruction would have written the same, else the model's. */
function mergedPieces(processor: RunResult, model: RunResult, completed: RunResult): Piece[] {
  const [there, here, whole] = [processor, model, completed].map(({ written }) => bytesOf(written)) as [Map<number, number>, Map<number, number>, Map<number, number>];
  const merged = new Map(here);
  for (const [offset, byte] of there) if (whole.get(offset) === byte) merged.set(offset, byte);
  const pieces: { offset: number; bytes: number[] }[] = [];
  for (const [offset, byte] of [...merged].sort(([a], [b]) => a - b)) {
    const last = pieces.at(-1);
    if (last && last.offset + last.bytes.length === offset) last.bytes.push(byte);
    else pieces.push({ offset, bytes: [byte] });
  }
  return pieces.map(({ offset, bytes }) => ({ offset, bytes: Uint8Array.from(bytes) }));
}

function mergedArea(causes: readonly Cause[], processor: Uint8Array, model: Uint8Array, completed: Uint8Array): Uint8Array {
  const merged = model.slice();
  for (const { cause, offset, bytes } of AREA_FIELDS) {
    if (!causes.includes(cause)) continue;
    for (let at = offset; at < offset + bytes; at++) if (processor[at] === completed[at]) merged[at] = processor[at]!;
  }
  return merged;
}

/**
 * CS and the return address as a far CALL pushes them, in slots of each size: where its target is refused no run is
 * complete.
 */
function pushedByFarCall({ mode, place, segments = flatSegments(mode), gpr, code, ip }: RunRecord): Piece[][] {
  const width = stackWidth({ mode, segments }), base = mode === 64 ? 0n : extentOf(segments[SS]!).base;
  const { length } = decode((n) => code[n]!, mode);
  return (mode === 64 ? [2, 4, 8] : [2, 4]).map((size) => [BigInt(segments[CS]!), ip! + BigInt(length)].map((value, slot) => {
    const linear = BigInt.asUintN(mode === 64 ? 64 : 32, base + BigInt.asUintN(width, gpr[RSP]! - BigInt(size * (slot + 1))));
    return { offset: Number(linear - PLACES[place].data), bytes: toBytes(BigInt.asUintN(8 * size, value), size) };
  }));
}

/** What of `found` is not explained by a fault between the accesses of `mnemonic`. */
export function unexplained(
  found: Disagreement[], mnemonic: string, record: RunRecord, results: { processor: RunResult; computed: RunResult }, model: Model, options: CompareOptions,
): Disagreement[] {
  const { processor, computed } = results, causes = PARTIAL[mnemonic];
  if (!causes || found.length === 0 || found.some(({ cause }) => !causes.includes(cause))) return found;
  const whole = model.complete(record, processor.rip);
  const completions = whole ? [whole] : mnemonic === 'CALL' ? pushedByFarCall(record).map((written) => ({ ...computed, written })) : [];
  const registers = causes.includes('registers'), memory = causes.includes('memory');
  const left = completions.map((completed) => disagreements(processor, {
    ...computed,
    gpr: computed.gpr.map((value, n) => (registers && n !== RSP && processor.gpr[n] === completed.gpr[n] ? processor.gpr[n]! : value)),
    written: memory ? mergedPieces(processor, computed, completed) : computed.written,
    area: processor.area && computed.area && completed.area ? mergedArea(causes, processor.area, computed.area, completed.area) : computed.area,
  }, options));
  return left.reduce((best, each) => (each.length < best.length ? each : best), found);
}
