import type { Counterexample, Verdict, VerdictTable, VerdictWords, Window } from 'hidden-state';
import { type Html, html, slug } from './html.ts';
import { hex, plural } from './values.ts';

export interface VerdictTableOptions {
  id: string;
  caption?: string;
  /** `policy/cpu` of the cell that is open as long as the reader opened none; the first lost cell otherwise. */
  open?: string;
  /** Each row says the commit that its policy is from, where it is from one. */
  commits?: boolean;
  /** At build `open` must name such a cell; after an edit the cell may have become transparent. */
  strict?: boolean;
}

interface Outcome {
  tone: 'kept' | 'lost' | 'part' | 'ended';
  glyph: string;
  text: string;
  /** What a screen reader says in place of the glyph. */
  spoken: string;
}

const names = (fields: readonly string[], most: number): string =>
  fields.length > most + 1 ? `${fields.slice(0, most).join(', ')} +${fields.length - most}` : fields.join(', ');

/** A field that is narrowed to some of its bits, `FIP[63:32]`. */
const narrowed = (label: string): boolean => label.endsWith(']');

/** Where the guest was run on to its end. */
function ofConsequence({ outcome, text }: NonNullable<Verdict['consequence']>): Outcome {
  switch (outcome) {
    case 'identical': return { tone: 'kept', glyph: '✓', text: '', spoken: 'identical' };
    case 'faulting': return { tone: 'part', glyph: '!', text, spoken: 'faults:' };
    case 'wrong': return { tone: 'lost', glyph: '✗', text, spoken: '' };
  }
}

/** What a cell says; of many fields it names `most`. */
export function outcome(verdict: Verdict, most = 3): Outcome {
  const fields = names(verdict.fields, most);
  if (verdict.consequence && !verdict.ended) return ofConsequence(verdict.consequence);
  if (verdict.windows?.length) {
    return verdict.windows.every(({ harmless }) => harmless)
      ? { tone: 'part', glyph: '~', text: fields, spoken: 'open, with nothing lost:' }
      : { tone: 'lost', glyph: '✗', text: fields, spoken: 'ends in' };
  }
  if (verdict.transparent) {
    return verdict.ended
      ? { tone: 'ended', glyph: '–', text: verdict.ended, spoken: 'the guest ends here:' }
      : { tone: 'kept', glyph: '✓', text: '', spoken: 'transparent' };
  }
  if (verdict.counterexample?.kind === 'leaked') {
    return { tone: 'lost', glyph: '✗', text: `leak: ${fields}`, spoken: 'not transparent,' };
  }
  return verdict.fields.every(narrowed)
    ? { tone: 'part', glyph: '~', text: fields, spoken: 'lost in part:' }
    : { tone: 'lost', glyph: '✗', text: fields, spoken: 'lost:' };
}

/** Of a guest that is switched at its boundaries. */
const usual: VerdictWords = {
  where: 'boundary', reads: 'the world switch is visible to the guest', expected: 'Bare metal',
  found: 'Under this policy', smallest: 'The smallest guest that sees it', tried: ['boundary', 'boundaries'],
};

const said = (example: Counterexample, consequence: Verdict['consequence'], words: VerdictWords): Html => {
  const after = html`<code>${example.after || 'no instruction'}</code> (${words.where} ${example.boundary})`;
  if (!consequence) return html`<p>After ${after} ${words.reads}:</p>`;
  const { outcome, ending } = consequence;
  const what = outcome === 'wrong' ? 'the guest ends as it should, with other values:'
    : html`${ending.where === 'hypervisor' ? 'the hypervisor' : 'the guest'} ends with <code>${ending.how}</code>:`;
  return html`<p>With a world switch after ${after} ${what}</p>`;
};

export function counterexample(
  example: Counterexample, consequence?: Verdict['consequence'], words: VerdictWords = usual,
): Html {
  const opening = said(example, consequence, words);
  if (consequence && example.differences.length === 0) return opening;
  return html`${opening}
<div class="scroll" tabindex="0" role="group" aria-label="What differs">
<table class="differences"><thead><tr><th scope="col">Field</th><th scope="col">${words.expected}</th>
<th scope="col">${words.found}</th></tr></thead><tbody>${example.differences.map(
    (difference) => html`<tr><th scope="row"><code>${difference.label}</code></th>
<td><code>${hex(difference.bareMetal, difference.width)}</code></td>
<td class="lost"><b aria-hidden="true">✗</b> <code>${hex(difference.underPolicy, difference.width)}</code>${
      difference.kind === 'leaked' ? ' from another vCPU' : ''}</td></tr>`,
  )}</tbody></table></div>${example.smallest.length > 0 &&
    html`<p>${words.smallest}:</p><pre tabindex="0" role="group" aria-label="${words.smallest}"><code>${
      example.smallest.join('\n')}</code></pre>`}`;
}

