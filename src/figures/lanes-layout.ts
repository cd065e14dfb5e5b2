import type { Timeline, TimelineStep } from 'hidden-state';
import { fitting, hex, hexForms } from './values.ts';

export const characterWidth = 6.7;
/** The room that the page's column has for it. */
export const room = 722;
const narrowest = 32;
/** How far a label may reach over the last step. */
const overhang = 50;
/** From a bar's edge to the value in it. */
export const valueInset = 6;
const rowHeight = 17;
const longestLabel = 26;
const longestName = 15;
const highest = 5;

export interface Label {
  step: number;
  text: string;
  /** Distance from the lane in rows, from 0: labels that would collide stand in different rows. */
  row: number;
}

export interface LaneLine {
  id: string;
  name: string;
  /** The name as it fits beside the lane. */
  nameLines: string[];
  /** `other`: a guest that is not the one the page is about. */
  kind: 'guest' | 'host' | 'other';
  y: number;
  labels: Label[];
  /** Labels of the last lane stand below it, those of the others above. */
  below: boolean;
}

export interface Bar {
  from: number;
  /** The last step, included. */
  to: number;
  /** `other`: the register holds another vCPU's or the hypervisor's value for the moment. */
  tone: 'none' | 'set' | 'other' | 'lost';
  text: string;
  /** The full value, for the tooltip. */
  full: string;
}

export interface Layout {
  width: number;
  height: number;
  left: number;
  pitch: number;
  barsTop: number;
  barHeight: number;
  lanes: LaneLine[];
  bars: { name: string; bars: Bar[] }[];
}

const shorten = (text: string, characters: number): string =>
  text.length > characters ? `${text.slice(0, characters - 1)}…` : text;

/** Two lines at most, broken between words. */
function nameLines(name: string): string[] {
  const lines: string[] = [];
  for (const word of name.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && `${last} ${word}`.length <= longestName) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.length > 2 ? [lines[0]!, `${lines[1]} …`] : lines;
}

const length = (text: string): number => text.length * characterWidth + 10;

/** An instruction as its label: cut where it would reach too far over the end of the figure. */
function label({ steps }: Timeline, index: number, pitch: number): string {
  const reach = (steps.length - index - 0.5) * pitch + overhang - 10;
  return shorten(steps[index]?.text ?? '', Math.min(longestLabel, Math.floor(reach / characterWidth)));
}

/**
 * Rows for the labels of a lane. A label starts at its step and may reach over the steps after it: it then stands above
 * theirs, so that no leader crosses a label; only where that would climb too high may one.
 */
function placeLabels(timeline: Timeline, lane: string, pitch: number): Label[] {
  const labels = timeline.steps.flatMap((step, index) =>
    step.lane === lane ? [{ step: index, text: label(timeline, index, pitch), row: 0 }] : []);
  for (let index = labels.length - 1; index >= 0; index -= 1) {
    const placed = labels[index]!;
    const end = placed.step * pitch + length(placed.text);
    const covered = labels.slice(index + 1).filter(({ step }) => step * pitch < end);
    const above = Math.max(-1, ...covered.map(({ row }) => row)) + 1;
    const free = [0, 1, 2, 3].find((row) => covered.every((other) => other.row !== row));
    placed.row = above <= highest ? above : free ?? above;
  }
  return labels;
}

/** Behind a wrong value: what the field should be, or what the guest left in it. */
export function aside({ expected }: TimelineStep, name: string, width: number, before: string): string {
  const value = expected?.[name];
  return value === undefined ? ` ← was ${before}` : ` ≠ ${hex(value, width)}`;
}

/** Runs of steps over which a field has one value and one meaning. */
export function fieldBars(timeline: Timeline, name: string, width: number, pitch: number): Bar[] {
  const bars: Bar[] = [];
  const guest = timeline.lanes[0]?.id;
  let known = false;
  let own = '';
  timeline.steps.forEach((step, index) => {
    const value = step.values[name] ?? 0;
    const changed = step.changed.includes(name);
    const wrong = step.wrong.includes(name);
    const full = hex(value, width);
    known ||= changed || wrong;
    // Between switch and reload the register holds what others put there.
    const others = step.lane !== guest && !wrong && own !== '' && full !== own;
    const tone = wrong ? 'lost' : others ? 'other' : known ? 'set' : 'none';
    const previous = bars.at(-1);
    if (previous && previous.tone === tone && previous.full.startsWith(full) && !changed) previous.to = index;
    else bars.push({ from: index, to: index, tone, text: '', full: wrong ? `${full}${aside(step, name, width, own)}` : full });
    if (!wrong && !others) own = full;
  });
  for (const bar of bars) {
    const room = Math.floor(((bar.to - bar.from + 1) * pitch - 12) / characterWidth);
    const value = timeline.steps[bar.from]?.values[name] ?? 0;
    const plain = hexForms(value, width);
    bar.text = bar.tone === 'none' ? ''
      : bar.tone === 'lost' ? fitting([bar.full, ...plain.map((form) => `✗ ${form}`), '✗'], room)
      : fitting(plain, room);
  }
  return bars;
}

export function layOut(timeline: Timeline): Layout {
  const count = Math.max(1, timeline.steps.length);
  const names = timeline.lanes.map(({ name }) => nameLines(name));
  const margin = Math.max(52, ...names.flat().map((line) => line.length * 6.6 + 10));
  const pitch = Math.max(narrowest, (room - margin - overhang) / count);
  const width = margin + count * pitch + overhang;
  const lanes: LaneLine[] = [];
  let y = 0;
  timeline.lanes.forEach((lane, index) => {
    const below = index > 0 && index === timeline.lanes.length - 1;
    const labels = placeLabels(timeline, lane.id, pitch);
    const rows = Math.max(1, ...labels.map(({ row }) => row + 1)) * rowHeight + 12;
    y += below ? 44 : rows;
    const kind = lane.kind === 'guest' && index > 0 ? 'other' : lane.kind;
    lanes.push({ ...lane, kind, nameLines: names[index] ?? [], y, labels, below });
    y += below ? rows : index < timeline.lanes.length - 1 ? 10 : 0;
  });
  const barsTop = y + 18;
  const barHeight = 26;
  return {
    width, pitch, lanes, barsTop, barHeight, left: margin,
    height: barsTop + timeline.fields.length * barHeight,
    bars: timeline.fields.map(({ name, width }) => ({ name, bars: fieldBars(timeline, name, width, pitch) })),
  };
}

export const labelY = (lane: LaneLine, row: number): number =>
  lane.below ? lane.y + 24 + row * rowHeight : lane.y - 14 - row * rowHeight;
