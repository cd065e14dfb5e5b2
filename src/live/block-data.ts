/** What the build bakes into each block for the browser. */
export interface BlockData {
  id: string;
  /** The whole block, hidden lines and their marks included. */
  code: string;
  /** The same as JavaScript, line by line; absent where it is JavaScript already. */
  program?: string;
  /** JavaScript that runs before it: the earlier blocks of its group. */
  prelude: string;
  /** What the copy button yields. */
  copy: string;
  fault?: string;
}
