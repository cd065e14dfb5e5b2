/** A block's edited code in a URL's fragment: it reaches no server. */
const prefix = '#code=';

type Bytes = Uint8Array<ArrayBuffer>;

async function pipe(bytes: Bytes, stream: ReadableWritablePair<Uint8Array, BufferSource>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

export async function writeLink(block: string, code: string): Promise<string> {
  const bytes = await pipe(new TextEncoder().encode(code), new CompressionStream('deflate-raw'));
  const text = btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  return `${prefix}${block}:${text}`;
}

/** The code that the address carries for this block, if it does. */
export async function readLink(block: string, hash: string): Promise<string | undefined> {
  if (!hash.startsWith(`${prefix}${block}:`)) return undefined;
  try {
    const text = hash.slice(prefix.length + block.length + 1).replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return new TextDecoder().decode(await pipe(bytes, new DecompressionStream('deflate-raw')));
  } catch {
    return undefined; // Cut short on its way: the block as it stands is then the better answer.
  }
}
