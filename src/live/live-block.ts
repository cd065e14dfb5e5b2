import type { BlockData } from './block-data.ts';
import type { Editor } from './editor.ts';
import { readLink, writeLink } from './link.ts';
import { Outcome } from './outcome.ts';
import { run, warm } from './runner.ts';

/** A code block that runs, is edited, reset, copied and shared. All it shows at first was baked in at build. */
class LiveBlock extends HTMLElement {
  #data!: BlockData;
  #outcome!: Outcome;
  #editor: Editor | undefined;
  #running = false;

  connectedCallback(): void {
    this.#data = JSON.parse(this.querySelector('script')?.textContent ?? '{}') as BlockData;
    this.#outcome = new Outcome(this, this.#data.id);
    const on = (name: string, act: () => unknown): void => {
      this.#button(name)?.addEventListener('click', () => void act());
    };
    on('run', () => this.run());
    on('edit', () => this.edit());
    on('reset', () => this.reset());
    on('copy', () => this.#copy());
    on('link', () => this.#share());
    this.addEventListener('pointerenter', () => this.#button('run') && warm(), { once: true });
    this.addEventListener('focusin', () => this.#button('run') && warm(), { once: true });
    this.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        void this.run();
      }
    });
    void this.#openLink();
    window.addEventListener('hashchange', () => void this.#openLink());
  }

  async run(): Promise<void> {
    const button = this.#button('run');
    if (this.#running || !button) return;
    this.#running = true;
    button.disabled = true;
    this.#outcome.begin(this.#editor);
    const code = this.#editor?.value ?? this.#data.code;
    try {
      const baked = code === this.#data.code ? this.#data.program ?? code : undefined;
      const program = baked ?? (await import('./strip-types.ts')).stripTypes(code);
      const offset = this.#data.prelude.split('\n').length - 1;
      await run({ program: this.#data.prelude + program, offset, fault: this.#data.fault },
        (report) => this.#outcome.take(report));
    } catch (error) {
      const { name, message, place } = error as Error & { place?: { line: number; column: number } };
      this.#outcome.take({ type: 'done', exports: [], errors: [{ name, message, ...(place && { place }) }] });
    }
    this.#running = false;
    button.disabled = false;
  }

  async edit(code = this.#data.code): Promise<void> {
    if (!this.#editor) {
      const { openEditor } = await import('./editor.ts');
      const source = this.querySelector<HTMLElement>('.source')!;
      this.#editor = openEditor(source, code, `Code of ${this.#data.id}, editable`, () => this.#outcome.edited());
      this.classList.add('editing');
      this.#hide('edit', true);
      this.#hide('reset', false);
    } else {
      this.#editor.value = code;
    }
    this.#editor.focus();
  }

  reset(): void {
    this.#editor?.close();
    this.#editor = undefined;
    this.classList.remove('editing');
    this.#hide('edit', false);
    this.#hide('reset', true);
    this.#outcome.reset();
    this.#button('edit')?.focus();
  }

  async #copy(): Promise<void> {
    const text = this.#edited() ?? this.#data.copy;
    const done = await navigator.clipboard.writeText(text).then(() => true, () => false);
    this.#say('copy', done ? 'Copied' : 'Not allowed');
  }

  async #share(): Promise<void> {
    const edited = this.#edited();
    const hash = edited === undefined ? `#${this.#data.id}` : await writeLink(this.#data.id, edited);
    history.replaceState(null, '', hash);
    await navigator.clipboard.writeText(location.href).catch(() => {}); // The address bar has it in any case.
    this.#say('link', 'Link copied');
  }

  /** Code from a link is shown and never run by itself. */
  async #openLink(): Promise<void> {
    const code = await readLink(this.#data.id, location.hash);
    if (code === undefined || !this.#button('edit')) return;
    await this.edit(code);
    this.#outcome.fromLink();
    this.scrollIntoView();
  }

  /** The editor's text where it is not the page's. */
  #edited(): string | undefined {
    return this.#editor && this.#editor.value !== this.#data.code ? this.#editor.value : undefined;
  }

  #button(name: string): HTMLButtonElement | null {
    return this.querySelector<HTMLButtonElement>(`.actions .${name}`);
  }

  #hide(name: string, hidden: boolean): void {
    const button = this.#button(name);
    if (button) button.hidden = hidden;
  }

  #say(name: string, text: string): void {
    const button = this.#button(name)!;
    const before = button.textContent;
    button.textContent = text;
    setTimeout(() => {
      button.textContent = before;
    }, 1500);
  }
}

customElements.define('live-block', LiveBlock);
