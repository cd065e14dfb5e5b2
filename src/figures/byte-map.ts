import { type BarForm, barForm } from './bars.ts';
import { type Html, html } from './html.ts';

export type Tone = 'plain' | 'guest' | 'host' | 'hidden' | 'kept' | 'lost' | 'part' | 'zero' | 'unwritten';

export interface ByteField {
  offset: number;
  size: number;
  name: string;
  tone?: Tone;
  /** Printed under the name; what the form's bytes have there otherwise. */
  value?: string;
}

/** One way to read the same bytes. */
export interface ByteForm {
  caption: string;
  fields: ByteField[];
  /** From offset 0. */
  bytes?: Uint8Array;
}

export interface ByteMapData {
  forms: (ByteForm | BarForm)[];
}

interface Segment extends ByteField {
  /** Not the first piece of its field. */
  continued: boolean;
}

const half = 8;

/** Cuts fields at every eighth byte: a row is two halves beside each other, on a phone below each other. */
function* segments(fields: readonly ByteField[]): Generator<Segment> {
  for (const field of fields) {
    const end = field.offset + field.size;
    for (let offset = field.offset; offset < end; ) {
      const size = Math.min(end, (Math.floor(offset / half) + 1) * half) - offset;
      yield { ...field, offset, size, continued: offset !== field.offset };
      offset += size;
    }
  }
}

function withGaps(fields: readonly ByteField[]): ByteField[] {
  const sorted = [...fields].sort((left, right) => left.offset - right.offset);
  const all: ByteField[] = [];
  let reached = Math.floor((sorted[0]?.offset ?? 0) / (2 * half)) * 2 * half;
  const gap = (end: number): void => {
    if (end > reached) all.push({ offset: reached, size: end - reached, name: '', tone: 'unwritten' });
  };
  for (const field of sorted) {
    if (field.offset < reached) {
      throw new Error(`byte map: \`${field.name}\` at byte ${field.offset} overlaps the field before it`);
    }
    gap(field.offset);
    all.push(field);
    reached = field.offset + field.size;
  }
  gap(Math.ceil(reached / (2 * half)) * 2 * half);
  return all;
}

/** A little-endian number as the manual prints it, as far as it fits under a name. */
function valueIn(bytes: Uint8Array, { offset, size, name }: ByteField): string {
  if (offset + size > bytes.length) {
    throw new Error(`byte map: \`${name}\` ends at byte ${offset + size}, but there are ${bytes.length}`);
  }
  if (size > half) return `${size} bytes`;
  return [...bytes.subarray(offset, offset + size)].reverse().map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const withValue = (field: ByteField, bytes: Uint8Array | undefined): ByteField =>
  (bytes && field.value === undefined ? { ...field, value: valueIn(bytes, field) } : field);

const cell = ({ size, name, tone = 'plain', value, continued }: Segment): Html =>
  html`<span class="byte-field tone-${tone} bytes-${size}${continued && ' continued'}"${
    name && html` title="${name}, ${size} ${size === 1 ? 'byte' : 'bytes'}"`}><span class="name">${
    name || html`<span class="hush">unused</span>`}</span>${
    value !== undefined && html`<span class="value">${value}</span>`}</span>`;

function form({ caption, fields, bytes }: ByteForm): Html {
  const halves = new Map<number, Segment[]>();
  for (const segment of segments(withGaps(fields.map((field) => withValue(field, bytes))))) {
    const start = Math.floor(segment.offset / half) * half;
    halves.set(start, [...(halves.get(start) ?? []), segment]);
  }
  return html`<div class="byte-form"><p class="caption">${caption}</p><div class="byte-rows">${[...halves].map(
    ([start, parts]) => html`<span class="offset">${start.toString(16).padStart(2, '0')}</span><div class="half">${
      parts.map(cell)}</div>`,
  )}</div></div>`;
}

/** Save areas to scale, forms above each other: the same field has the same colour in each. */
export const byteMap = ({ forms }: ByteMapData): Html =>
  html`<div class="byte-map">${forms.map((each) => ('bars' in each ? barForm(each) : form(each)))}</div>`;
