import type { Timeline } from 'hidden-state';
import { type Html, html } from './html.ts';
import { type LaneLine, type Layout, aside, labelY, layOut, room, valueInset } from './lanes-layout.ts';
import { hex } from './values.ts';

export interface LanesOptions {
  id: string;
  caption?: string;
  /** The step shown at first, from 1; the first one at which something is wrong otherwise. */
  step?: number;
}

/** The last step before the guest can see something wrong, or is back with everything right; the first lane is its. */
export function tellingStep({ lanes, steps }: Timeline): number {
  const guest = lanes[0]?.id;
  const seen = steps.findIndex((step) => step.lane === guest && step.wrong.length > 0);
  const left = steps.findLastIndex((step) => step.lane !== guest);
  if (seen < 0) return left < 0 ? steps.length - 1 : left;
  return seen > 0 && steps[seen - 1]?.lane !== guest ? seen - 1 : seen;
}

/** Runs of steps in one lane: `[lane, first, last]`. */
function runs(timeline: Timeline): { lane: string; from: number; to: number }[] {
  const all: { lane: string; from: number; to: number }[] = [];
  timeline.steps.forEach(({ lane }, index) => {
    const last = all.at(-1);
    if (last?.lane === lane) last.to = index;
    else all.push({ lane, from: index, to: index });
  });
  return all;
}

function lines(timeline: Timeline, { left, pitch, lanes }: Layout): Html {
  const y = (id: string): number => lanes.find((lane) => lane.id === id)?.y ?? 0;
  const edge = (step: number): number => left + step * pitch;
  const all = runs(timeline);
  return html`${all.map(({ lane, from, to }, index) => {
    const kind = lanes.find(({ id }) => id === lane)?.kind ?? 'guest';
    const next = all[index + 1];
    const [x1, x2, here] = [edge(from) + (index > 0 ? 8 : 0), edge(to + 1) - (next ? 8 : 0), y(lane)];
    const there = next ? y(next.lane) : here;
    const mid = (here + there) / 2;
    return html`<path class="line ${kind}" d="M${x1} ${here}H${x2}"/>${next &&
      html`<path class="switch" d="M${x2} ${here}Q${x2 + 8} ${here} ${x2 + 8} ${mid}T${x2 + 16} ${there}"/>`}`;
  })}`;
}

const events = (lane: LaneLine, { left, pitch }: Layout, id: string): Html =>
  html`${lane.labels.map(({ step, row }) => {
    const x = left + (step + 0.5) * pitch;
    return html`<path class="leader" d="M${x} ${lane.y}V${labelY(lane, row) + (lane.below ? -8 : 3)}"/>`;
  })}${lane.labels.map(({ step, text, row }) => {
    const x = left + (step + 0.5) * pitch;
    return html`<a href="#${id}-step-${step + 1}" tabindex="-1" data-step="${step + 1}" class="event ${lane.kind}">
<circle cx="${x}" cy="${lane.y}" r="5"/><text x="${x - 4}" y="${labelY(lane, row)}">${
      text}</text></a>`;
  })}`;

const laneName = ({ nameLines, y }: LaneLine): Html =>
  html`${nameLines.map((line, index) => html`<text class="lane-name" x="0" y="${
    y + 4 + 14 * (index - (nameLines.length - 1) / 2)}">${line}</text>`)}`;

/** Stands still while a long timeline scrolls. */
const namesAside = ({ lanes, bars, barsTop, barHeight, left, height }: Layout): Html =>
  html`<svg class="names" viewBox="0 0 ${left} ${height}" width="${left}" height="${height}" aria-hidden="true">${
    lanes.map(laneName)}${bars.map(({ name }, row) =>
    html`<text class="lane-name" x="0" y="${barsTop + row * barHeight + 15}">${name}</text>`)}</svg>`;

const bars = ({ left, pitch, bars, barsTop, barHeight }: Layout, id: string): Html =>
  html`${bars.map(({ name, bars }, row) => {
    const y = barsTop + row * barHeight;
    return html`${bars.map(
      ({ from, to, tone, text, full }) => html`<g class="bar ${tone}" data-from="${from + 1}"><title>${name} ${
        tone === 'none' ? 'not written yet' : full}</title><rect x="${left + from * pitch + 1}" y="${y}" width="${
        (to - from + 1) * pitch - 2}" height="${barHeight - 4}" rx="3"${
        tone === 'none' && html` fill="url(#${id}-hatch)"`}/>${
        text && html`<text x="${left + from * pitch + 1 + valueInset}" y="${y + 15}">${text}</text>`}</g>`,
    )}`;
  })}`;

