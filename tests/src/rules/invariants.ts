import type { Source } from "./source.ts";

/** A promise of the protocol's page, e.g. `- I9 For each lock the tokens of committed transactions never fall.` */
export interface Invariant {
  /** E.g. `I9`. */
  readonly name: string;
  /** Its section says that it is not there yet, or is not proven by a test. */
  readonly isExcused: boolean;
}

/** What a section says in which no test can be, or is, expected. */
const EXCUSE = /\bNot there yet\b|\bNo test proves\b/;

/** The invariants of a page, in its order. */
export function readInvariants(page: string): Invariant[] {
  return page.split(/^## /m).flatMap((section) => {
    const isExcused = EXCUSE.test(section);
    return [...section.matchAll(/^- (I\d+) /gm)].map(([, name = ""]) => ({ name, isExcused }));
  });
}

/** A test whose name says before its colon what it proves. */
export interface Proof {
  readonly path: string;
  readonly title: string;
  readonly invariants: readonly string[];
}

const TITLE = /\btest(?:\.\w+)*\(\s*"((I\d+(?:, I\d+)*): [^"]*)"/g;

/** The tests that cite invariants. */
export function findProofs(sources: readonly Pick<Source, "path" | "text">[]): Proof[] {
  const tests = sources.filter(({ path }) => path.endsWith("_test.ts"));
  return tests.flatMap(({ path, text }) =>
    [...text.matchAll(TITLE)].map(([, title = "", cited = ""]) => ({ path, title, invariants: cited.split(", ") })),
  );
}
