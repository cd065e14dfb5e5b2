/** Where a rule is written down. Citations are data: tests demand them, pages print them. */

export type Citation =
  | {
    readonly kind: 'manual';
    readonly manual: 'Intel SDM' | 'AMD APM';
    readonly volume: string;
    readonly section: string;
    readonly edition: string;
  }
  | {
    readonly kind: 'commit';
    readonly project: 'Xen' | 'Linux';
    readonly commit: string;
    readonly date: string;
    readonly what: string;
  }
  | { readonly kind: 'source'; readonly project: 'Xen' | 'Linux'; readonly release: string; readonly where: string }
  | { readonly kind: 'measured'; readonly processor: string; readonly date: string; readonly what: string }
  | { readonly kind: 'inferred'; readonly from: string };

/** Intel 64 and IA-32 Architectures Software Developer's Manual; the edition read for this project. */
const SDM_EDITION = 'December 2016';

export const sdm = (volume: string, section: string): Citation =>
  ({ kind: 'manual', manual: 'Intel SDM', volume, section, edition: SDM_EDITION });

/** The same of an edition that has what came later, which was not at hand. */
export const laterSdm = (volume: string, section: string): Citation =>
  ({ kind: 'manual', manual: 'Intel SDM', volume, section, edition: 'later than 2016, from memory' });

/** AMD64 Architecture Programmer's Manual, which was not at hand either, but for what names its edition. */
export const apm = (volume: string, section: string, edition = '2023 or before, from memory'): Citation =>
  ({ kind: 'manual', manual: 'AMD APM', volume, section, edition });

/** A commit of the Xen project, by its abbreviated hash and the date it was committed; `what` is in our words. */
export const xenCommit = (commit: string, date: string, what: string): Citation =>
  ({ kind: 'commit', project: 'Xen', commit, date, what });

/** A commit of Linux, in the same way. */
export const linuxCommit = (commit: string, date: string, what: string): Citation =>
  ({ kind: 'commit', project: 'Linux', commit, date, what });

/** Seen on a named processor by a program that can be run again. */
export const measured = (processor: string, date: string, what: string): Citation =>
  ({ kind: 'measured', processor, date, what });

/** Read in the source of a release, where the commit that brought it was not looked up: the file and the function. */
export const sourceOfRelease = (project: 'Xen' | 'Linux', release: string, where: string): Citation =>
  ({ kind: 'source', project, release, where });

export const inferred = (from: string): Citation => ({ kind: 'inferred', from });

/** One line for people. */
export function printCitation(citation: Citation): string {
  switch (citation.kind) {
    case 'manual': return `${citation.manual} vol. ${citation.volume}, ${citation.section} (${citation.edition})`;
    case 'commit': return `${citation.project} ${citation.commit}, ${citation.date}: ${citation.what}`;
    case 'source': return `${citation.project} ${citation.release}, ${citation.where}`;
    case 'measured': return `measured on ${citation.processor}, ${citation.date}: ${citation.what}`;
    case 'inferred': return `inferred from ${citation.from}`;
  }
}
