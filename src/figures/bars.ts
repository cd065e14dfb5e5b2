import { type Html, html } from './html.ts';
import type { ByteField } from './byte-map.ts';

/** Rows of one address range, too long for a cell a byte: each to scale, with the places where something holds. */
export interface BarForm {
  caption: string;
  /** The first address, and how many bytes a row stands for. */
  from: number;
  bytes: number;
  bars: {
    name: string;
    /** Offsets count from `from`. */
    fields: Pick<ByteField, 'offset' | 'size' | 'tone'>[];
    /** What a screen reader says of the row, where the fields are too many to read out. */
    summary?: string;
  }[];
}

const width = 1000;
const ticks = 4;
const named = 6;
const hex = (address: number): string => address.toString(16);

function spoken({ from }: BarForm, { fields, summary }: BarForm['bars'][number]): string {
  if (summary !== undefined) return summary;
  if (fields.length > named) return `${fields.length} ranges`;
  return fields.map(({ offset, size }) => `${hex(from + offset)} to ${hex(from + offset + size)}`).join(', ') || 'nowhere';
}

/** Marks and their addresses; the last one is the end. */
function axis({ from, bytes }: BarForm): Html {
  const at = Array.from({ length: ticks + 1 }, (_, n) => from + Math.round((n * bytes) / ticks));
  return html`<span class="name"></span><span class="axis" aria-hidden="true">${
    at.map((address) => html`<span>${hex(address)}</span>`)}</span>`;
}

/** Drawn by SVG: the page's Content-Security-Policy allows no style attribute, and a share of a width needs one. */
export function barForm(form: BarForm): Html {
  const x = (offset: number): number => Math.round((offset / form.bytes) * width * 100) / 100;
  return html`<div class="byte-form"><p class="caption">${form.caption}</p><div class="bar-rows">${form.bars.map((bar) => html`
<span class="name">${bar.name}</span><svg class="bar-row" viewBox="0 0 ${width} 20" preserveAspectRatio="none" role="img"
aria-label="${bar.name}: ${spoken(form, bar)}"><rect class="ground" width="${width}" height="20"/>${bar.fields.map(
    ({ offset, size, tone = 'plain' }) => html`<rect class="bar-${tone}" x="${x(offset)}" width="${
      x(size)}" height="20"><title>${bar.name}: ${hex(form.from + offset)} to ${hex(form.from + offset + size)}</title></rect>`,
  )}</svg>`)}${axis(form)}</div></div>`;
}
