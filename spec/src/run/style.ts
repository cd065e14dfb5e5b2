/** How text is emphasised: not at all, or with the colours of a terminal. */

export interface Style {
  readonly strong: (text: string) => string;
  readonly quiet: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly hidden: (text: string) => string;
}

const as = (text: string): string => text;
export const PLAIN: Style = { strong: as, quiet: as, good: as, bad: as, hidden: as };

const sgr = (on: number, off: number) =>
  (text: string): string => (text === '' ? '' : `\u001B[${on}m${text}\u001B[${off}m`);
/** Select Graphic Rendition, ECMA-48, 8.3.117. */
export const TERMINAL: Style = {
  strong: sgr(1, 22), quiet: sgr(2, 22), good: sgr(32, 39), bad: sgr(31, 39), hidden: sgr(36, 39),
};