function change(timeline: Timeline, index: number, name: string): Html {
  const width = timeline.fields.find((field) => field.name === name)?.width ?? 64;
  const step = timeline.steps[index];
  const guest = timeline.lanes[0]?.id;
  const before = step?.expected?.[name] ?? timeline.steps.slice(0, index)
    .findLast((earlier) => earlier.lane === guest && !earlier.wrong.includes(name))?.values[name];
  const wrong = step?.wrong.includes(name);
  const others = step?.lane !== guest && !wrong && step?.values[name] !== before;
  const tone = wrong ? 'lost' : others ? 'other' : 'set';
  return html`<span class="change ${tone}">${wrong && html`<b aria-hidden="true">✗ </b>`}${name} ${
    hex(step?.values[name] ?? 0, width)}${step && wrong && before !== undefined && aside(step, name, width, hex(before, width))}</span> `;
}

function item(timeline: Timeline, lanes: LaneLine[], index: number, id: string, current: number): Html {
  const step = timeline.steps[index]!;
  const lane = lanes.find((lane) => lane.id === step.lane);
  const back = index > 0 && timeline.steps[index - 1]?.lane !== step.lane;
  const seen = step.changed.filter((name) => timeline.fields.some((field) => field.name === name));
  // Back in the guest, a value that the switch replaced is wrong although no guest instruction changed it.
  const named = back ? [...new Set([...seen, ...step.wrong])] : seen;
  return html`<li id="${id}-step-${index + 1}" class="${lane?.kind}${back && ' switched'}${
    index === current && ' current'}">
<a class="what" href="#${id}-step-${index + 1}"><span class="count">step ${index + 1} of ${timeline.steps.length}</span>
<span class="who">${lane?.name}</span> <code>${step.text}</code></a> ${step.note && html`<span class="said">${
    step.note}</span> `}${named.map((name) => change(timeline, index, name))}</li>`;
}

/**
 * Guest and hypervisor as lanes. The list of steps is the figure's text: on a wide screen only the current step shows,
 * as the caption; on a phone the list is the figure; a screen reader always has all of it.
 */
export function lanes(timeline: Timeline, options: LanesOptions): Html {
  const layout = layOut(timeline);
  const { id } = options;
  const wanted = options.step === undefined ? tellingStep(timeline) : options.step - 1;
  const current = Math.min(wanted, timeline.steps.length - 1);
  const cursor = layout.left + current * layout.pitch;
  const count = timeline.steps.length;
  const { left, width, height } = layout;
  // A longer one scrolls: smaller it could not be read.
  const long = width > room;
  return html`<lane-figure class="lanes" data-id="${id}" data-left="${layout.left}" data-pitch="${layout.pitch}"
data-count="${count}" data-step="${current + 1}">
${options.caption && html`<p class="caption">${options.caption}</p>`}
<div class="drawing"${long && html` tabindex="0" role="group" aria-label="Timeline"`}>${namesAside(layout)}<svg
 viewBox="${left} 0 ${width - left} ${height}" width="${width - left}" height="${height}" aria-hidden="true">
<defs><pattern id="${id}-hatch" class="hatch" width="6" height="6" patternUnits="userSpaceOnUse"
 patternTransform="rotate(45)"><path d="M0 0v6"/></pattern></defs>
<rect class="cursor" x="${cursor}" y="0" width="${layout.pitch}" height="${layout.height}" rx="4"/>
${lines(timeline, layout)}${layout.lanes.map((lane) => events(lane, layout, id))}${bars(layout, id)}</svg></div>
<div class="controls"><button type="button" data-by="-1" aria-label="Step back">◀</button>
<input type="range" min="1" max="${count}" value="${current + 1}" aria-label="Step">
<button type="button" data-by="1" aria-label="Step forward">▶</button><a class="permalink" href="#${id}-step-${
    current + 1}">link to this step</a></div>
<ol class="steps">${
    timeline.steps.map((_, index) => item(timeline, layout.lanes, index, id, current))}</ol></lane-figure>`;
}
