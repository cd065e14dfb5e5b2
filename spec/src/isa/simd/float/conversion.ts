/** Conversions among floating-point formats and integers. SDM vol. 1, 5.5.1.6, 5.6.1.6, 5.6.3 and 14.4. */

import type { Feature } from '../../../cpus/features.table.ts';
import {
  DOUBLE, type Format, type Outcome, SINGLE, type SimdControl, convertLane, eachLane, fromHalf, fromIntegerLane, lane,
  toHalf, toIntegerLane,
} from '../../../numbers/simd.ts';
import type { Execution } from '../../execution.ts';
import type { Instruction, InstructionDefinition } from '../../instruction.ts';
import type { RegisterOperand } from '../../operand.ts';
import { type ExceptionClass, requireAligned, usesMmx } from '../exceptions.ts';
import { family } from '../family.ts';
import { KINDS, above, controlOf, deliver } from './rows.ts';
import { SCALAR_SSE2 } from '../levels.ts';
import { entry } from '../rows.ts';
import { enterMmx, vector } from '../vector.ts';

/** What a lane becomes. */
type Conversion = (x: bigint, control: SimdControl, immediate: number) => Outcome;

const narrower: Conversion = (x, control) => convertLane(DOUBLE, SINGLE, x, control);
const wider: Conversion = (x, control) => convertLane(SINGLE, DOUBLE, x, control);
const toInteger = (from: Format, width: 32 | 64, truncated: boolean): Conversion => (x, control) =>
  toIntegerLane(from, width, x, truncated, control);
const fromInteger = (to: Format, width: 32 | 64): Conversion => (x, control) => fromIntegerLane(to, width, x, control);

/** `count` lanes of `from` bits become as many of `to` bits, with zeros above them in a register. */
interface Lanes {
  readonly count: number;
  readonly from: number;
  readonly to: number;
  /** What the destination has above them stays. */
  readonly keeps?: true;
}

const converting = (lanes: Lanes, of: Conversion) => (x: Execution, i: Instruction): void => {
  const destination = i.operands[0]!, last = i.operands.at(-1)!;
  const source = x.read(i.operands[1]!), control = controlOf(x);
  const immediate = last.kind === 'immediate' ? Number(last.value) : 0;
  // What has an MMX register is on its way to MMX state when #XM is raised. Measured on an Emerald Rapids.
  if (usesMmx(i)) enterMmx(x);
  const value = deliver(x, eachLane(lanes.count, lanes.to, control, (n) =>
    of(lane(source, lanes.from, n), control, immediate)));
  const bits = lanes.count * lanes.to;
  // VCVTPS2PH converts first: #XM goes before the faults of its store, and these leave flags in MXCSR. Measured, too.
  if (destination.kind === 'memory') requireAligned(x, i, destination, 11);
  x.write(destination, lanes.keeps ? above(bits, x.read(destination)) | value : value);
};

/** mnemonic without V, title, encoding, bits of a lane before and after, exceptions, conversion */
type Packed = readonly [string, string, string, number, number, ExceptionClass, Conversion];
const PACKED: readonly Packed[] = [
  ['CVTPS2PD', 'packed single-precision to double-precision', 'NP 0F 5A /r', 32, 64, 3, wider],
  ['CVTPD2PS', 'packed double-precision to single-precision', '66 0F 5A /r', 64, 32, 2, narrower],
  ['CVTDQ2PS', 'packed doublewords to single-precision', 'NP 0F 5B /r', 32, 32, 2, fromInteger(SINGLE, 32)],
  ['CVTDQ2PD', 'packed doublewords to double-precision', 'F3 0F E6 /r', 32, 64, 5, fromInteger(DOUBLE, 32)],
  ['CVTPS2DQ', 'packed single-precision to doublewords', '66 0F 5B /r', 32, 32, 2, toInteger(SINGLE, 32, false)],
  [
    'CVTTPS2DQ', 'with truncation packed single-precision to doublewords', 'F3 0F 5B /r', 32, 32, 2,
    toInteger(SINGLE, 32, true),
  ],
  ['CVTPD2DQ', 'packed double-precision to doublewords', 'F2 0F E6 /r', 64, 32, 2, toInteger(DOUBLE, 32, false)],
  [
    'CVTTPD2DQ', 'with truncation packed double-precision to doublewords', '66 0F E6 /r', 64, 32, 2,
    toInteger(DOUBLE, 32, true),
  ],
];

