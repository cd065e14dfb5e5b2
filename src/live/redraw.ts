import { draw, type FigureKind, type FigureOptions, isTimeline, isVerdict, isVerdictTable } from '../figures/index.ts';
import type { Export } from './protocol.ts';

const baked = new Map<HTMLElement, string>();

const boundTo = (block: string): HTMLElement[] =>
  [...document.querySelectorAll<HTMLElement>('[data-figure][data-of]')]
    .filter(({ dataset }) => dataset.of?.split('.')[0] === block);

function follow(exports: readonly Export[], path: readonly string[]): unknown {
  const [name, ...rest] = path;
  let value = exports.find((each) => each.name === name)?.data;
  for (const step of rest) value = (value as Record<string, unknown> | undefined)?.[step];
  return value;
}

/** Draws every figure of the page anew that shows a result of this block. */
export function redraw(block: string, exports: readonly Export[]): void {
  for (const figure of boundTo(block)) {
    const { figure: kind = '', of = '', options = '{}' } = figure.dataset;
    const data = follow(exports, of.split('.').slice(1));
    if (!baked.has(figure)) baked.set(figure, figure.innerHTML);
    try {
      const drawn = draw(kind as FigureKind, data, JSON.parse(options) as FigureOptions).text;
      figure.innerHTML = drawn;
      figure.classList.toggle('redrawn', drawn !== baked.get(figure));
    } catch (error) {
      figure.textContent = `Block ${block} no longer has what this figure shows: ${(error as Error).message}`;
    }
  }
}

export function restore(block: string): void {
  for (const figure of boundTo(block)) {
    const before = baked.get(figure);
    if (before !== undefined) figure.innerHTML = before;
    figure.classList.remove('redrawn');
  }
}

/** A line that says what an exported verdict, table or timeline means. */
export function summary({ data, text }: Export): string {
  if (isVerdict(data)) {
    const { counterexample: example } = data;
    const lost = data.fields.join(', ');
    return example
      ? `not transparent: ${lost} after ${example.after || 'no instruction'}, boundary ${example.boundary}`
      : `transparent at ${data.boundaries} boundaries${data.ended && `, ended: ${data.ended}`}`;
  }
  if (isVerdictTable(data)) return `${data.rows.length} policies × ${data.cpus.length} CPUs`;
  if (isTimeline(data)) return `${data.steps.length} steps`;
  return text;
}
