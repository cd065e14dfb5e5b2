import type { FieldValue } from 'hidden-state';

/** As the manual prints it: all digits of the field's width, 64 bits in two halves. */
export function hex(value: FieldValue, width: number): string {
  const digits = BigInt(value).toString(16).padStart(Math.ceil(width / 4), '0');
  return digits.length > 8 ? digits.replace(/(?=(?:.{8})+$)/g, ' ').trim() : digits;
}

/** The same value in less and less room, the longest form first; the last one always fits. */
export function hexForms(value: FieldValue, width: number): string[] {
  const full = hex(value, width);
  const bare = full.replaceAll(' ', '');
  const forms = [full];
  if (bare.length > 8) forms.push(`…${bare.slice(-8)}`);
  if (bare.length > 4) forms.push(`…${bare.slice(-4)}`);
  return forms;
}

export const fitting = (forms: readonly string[], characters: number): string =>
  forms.find((form) => form.length <= characters) ?? '';

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