/** The operand whose lanes are the wider ones is a whole vector; of the other there is a half or less. */
function packedForm(width: 128 | 256, from: number, to: number): { operands: string; lanes: Lanes } {
  const count = width / Math.max(from, to);
  const file = (bits: number): string => (count * bits > 128 ? 'ymm' : 'xmm');
  return { operands: `${file(to)}, ${file(from)}/m${count * from}`, lanes: { count, from, to } };
}

const encodingsOf = (mnemonic: string, encoding: string) => {
  const [prefix, , ...rest] = encoding.split(' ');
  const vex = (width: number): string =>
    ['VEX', width, ...(prefix === 'NP' ? [] : [prefix]), `0F.WIG ${rest.join(' ')}`].join('.');
  return [
    [mnemonic, encoding, 128, 'SSE2'], [`V${mnemonic}`, vex(128), 128, 'AVX'], [`V${mnemonic}`, vex(256), 256, 'AVX'],
  ] as const;
};

const packed = ([mnemonic, title, encoding, from, to, exceptions, of]: Packed): readonly InstructionDefinition[] =>
  encodingsOf(mnemonic, encoding).map(([name, text, width, cpuid]) => {
    const { operands, lanes } = packedForm(width, from, to);
    return vector({
      mnemonic: name, title: `Convert ${title}`, forms: [`${text} | ${operands}`], cpuid, exceptions,
      operation: converting(lanes, of), source: entry(mnemonic),
    });
  });

/** mnemonic, title, form, CPUID bit, lanes, conversion */
type Mmx = readonly [string, string, string, Feature, Lanes, Conversion];
const SINGLES: Lanes = { count: 2, from: 32, to: 32 };
const DOUBLES: Lanes = { count: 2, from: 64, to: 32 };
const MMX: readonly Mmx[] = [
  [
    'CVTPI2PS', 'packed doublewords to single-precision', 'NP 0F 2A /r | xmm, mm/m64', 'SSE',
    { ...SINGLES, keeps: true }, fromInteger(SINGLE, 32),
  ],
  [
    'CVTPI2PD', 'packed doublewords to double-precision', '66 0F 2A /r | xmm, mm/m64', 'SSE2',
    { count: 2, from: 32, to: 64 }, fromInteger(DOUBLE, 32),
  ],
  [
    'CVTPS2PI', 'packed single-precision to doublewords', 'NP 0F 2D /r | mm, xmm/m64', 'SSE', SINGLES,
    toInteger(SINGLE, 32, false),
  ],
  [
    'CVTTPS2PI', 'with truncation packed single-precision to doublewords', 'NP 0F 2C /r | mm, xmm/m64', 'SSE', SINGLES,
    toInteger(SINGLE, 32, true),
  ],
  [
    'CVTPD2PI', 'packed double-precision to doublewords', '66 0F 2D /r | mm, xmm/m128', 'SSE2', DOUBLES,
    toInteger(DOUBLE, 32, false),
  ],
  [
    'CVTTPD2PI', 'with truncation packed double-precision to doublewords', '66 0F 2C /r | mm, xmm/m128', 'SSE2',
    DOUBLES, toInteger(DOUBLE, 32, true),
  ],
];

const mmx = ([mnemonic, title, form, cpuid, lanes, of]: Mmx): InstructionDefinition => vector({
  mnemonic, title: `Convert ${title}, with an MMX register`, forms: [form], cpuid, exceptions: 'MMX and SSE',
  operation: converting(lanes, of), source: entry(mnemonic),
});

/** Between the lowest lanes of XMM registers. */
const scalar = (mnemonic: string, title: string, encoding: string, from: 32 | 64, of: Conversion) => family({
  mnemonic, title: `Convert ${title}`, encoding, operands: `V, H, W${from}`, levels: SCALAR_SSE2, exceptions: 3,
  scalar: true,
  compute({ x, a, b }) {
    const to = 96 - from, control = controlOf(x);
    return above(to, a) | deliver(x, eachLane(1, to, control, () => of(lane(b, from, 0), control, 0)));
  },
  source: entry(mnemonic),
});

