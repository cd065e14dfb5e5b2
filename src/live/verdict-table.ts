/** Marks the cell whose counterexample is open; opening itself needs no script. */
class VerdictTableElement extends HTMLElement {
  connectedCallback(): void {
    window.addEventListener('hashchange', this.#mark);
    this.#mark();
  }

  disconnectedCallback(): void {
    window.removeEventListener('hashchange', this.#mark);
  }

  #mark = (): void => {
    const open = this.querySelector('.counterexample:target') ?? this.querySelector('.counterexample[data-default]');
    for (const link of this.querySelectorAll('td a')) {
      if (open && link.getAttribute('href') === `#${open.id}`) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
  };
}

customElements.define('verdict-table', VerdictTableElement);
