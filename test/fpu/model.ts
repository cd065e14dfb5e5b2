/** Runs a record on the engine as capture.c runs it on the processor: user mode, flat segments, FPU as XRSTOR initialises it. */

import { type CpuProfile, Fault, Machine } from 'hidden-state';
import { physical } from '../../spec/src/isa/x87/unit.ts';
import { CS, DS, ES, FS, GS, SS } from '../../spec/src/state/fields.ts';
import { CODE_PAGE_BYTES, HLT, PLACES, type Piece, type RunRecord, type RunResult } from './records.ts';

/** Linux's selectors for user code: CS 33h (64-bit) or 23h, SS 2Bh, and null data segments in 64-bit code. */
const FLAT = { base: 0n, limit: 0xffff_ffff };
const CODE_64 = { ...FLAT, selector: 0x33, attributes: 0xa0fb }, CODE_32 = { ...FLAT, selector: 0x23, attributes: 0xc0fb };
const DATA = { ...FLAT, selector: 0x2b, attributes: 0xc0f3 }, NULL = { ...FLAT, selector: 0, attributes: 0 };

/** More steps than any record takes. */
const BUDGET = 10_000;

export function userMachine(cpu: CpuProfile, mode: 32 | 64): Machine {
  const machine = new Machine({ mode: 64, origin: 0n, bytes: new Uint8Array(0) }, { cpu });
  const { state } = machine;
  state.gpr.fill(0n);
  state.setSegment(CS, mode === 64 ? CODE_64 : CODE_32);
  state.setSegment(SS, DATA);
  for (const segment of [DS, ES]) state.setSegment(segment, mode === 64 ? NULL : DATA);
  for (const segment of [FS, GS]) state.setSegment(segment, NULL);
  return machine;
}

/** A model that runs many records. `undefinedFlags` says which flags the last result left undefined. */
export class Model {
  readonly image: Uint8Array;
  readonly #machines = new Map<string, { machine: Machine; start: Uint8Array }>();
  readonly #cpu: CpuProfile;
  undefinedFlags = 0;

  constructor(cpu: CpuProfile, image: Uint8Array) {
    this.#cpu = cpu;
    this.image = image;
  }

  #machine(mode: 32 | 64): { machine: Machine; start: Uint8Array } {
    const key = String(mode);
    let found = this.#machines.get(key);
    if (!found) {
      const machine = userMachine(this.#cpu, mode);
      for (const { code, data } of Object.values(PLACES)) {
        machine.memory.map(code & ~0xfffn, CODE_PAGE_BYTES);
        machine.memory.map(data, this.image.length);
      }
      found = { machine, start: machine.state.snapshot() };
      this.#machines.set(key, found);
    }
    return found;
  }

  run(record: RunRecord): RunResult {
    const { machine, start } = this.#machine(record.mode);
    const { state, memory } = machine;
    const place = PLACES[record.place];
    const initial = this.image.slice();
    for (const { offset, bytes } of record.pieces) initial.set(bytes, offset);
    const page = new Uint8Array(CODE_PAGE_BYTES).fill(HLT);
    page.set(record.code, Number(place.code & 0xfffn));
    memory.writeBytes(place.code & ~0xfffn, page);
    memory.writeBytes(place.data, initial);
    state.restore(start);
    state.gpr.set(record.gpr);
    state.rflags = record.rflags;
    state.rip = place.code;
    const fault = end(machine);
    this.undefinedFlags = state.undefinedFlags;
    return {
      votes: 1, vector: fault.vector, errorCode: fault.errorCode ?? 0, cr2: fault.linearAddress ?? 0n, rip: state.rip,
      rflags: state.rflags, gpr: [...state.gpr], fcw: state.fcw, fsw: state.fsw, ftw: state.ftw, mxcsr: state.mxcsr,
      st: Array.from({ length: 8 }, (_, n) => state.x87(physical(state, n))),
      xmm: Array.from({ length: 16 }, (_, n) => state.xmm(n)),
      written: runs(initial, memory.readBytes(place.data, initial.length)),
    };
  }
}

/** Runs until a fault, as every record ends; any other end is the record's mistake. */
function end(machine: Machine): Fault {
  try {
    machine.run({ limit: BUDGET });
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new RangeError(`the record did not end within ${BUDGET} steps, at ${machine.state.rip.toString(16)}h`);
}

export function runs(before: Uint8Array, after: Uint8Array): Piece[] {
  const found: Piece[] = [];
  for (let offset = 0; offset < after.length; offset++) {
    if (before[offset] === after[offset]) continue;
    let finish = offset;
    while (finish < after.length && before[finish] !== after[finish]) finish++;
    found.push({ offset, bytes: after.slice(offset, finish) });
    offset = finish;
  }
  return found;
}
