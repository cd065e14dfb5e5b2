import { transform } from 'sucrase';

/** TypeScript to JavaScript, line by line; a syntax error carries its place. */
export function stripTypes(code: string): string {
  try {
    return transform(code, { transforms: ['typescript'], disableESTransforms: true }).code;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const match = /^(?:Error transforming[^:]*: )?(.*?)(?: \((\d+):(\d+)\))$/s.exec(message);
    throw Object.assign(new SyntaxError(match?.[1] ?? message), {
      place: match && { line: Number(match[2]), column: Number(match[3]) },
    });
  }
}
