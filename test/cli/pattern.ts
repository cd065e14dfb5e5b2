/** A message to be matched: a text whole, a pattern as it is. */
export const pattern = (message: string | RegExp): RegExp =>
  (message instanceof RegExp ? message : new RegExp(`^${message.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)}$`));