/** What happens at boundaries of the host ends in, how often, and where. */
export function windows(all: readonly Window[], tried: number): Html {
  return html`<p>It can happen at ${plural(tried, 'boundary', 'boundaries')}. Where it does not end well:</p>
<div class="scroll" tabindex="0" role="group" aria-label="Where it does not end well">
<table class="differences"><thead><tr><th scope="col">Ends in</th><th scope="col">Boundaries</th>
<th scope="col">In</th></tr></thead><tbody>${all.map(({ outcome, harmless, boundaries, where }) =>
    html`<tr><th scope="row">${outcome}</th><td class="${harmless ? 'part' : 'lost'}">${boundaries}</td><td class="where">${
      where.map(({ name, boundaries }, index) => html`${index > 0 && ', '}<code>${name}</code> ${boundaries}`)}</td></tr>`,
  )}</tbody></table></div>`;
}

/** Policies by year × CPUs. A cell is a link to its counterexample below the table, so it works without JavaScript. */
export function verdictTable(table: VerdictTable, options: VerdictTableOptions): Html {
  const cells = table.rows.flatMap(({ policy, cells }) =>
    cells.map((verdict, column) => {
      const cpu = table.cpus[column] ?? { id: String(column), name: verdict.cpu };
      return { policy, cpu, verdict, anchor: `${options.id}-${slug(policy.id)}-${slug(cpu.id)}`, ...outcome(verdict) };
    }),
  );
  const broken = cells.filter(({ verdict }) => verdict.counterexample ?? verdict.windows?.length);
  const name = ({ policy, cpu }: (typeof cells)[number]): string => `${policy.id}/${cpu.id}`;
  const named = broken.find((each) => name(each) === options.open);
  if (options.strict && options.open !== undefined && !named) {
    const there = broken.map(name).join(', ');
    throw new Error(`open="${options.open}" names no cell with a counterexample; there are ${there}`);
  }
  const open = named ?? broken[0];
  const cell = ({ verdict, anchor, tone, glyph, text, spoken }: (typeof cells)[number]): Html => {
    const content = html`<b aria-hidden="true">${glyph}</b><span class="hush">${spoken} </span>${text}`;
    return html`<td class="${tone}" title="${plural(verdict.boundaries, ...(table.words ?? usual).tried)} tried">${
      verdict.counterexample ?? verdict.windows?.length ? html`<a href="#${anchor}">${content}</a>` : content}</td>`;
  };
  const width = table.cpus.length;
  return html`<verdict-table>${options.caption && html`<p class="caption">${options.caption}</p>`}
<div class="scroll" tabindex="0" role="group" aria-label="Policies by ${
    table.across ?? 'CPUs'}"><table class="verdict-table">
<thead><tr><th scope="col">Policy</th>${table.cpus.map(({ name }) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${table.rows.map(
    ({ policy }, row) => html`<tr><th scope="row" title="${policy.summary}"><span class="when">${policy.year}</span>
<span class="name">${policy.name}</span>${
      options.commits && policy.commit && html` <code class="commit">${policy.commit}</code>`}</th>${cells.slice(row * width, (row + 1) * width).map(cell)}</tr>`,
  )}</tbody></table></div>
<div class="counterexamples">${broken.map(
    ({ policy, cpu, verdict, anchor }) => html`<section id="${anchor}" class="counterexample"${
      anchor === open?.anchor && html` data-default`} aria-labelledby="${anchor}-title">
<h3 id="${anchor}-title">${cpu.name}, ${policy.name} <small>${policy.year}${
      policy.commit && html` · <code>${policy.commit}</code>`}</small></h3>
${policy.summary && html`<p class="summary">${policy.summary}</p>`}
${verdict.counterexample && counterexample(verdict.counterexample, verdict.consequence, table.words)}${
      verdict.windows?.length && windows(verdict.windows, verdict.boundaries)}</section>`,
  )}</div></verdict-table>`;
}
