/** How a value is printed where the page writes `written`: hexadecimal, binary or decimal, grouped and padded alike. */
export function printLike(value: unknown, written: string): string {
  if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isInteger(value))) return print(value);
  const number = BigInt(value);
  const sign = number < 0n ? '-' : '';
  const magnitude = number < 0n ? -number : number;
  const style = /^-?(?:0x([\da-f_']*)|([\da-f_']+)h|0b([01_']+)|([\d_',]+))$/i.exec(written);
  if (style?.[1] !== undefined) return `${sign}0x${digits(magnitude, 16, style[1])}`;
  if (style?.[2] !== undefined) return `${sign}${digits(magnitude, 16, style[2])}${written.endsWith('H') ? 'H' : 'h'}`;
  if (style?.[3] !== undefined) return `${sign}0b${digits(magnitude, 2, style[3])}`;
  if (style?.[4] !== undefined) return sign + digits(magnitude, 10, style[4]);
  return sign + String(magnitude);
}

/** Case, leading zeros and separators as in `written`. */
function digits(magnitude: bigint, radix: number, written: string): string {
  const bare = written.replace(/[_',]/g, '');
  const text = magnitude.toString(radix).padStart(bare.startsWith('0') ? bare.length : 1, '0');
  const cased = /[A-F]/.test(bare) ? text.toUpperCase() : text;
  const group = /([_',])([\da-f]+)$/i.exec(written);
  if (!group) return cased;
  const size = group[2]!.length;
  return cased.replace(new RegExp(`(?!^)(?=(.{${size}})+$)`, 'g'), group[1]!);
}

function print(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'notation' in value) return String(value.notation);
  if (value instanceof Error) return String(value);
  return typeof value === 'object' && value !== null ? JSON.stringify(plain(value)) : String(value);
}

const limit = 100_000;

/**
 * A value as JSON can carry it: bigints as `{"$bigint":"0x…"}`, bytes as `{"$bytes":"…"}`, maps and sets as arrays,
 * instances as their own data. Functions, symbols, cycles and what is beyond `limit` members are left out.
 */
export function plain(value: unknown): unknown {
  let members = 0;
  const reduce = (item: unknown, above: unknown[]): unknown => {
    if (typeof item === 'bigint') return { $bigint: printLike(item, '0x') };
    if (typeof item === 'number') return Number.isFinite(item) ? item : { $number: String(item) };
    if (typeof item === 'string' || typeof item === 'boolean' || item === null) return item;
    if (typeof item !== 'object' || above.includes(item) || (members += 1) > limit) return undefined;
    if (item instanceof Uint8Array) {
      members += item.length;
      return members > limit ? undefined : { $bytes: Buffer.from(item).toString('hex') };
    }
    const within = [...above, item];
    if (item instanceof Error) {
      return { name: item.name, message: item.message, ...reduceMembers(item, within) };
    }
    if (Array.isArray(item)) return item.map((each) => reduce(each, within) ?? null);
    if (ArrayBuffer.isView(item) && !(item instanceof DataView)) return reduce([...item as unknown as number[]], above);
    if (item instanceof Map || item instanceof Set) return [...item].map((each) => reduce(each, within) ?? null);
    return reduceMembers(item, within);
  };
  const reduceMembers = (item: object, within: unknown[]): Record<string, unknown> => {
    const result: Record<string, unknown> = {};
    for (const [name, member] of Object.entries(item)) {
      const reduced = reduce(member, within);
      if (reduced !== undefined) result[name] = reduced;
    }
    return result;
  };
  const result = reduce(value, []);
  return members > limit ? undefined : result;
}

/** The inverse of `plain` for what it tags. */
export function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== 'object' || value === null) return value;
  const { $bigint, $bytes, $number } = value as Record<string, unknown>;
  if (typeof $bigint === 'string') return $bigint.startsWith('-') ? -BigInt($bigint.slice(1)) : BigInt($bigint);
  if (typeof $bytes === 'string') return Uint8Array.from(Buffer.from($bytes, 'hex'));
  if (typeof $number === 'string') return Number($number);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, revive(member)]));
}
