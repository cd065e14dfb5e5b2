/** What may differ after a fault between two accesses of an instruction, and what may not. */

import { assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { toBytes } from '../../spec/src/numbers/bits.ts';
import { type Disagreement, disagreements } from './compare.ts';
import { PLACES, local } from './environment.ts';
import { Model } from './model.ts';
import { unexplained } from './partial.ts';
import type { RunRecord, RunResult } from './records.ts';

const { data, code } = PLACES.low, BYTES = 0x1000;
const image = { data: Uint8Array.from({ length: BYTES }, (_, n) => (n * 7) & 0xff) };
const model = new Model(cpus.sapphireRapids, image);
const FLAT_32 = [0x2b, 0x23, 0x2b, 0x2b, 0, 0];

function recordOf(text: string, rsp: bigint, more: Partial<RunRecord> = {}): RunRecord {
  const gpr = Array.from({ length: 16 }, (_, n) => (n === 4 ? rsp : 0x1111_1111n * BigInt(n % 8)));
  return { mode: 32, place: 'low', code: assemble(text, { mode: 32, origin: code }).bytes, gpr, rflags: 0x202, pieces: [], segments: FLAT_32, ip: code, ...more };
}

/** What is left of the differences where the processor has what `change` makes of the model's result. */
function left(mnemonic: string, record: RunRecord, change: (result: RunResult) => Partial<RunResult>): Disagreement[] {
  const computed = model.run(record), processor = { ...computed, ...change(computed) };
  expect(computed.rip).toBe(record.ip);
  const found = disagreements(processor, computed, { integerOnly: true });
  expect(found).not.toEqual([]);
  return unexplained(found, mnemonic, record, { processor, computed }, model, { integerOnly: true });
}
const word = (offset: number): bigint => BigInt(new DataView(image.data.buffer).getUint32(offset, true));
const withRegister = (index: number, value: bigint) => ({ gpr }: RunResult): Partial<RunResult> => ({ gpr: gpr.map((each, n) => (n === index ? value : each)) });

describe('POPAD beyond the last page', () => {
  // EDI, ESI and EBP are there.
  const record = recordOf('popad', data + BigInt(BYTES - 12));
  test('may have loaded what is there', () => {
    expect(left('POPAD', record, withRegister(7, word(BYTES - 12)))).toEqual([]);
    expect(left('POPAD', record, withRegister(5, word(BYTES - 4)))).toEqual([]);
  });
  test('has nothing else in a register, and has not moved ESP', () => {
    expect(left('POPAD', record, withRegister(7, word(BYTES - 8)))).toHaveLength(1);
    expect(left('POPAD', record, withRegister(4, data + BigInt(BYTES + 20)))).toHaveLength(1);
    expect(left('POPAD', record, ({ cr2 }) => ({ cr2: cr2 + 4n }))).toHaveLength(1);
  });
  test('is no excuse for another instruction', () => expect(left('POP', record, withRegister(7, word(BYTES - 12)))).toHaveLength(1));
});

describe('PUSHAD below the first page', () => {
  const record = recordOf('pushad', data + 8n);
  const written = (offset: number, value: bigint) => (): Partial<RunResult> => ({ written: [{ offset, bytes: toBytes(value, 4) }] });
  test('may have pushed EAX and ECX', () => {
    expect(left('PUSHAD', record, written(0, 0x1111_1111n))).toEqual([]);
  });
  test('has nothing else in memory, nor above the stack pointer', () => {
    expect(left('PUSHAD', record, written(0, 0x2222_2222n))).toHaveLength(4);
    expect(left('PUSHAD', record, written(8, 0x1111_1111n))).toHaveLength(4);
  });
  test('beyond the limit of its segment, likewise', () => {
    // An expand-down segment: its limit lies between the second push and the third.
    const limited = recordOf('pushad', 0x488n, { segments: [0x2b, 0x23, local(14), 0x2b, 0, 0] });
    expect(left('PUSHAD', limited, written(0x480, 0x1111_1111n))).toEqual([]);
    expect(left('PUSHAD', limited, written(0x480, 0x3333_3333n))).toHaveLength(4);
  });
});

test('a far CALL that its target refuses may have pushed CS and the return address', () => {
  const record = recordOf('call 0x2b:0', data + 0x100n);
  const pushed = (offset: number, value: number) => (): Partial<RunResult> => ({ written: [{ offset, bytes: toBytes(BigInt(value), 4) }] });
  expect(left('CALL', record, pushed(0xfc, 0x23))).toEqual([]);
  expect(left('CALL', record, pushed(0xf8, Number(code) + 7))).toEqual([]);
  expect(left('CALL', record, pushed(0xfc, 0x24))).not.toEqual([]);
  expect(left('CALL', record, pushed(0xf8, 0x23))).not.toEqual([]);
});

test('completing an instruction leaves the model as it was', () => {
  const record = recordOf('pushad', data + 8n), before = model.run(record);
  expect(model.complete(record, record.ip!)?.rip).not.toBe(record.ip);
  expect(model.run(record)).toEqual(before);
  expect(model.complete(recordOf('ud2', data + 8n), code)).toBeUndefined();
});
