import { html } from '../figures/html.ts';
import { plural } from '../figures/values.ts';
import { base } from '../site/base.ts';

interface Result {
  url: string;
  meta: { title?: string };
  excerpt: string;
  sub_results: { url: string; title: string; excerpt: string }[];
}

interface Pagefind {
  options(options: { excerptLength: number }): Promise<void>;
  debouncedSearch(query: string): Promise<{ results: { data(): Promise<Result> }[] } | null>;
}

const most = 8;
let dialog: HTMLDialogElement | undefined;

/** The index is made after the build, so its script is no module of ours; it searches in a worker of its own. */
async function load(): Promise<Pagefind> {
  const address = `${base}pagefind/pagefind.js`;
  const pagefind = (await import(/* @vite-ignore */ address)) as Pagefind;
  await pagefind.options({ excerptLength: 18 });
  return pagefind;
}

let engine: Promise<Pagefind> | undefined;

async function search(query: string, list: HTMLElement, status: HTMLElement): Promise<void> {
  let found: Result[] = [];
  try {
    engine ??= load();
    const answer = await (await engine).debouncedSearch(query);
    if (!answer) return; // A newer query is on its way.
    found = await Promise.all(answer.results.slice(0, most).map((result) => result.data()));
    const count = answer.results.length;
    status.textContent = query === '' ? '' : count === 0 ? 'No pages' : plural(count, 'page');
  } catch {
    engine = undefined;
    status.textContent = 'There is no search index: `npm run build` makes it, `npm start` does not.';
  }
  list.innerHTML = found.map(({ url, meta, excerpt, sub_results: parts }) => {
    // The excerpt is our own text with `<mark>` around the words found: rebuilt from its text, mark by mark.
    const marked = (text: string) => text.split(/<\/?mark>/).map((part, index) =>
      index % 2 ? html`<mark>${plain(part)}</mark>` : html`${plain(part)}`);
    const sections = parts.filter((part) => part.url !== url).slice(0, 2);
    return html`<li><a href="${url}"><b>${meta.title ?? url}</b><span>${marked(excerpt)}</span></a>${
      sections.map((part) => html`<a class="section" href="${part.url}"><b>${part.title}</b></a>`)}</li>`.text;
  }).join('');
}

function plain(markup: string): string {
  const template = document.createElement('template');
  template.innerHTML = markup;
  return template.content.textContent ?? '';
}

function build(): HTMLDialogElement {
  const element = document.createElement('dialog');
  element.className = 'search';
  element.setAttribute('aria-label', 'Search');
  element.innerHTML = `<form method="dialog"><input type="search"
 placeholder="A register, an instruction, a symptom …" aria-label="Search the pages"
 autocomplete="off" spellcheck="false"><button aria-label="Esc: close">Esc</button></form>
<p class="status" role="status"></p><ol></ol>`;
  const input = element.querySelector('input')!;
  const list = element.querySelector('ol')!;
  const status = element.querySelector<HTMLElement>('.status')!;
  input.addEventListener('input', () => void search(input.value.trim(), list, status));
  element.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && event.target === input) {
      event.preventDefault();
      list.querySelector('a')?.click();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const stops: HTMLElement[] = [input, ...list.querySelectorAll('a')];
    const here = stops.indexOf(document.activeElement as HTMLElement);
    stops[Math.max(0, Math.min(stops.length - 1, here + step))]?.focus();
  });
  element.addEventListener('click', (event) => {
    if (event.target === element || (event.target as Element).closest('a')) element.close();
  });
  document.body.append(element);
  return element;
}

export function openSearch(): void {
  dialog ??= build();
  if (dialog.open) return;
  dialog.showModal();
  dialog.querySelector('input')?.select();
}
