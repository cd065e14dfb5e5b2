import type { Editor } from './editor.ts';
import type { Export, Report, RunError } from './protocol.ts';

/** What a block shows of its last run: badge, marks at its lines, output, and the figures drawn from its exports. */
export class Outcome {
  readonly #block: HTMLElement;
  readonly #id: string;
  readonly #badge: HTMLElement;
  readonly #output: HTMLElement;
  readonly #baked: { badge: string; tone: string; output: string; lines: Map<Element, string> };
  #editor: Editor | undefined;
  #checks = 0;

  constructor(block: HTMLElement, id: string) {
    this.#block = block;
    this.#id = id;
    this.#badge = block.querySelector<HTMLElement>('.badge')!;
    this.#output = block.querySelector<HTMLElement>('.output')!;
    const lines = [...block.querySelectorAll('.source .line')];
    this.#baked = {
      badge: this.#badge.textContent, tone: this.#badge.className, output: this.#output.innerHTML,
      lines: new Map(lines.map((line) => [line, line.className])),
    };
  }

  begin(editor: Editor | undefined): void {
    this.#editor = editor;
    this.#checks = 0;
    this.#say('running', 'running …');
    this.#output.replaceChildren();
    for (const line of this.#baked.lines.keys()) line.className = 'line';
    editor?.unmark();
  }

  take(report: Report): void {
    if (report.type === 'log') this.#print('pre', report.level, report.text);
    if (report.type === 'check') {
      // Earlier blocks of a group run before this one, on lines above the first: their checks are theirs.
      if (report.line > 0) this.#checks += report.count;
      this.#mark(report.line, report.passed);
    }
    if (report.type === 'done') this.#end(report.exports, report.errors);
  }

  /** The reader changed the text: marks and badge of the last run no longer say anything about it. */
  edited(): void {
    this.#say('edited', 'edited, not run yet');
    this.#editor?.unmark();
  }

  fromLink(): void {
    this.#say('edited', 'edited code from a link: read it, then press Run');
  }

  reset(): void {
    this.#badge.textContent = this.#baked.badge;
    this.#badge.className = this.#baked.tone;
    this.#output.innerHTML = this.#baked.output;
    for (const [line, className] of this.#baked.lines) line.className = className;
    void import('./redraw.ts').then(({ restore }) => restore(this.#id));
  }

  #say(tone: string, text: string): void {
    this.#badge.className = `badge ${tone}`;
    this.#badge.textContent = text;
  }

  #print(tag: string, className: string, text: string): void {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    this.#output.append(element);
  }

  #mark(line: number, passed: boolean): void {
    // Of two checks on a line the ✗ outweighs the ✓ (the stylesheet sees to it).
    if (this.#editor) this.#editor.mark(line, passed);
    else this.#block.querySelector(`.source [data-line="${line}"]`)?.classList.add(passed ? 'pass' : 'fail');
  }

  #end(exports: Export[], errors: RunError[]): void {
    for (const { name, message, place } of errors) {
      const at = place && place.line > 0 ? `line ${place.line}, column ${place.column}: ` : '';
      this.#print('pre', 'failure', `${at}${name === 'Error' || name === 'Stopped' ? '' : `${name}: `}${message}`);
      if (place) this.#mark(place.line, false);
    }
    const checks = this.#checks > 0 ? ` · ${this.#checks} ${this.#checks === 1 ? 'check' : 'checks'}` : '';
    if (errors.length === 0) this.#say('passed', `passed${checks}`);
    else this.#say('failed', errors.some(({ name }) => name === 'Stopped') ? 'stopped' : 'failed');
    if (exports.length === 0) return;
    void import('./redraw.ts').then(({ redraw, summary }) => {
      for (const each of exports) this.#print('pre', 'exports', `${each.name}: ${summary(each)}`);
      redraw(this.#id, exports);
    });
  }
}
