/** `npm run bench`: all measurements in one run. With arguments, only the sections they name: `npm run bench -- doctests`. */
import { fileURLToPath } from 'node:url';
import { Sentence } from '../tools/sentence.ts';
import { printSections, type Section } from './table.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const sections: Record<string, () => Promise<Section>> = {
  start: async () => (await import('./start.ts')).startOfAnEngine(),
  mips: async () => (await import('./mips.ts')).guestMips(),
  x87: async () => (await import('./x87.ts')).x87Operations(),
  peers: async () => (await import('./peers.ts')).besidePeers(),
  interpretation: async () => (await import('./interpretation.ts')).interpretation(),
  'floating-point': async () => (await import('./floating-point.ts')).floatingPoint(),
  boundaries: async () => (await import('./boundaries.ts')).boundariesExplored(),
  doctests: async () => (await import('./doctests.ts')).doctests(root),
  'page-weight': async () => (await import('./page-weight.ts')).pageWeight(root),
};

/** One measurement that cannot be made does not take the others with it. */
const notMeasured = (name: string) => (error: unknown): Section => {
  console.error(error instanceof Sentence ? error.message : error);
  process.exitCode = 1;
  return { title: name, rows: [{ what: 'not measured', value: 'see above' }] };
};

const named = process.argv.slice(2);
const unknown = named.filter((name) => !(name in sections));
if (unknown.length > 0) {
  console.error(`There is no section "${unknown[0]}". The sections are: ${Object.keys(sections).join(', ')}.`);
  process.exitCode = 1;
} else {
  const measured: Section[] = [];
  for (const name of named.length > 0 ? named : Object.keys(sections)) {
    measured.push(await sections[name]!().catch(notMeasured(name)));
  }
  console.log(printSections(measured));
}
