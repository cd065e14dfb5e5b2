/** The options of `npm run conformance`. */

import type { Form } from '../../spec/src/isa/form.ts';
import { FORMS } from '../isa/forms.ts';
import { Sentence } from '../../tools/sentence.ts';
import type { Mode } from './generate/draft.ts';
import { chapterOf, featuresOf } from './generate/extended.ts';

export interface Options {
  readonly count: number;
  readonly countGiven: boolean;
  readonly seed: number;
  /** Mnemonics, in capitals. */
  readonly only: ReadonlySet<string> | undefined;
  readonly except: ReadonlySet<string>;
  readonly mode: Mode | undefined;
  readonly store: string | undefined;
  readonly replay: string | undefined;
  /** How many sequences, in place of single instructions; instructions in each, on average. */
  readonly sequences: number | undefined;
  readonly length: number;
  /** Every instance begins with RFLAGS.AC = 1. */
  readonly alignment: boolean;
}

const DEFAULT_COUNT = 200_000, DEFAULT_SEED = 20_261_121, DEFAULT_LENGTH = 12, LONGEST = 40;

const HELP = `npm run conformance -- [options]

Runs random instances of every instruction that user code can run on this processor, runs them on the engine, and
prints where the two differ. Where that is not possible it replays the stored set.

  --count 200000      how many
  --seed ${DEFAULT_SEED}     another seed gives other instances
  --only ADD,LOOP     only these instructions: by mnemonic, by CPUID feature (SSE2), by chapter (integer, x87, mmx,
                      vectors, areas), or by how they begin (VP*)
  --except FIST,FST*  all but these, in the same words
  --mode 16|32|64     only this kind of code
  --alignment checked all of them with RFLAGS.AC = 1
  --store file.gz     keep what the processor did, with its CPUID
  --replay file.gz    compare with what was kept, in place of this processor
  --sequences 20000   so many random sequences of x87, MMX, SSE, AVX and XSAVE instructions, in place of single ones
  --length 12         how many instructions each has, on average: 1 to ${LONGEST}`;

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Sentence(`${name} wants a whole number, not ${JSON.stringify(text)}`);
  return value;
}

/** The forms that a word of --only means. */
function meant(word: string): Form[] {
  const upper = word.toUpperCase();
  if (upper.endsWith('*')) return FORMS.filter(({ definition }) => definition.mnemonic.startsWith(upper.slice(0, -1)));
  const named = FORMS.filter(({ definition }) => definition.mnemonic === upper);
  if (named.length > 0) return named;
  const chapter = FORMS.filter((form) => chapterOf(form) === word.toLowerCase());
  return chapter.length > 0 ? chapter : FORMS.filter((form) => featuresOf(form).some((feature) => feature.toUpperCase() === upper));
}

function mnemonics(option: string, text: string): Set<string> {
  const words = text.split(',').map((word) => word.trim());
  const unknown = words.find((word) => meant(word).length === 0);
  if (unknown !== undefined) throw new Sentence(`${option} wants mnemonics as in the table, CPUID features or chapters, separated by commas; there is no ${JSON.stringify(unknown)}`);
  return new Set(words.flatMap(meant).map(({ definition }) => definition.mnemonic));
}

export const isWantedName = ({ only, except }: Pick<Options, 'only' | 'except'>, mnemonic: string): boolean =>
  (!only || only.has(mnemonic)) && !except.has(mnemonic);
export const isWanted = (options: Pick<Options, 'only' | 'except'>, { definition }: Form): boolean => isWantedName(options, definition.mnemonic);

const NAMES = ['--count', '--seed', '--only', '--except', '--mode', '--store', '--replay', '--sequences', '--length', '--alignment'];

/** The options, or the text of the help. Throws a `Sentence` about the one that is wrong. */
export function parseOptions(args: readonly string[]): Options | string {
  const given = new Map<string, string>();
  for (let n = 0; n < args.length; n++) {
    const [, name = '', inline] = /^(--[a-z]+)(?:=(.*))?$/.exec(args[n]!) ?? [];
    if (name === '--help') return HELP;
    if (!NAMES.includes(name)) throw new Sentence(`There is no option ${JSON.stringify(args[n])}. The options are: ${NAMES.join(', ')}, --help.`);
    const value = inline ?? args[++n];
    if (value === undefined) throw new Sentence(`${name} wants a value behind it`);
    given.set(name, value);
  }
  const [count, seed, only, except, mode] = ['--count', '--seed', '--only', '--except', '--mode'].map((name) => given.get(name));
  if (mode !== undefined && !['16', '32', '64'].includes(mode)) throw new Sentence(`--mode wants 16, 32 or 64, not ${JSON.stringify(mode)}`);
  if (given.has('--store') && given.has('--replay')) throw new Sentence('--store keeps what this processor did, --replay does not run it: give one of them');
  const [sequences, length] = ['--sequences', '--length'].map((name) => (given.has(name) ? whole(name, given.get(name)!) : undefined));
  const other = ['--count', '--mode', '--replay'].find((name) => sequences !== undefined && given.has(name));
  if (other !== undefined) throw new Sentence(`--sequences and ${other} do not go together: sequences are of 32 and of 64-bit code, as many as --sequences says`);
  const alignment = given.get('--alignment');
  if (alignment !== undefined && alignment !== 'checked') throw new Sentence(`--alignment wants checked, not ${JSON.stringify(alignment)}`);
  const unused = ['--replay', '--sequences'].find((name) => alignment !== undefined && given.has(name));
  if (unused !== undefined) throw new Sentence(`--alignment and ${unused} do not go together: it is for single instructions on this processor`);
  if (length !== undefined && sequences === undefined) throw new Sentence('--length is that of sequences: give --sequences too');
  if (length !== undefined && (length < 1 || length > LONGEST)) throw new Sentence(`--length wants 1 to ${LONGEST}, not ${length}`);
  return {
    sequences, length: length ?? DEFAULT_LENGTH, alignment: alignment !== undefined,
    count: count === undefined ? DEFAULT_COUNT : whole('--count', count), countGiven: count !== undefined,
    seed: seed === undefined ? DEFAULT_SEED : whole('--seed', seed),
    only: only === undefined ? undefined : mnemonics('--only', only),
    except: except === undefined ? new Set() : mnemonics('--except', except), mode: mode === undefined ? undefined : (Number(mode) as Mode),
    store: given.get('--store'), replay: given.get('--replay'),
  };
}
