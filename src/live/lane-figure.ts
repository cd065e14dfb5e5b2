import { valueInset } from '../figures/lanes-layout.ts';

/** Scrubs a drawn timeline: slider, arrow keys, wheel, touch; the step is in the address's fragment. */
class LaneFigure extends HTMLElement {
  #step = 1;

  connectedCallback(): void {
    this.#step = Number(this.dataset.step);
    this.querySelector('input')?.addEventListener('input', (event) => {
      this.show(Number((event.target as HTMLInputElement).value));
    });
    for (const button of this.querySelectorAll<HTMLButtonElement>('[data-by]')) {
      button.addEventListener('click', () => this.show(this.#step + Number(button.dataset.by)));
    }
    const drawing = this.querySelector<HTMLElement>('.drawing');
    drawing?.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
    drawing?.addEventListener('pointerdown', (event) => {
      if (event.button === 0 && !(event.target as Element).closest('a')) this.#drag(drawing, event);
    });
    drawing?.addEventListener('scroll', () => this.#keepWhole(drawing), { passive: true });
    this.addEventListener('click', (event) => this.#follow(event));
    window.addEventListener('hashchange', this.#fromAddress);
    this.show(this.#step);
    this.#fromAddress();
  }

  disconnectedCallback(): void {
    window.removeEventListener('hashchange', this.#fromAddress);
  }

  show(step: number): void {
    const { id = '', count = '1', left = '0', pitch = '0' } = this.dataset;
    this.#step = Math.max(1, Math.min(Number(count), step));
    const at = String(this.#step);
    this.querySelector('.cursor')?.setAttribute('x', String(Number(left) + (this.#step - 1) * Number(pitch)));
    for (const item of this.querySelectorAll('.steps li')) {
      item.classList.toggle('current', item.id === `${id}-step-${at}`);
    }
    for (const event of this.querySelectorAll<SVGElement>('.event')) {
      event.classList.toggle('current', event.dataset.step === at);
    }
    for (const bar of this.querySelectorAll<SVGElement>('.bar')) bar.classList.toggle('lit', bar.dataset.from === at);
    this.#scrollTo(Number(left) + (this.#step - 0.5) * Number(pitch));
    const input = this.querySelector('input');
    if (input) {
      input.value = at;
      input.setAttribute('aria-valuetext', this.querySelector(`#${id}-step-${at} .what`)?.textContent ?? at);
    }
    this.querySelector('.permalink')?.setAttribute('href', `#${id}-step-${at}`);
  }

  /** A long timeline scrolls; the step stays in view. */
  #scrollTo(x: number): void {
    const drawing = this.querySelector('.drawing');
    if (drawing && drawing.scrollWidth > drawing.clientWidth) drawing.scrollLeft = x - drawing.clientWidth / 2;
  }

  /**
   * What scrolls out on the left is not cut in the middle, where the rest would look like another value: a bar's value
   * moves along its bar as far as it goes, and what has no room any more is not shown.
   */
  #keepWhole(drawing: HTMLElement): void {
    const edge = Number(this.dataset.left) + drawing.scrollLeft;
    const values = [...drawing.querySelectorAll<SVGTextElement>('.bar text')].map((text) => {
      const bar = (text.previousElementSibling as SVGRectElement).getBBox();
      return { text, start: bar.x + valueInset, last: bar.x + bar.width - text.getComputedTextLength() - valueInset };
    });
    for (const { text, start, last } of values) {
      const x = Math.max(start, Math.min(edge + valueInset, last));
      text.setAttribute('x', String(x));
      text.classList.toggle('cut', x < edge);
    }
    for (const text of drawing.querySelectorAll<SVGTextElement>('.event text')) {
      text.classList.toggle('cut', Number(text.getAttribute('x')) < edge);
    }
  }

  #fromAddress = (): void => {
    const match = /^#(.+)-step-(\d+)$/.exec(location.hash);
    if (match?.[1] === this.dataset.id) this.show(Number(match?.[2]));
  };

  /** A step of this figure: shows it and names it in the address, without a jump of the page. */
  #follow(event: MouseEvent): void {
    const link = (event.target as Element).closest('a');
    const hash = link?.getAttribute('href') ?? '';
    if (!hash.startsWith(`#${this.dataset.id}-step-`)) return;
    event.preventDefault();
    history.replaceState(null, '', hash);
    this.show(Number(hash.split('-').at(-1)));
  }

  /** Only once the figure is in use (a click or the focus): a page that merely scrolls past it must not get stuck. */
  #wheel(event: WheelEvent): void {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!sideways && !this.contains(document.activeElement)) return;
    const before = this.#step;
    this.show(before + Math.sign(sideways ? event.deltaX : event.deltaY));
    if (this.#step !== before) event.preventDefault();
  }

  #drag(drawing: HTMLElement, start: PointerEvent): void {
    const svg = drawing.querySelector<SVGSVGElement>('svg:not(.names)');
    const matrix = svg?.getScreenCTM()?.inverse();
    if (!matrix) return;
    const move = (event: PointerEvent): void => {
      const { x } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
      this.show(1 + Math.floor((x - Number(this.dataset.left)) / Number(this.dataset.pitch)));
    };
    const end = (): void => {
      drawing.removeEventListener('pointermove', move);
      drawing.removeEventListener('pointerup', end);
      drawing.removeEventListener('pointercancel', end);
    };
    drawing.addEventListener('pointermove', move);
    drawing.addEventListener('pointerup', end);
    drawing.addEventListener('pointercancel', end);
    drawing.setPointerCapture(start.pointerId);
    move(start);
    this.querySelector('input')?.focus({ preventScroll: true });
  }
}

customElements.define('lane-figure', LaneFigure);