/** From and to general-purpose registers of 32 bits and, with REX.W or VEX.W, of 64 bits. */
const general = (suffix: 'SS' | 'SD'): readonly InstructionDefinition[] => {
  const { format, prefix, words, levels } = KINDS[suffix], memory = format.width;
  const both = (
    mnemonic: string, title: string, opcode: string, legacy: string, vex: (bits: number) => string,
    operation: InstructionDefinition['operation'],
  ): readonly InstructionDefinition[] => {
    const common = { title: `Convert ${title}`, exceptions: 3, operation, source: entry(mnemonic) } as const;
    const withVex = [32, 64].map((bits) =>
      `VEX.LIG.${prefix}.0F.W${bits === 64 ? 1 : 0} ${opcode} /r | ${vex(bits)}${bits === 64 ? ' | o64' : ''}`);
    return [
      vector({ ...common, mnemonic, forms: [`${prefix} 0F ${opcode} /r | ${legacy}`], cpuid: levels.sse! }),
      vector({ ...common, mnemonic: `V${mnemonic}`, forms: withVex, cpuid: levels.avx! }),
    ];
  };
  const toGeneral = (mnemonic: string, title: string, opcode: string, truncated: boolean) => both(
    mnemonic, title, opcode, `ry, xmm/m${memory}`, (bits) => `r${bits}, xmm/m${memory}`,
    (x, i) => {
      const to = (i.operands[0] as RegisterOperand).size as 32 | 64;
      converting({ count: 1, from: memory, to }, toInteger(format, to, truncated))(x, i);
    },
  );
  return [
    ...both(
      `CVTSI2${suffix}`, `an integer to ${words}`, '2A', 'xmm, r/my', (bits) => `xmm, vvvvxmm, r/m${bits}`,
      (x, i) => {
        const [destination, first] = i.operands, source = i.operands.at(-1)! as RegisterOperand, control = controlOf(x);
        const kept = i.form.vex ? first! : destination!, integer = x.read(source), size = source.size as 32 | 64;
        const value = deliver(x, eachLane(1, memory, control, () => fromIntegerLane(format, size, integer, control)));
        x.write(destination!, above(memory, x.read(kept)) | value);
      },
    ),
    ...toGeneral(`CVT${suffix}2SI`, `${words} to an integer`, '2D', false),
    ...toGeneral(`CVTT${suffix}2SI`, `with truncation ${words} to an integer`, '2C', true),
  ];
};

const half = (mnemonic: string, title: string, form: string, lanes: Lanes, of: Conversion): InstructionDefinition =>
  vector({
    mnemonic, title: `Convert ${title}`, forms: [form], cpuid: 'F16C', exceptions: 11,
    operation: converting(lanes, of), source: entry(mnemonic),
  });

const widened: Conversion = (x, control) => fromHalf(SINGLE, x, control);
const halved: Conversion = (x, control, immediate) => toHalf(SINGLE, x, immediate, control);

export const FLOAT_CONVERSION: readonly InstructionDefinition[] = [
  ...PACKED.flatMap(packed),
  ...MMX.map(mmx),
  ...scalar('CVTSS2SD', 'scalar single-precision to double-precision', 'F3 0F 5A /r', 32, wider),
  ...scalar('CVTSD2SS', 'scalar double-precision to single-precision', 'F2 0F 5A /r', 64, narrower),
  ...general('SS'), ...general('SD'),
  ...([[4, 'xmm, xmm/m64', '128'], [8, 'ymm, xmm/m128', '256']] as const).map(([count, operands, length]) => half(
    'VCVTPH2PS', 'packed half-precision to single-precision', `VEX.${length}.66.0F38.W0 13 /r | ${operands}`,
    { count, from: 16, to: 32 }, widened,
  )),
  ...([[4, 'xmm/m64, xmm', '128'], [8, 'xmm/m128, ymm', '256']] as const).map(([count, operands, length]) => half(
    'VCVTPS2PH', 'packed single-precision to half-precision', `VEX.${length}.66.0F3A.W0 1D /r ib | ${operands}, imm8`,
    { count, from: 32, to: 16 }, halved,
  )),
];
