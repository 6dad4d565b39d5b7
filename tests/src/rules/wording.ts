import { lineAt, type Source, type Violation } from "./source.ts";

interface Refusal {
  readonly pattern: RegExp;
  readonly message: string;
  /** How the paths begin for which it counts. Absent: it counts everywhere. */
  readonly under?: readonly string[];
}

/** What must not stand in a source, and what to do instead. Lint knows the rest; docs/reference/words.md explains the words. */
const REFUSED: readonly Refusal[] = [
  {
    pattern: /\btest(?:\.\w+)*\.(?:only|skip|todo|failing)\b/g,
    message: "a test that does not run, or that may fail, proves nothing: repair it or remove it",
  },
  {
    pattern: /\bcatch\s*(?:\([^)]*\))?\s*\{\s*\}|\.catch\(\(\w*\)\s*=>\s*\{\s*\}\)/g,
    message: "an error is swallowed: handle it, or say in a comment why it is none",
  },
  { pattern: /\bas unknown as\b/g, message: "the compiler is quieted: give the value its type" },
  { pattern: /(?:\/\/|\*).*\b(?:TODO|FIXME|XXX)\b/g, message: "open an issue, or do it" },
  {
    pattern: /\bclass\s+\w+\s+extends\s+(?!\w*Error\b|Migration\b)\w+/g,
    message: "only Error is extended, and what MikroORM runs as a migration: compose instead",
  },
  {
    pattern: /\bslots?\b|Slots?\b|\bSLOTS?\b/g,
    message: "a slot is room for one pilot at a CE, and the task system knows no CE: choose another word",
    under: ["libs/tasks/src/", "libs/ledger/src/"],
  },
  {
    pattern: /"(?:busy|blocked)"/g,
    message: "a lock that somebody has is held",
    under: ["libs/tasks/src/lease/", "libs/tasks/src/books/", "libs/tasks/src/locks/"],
  },
  {
    pattern: /\b[Ss]weeps?\b/g,
    message: "a worker surveys what waits; the scheduler sweeps",
    under: ["libs/tasks/src/pull/", "libs/tasks/src/policy/"],
  },
  {
    pattern: /(?:\/\/|\*)(?:.*\.)? Answers\b/g,
    message: 'a function returns, resolves or throws: write "Returns"',
  },
  { pattern: /\bMUSTER_CONCURRENCY\b/g, message: "what a worker has are permits: MUSTER_PERMITS" },
];

/** Places whose wording the style refuses. */
export function findRefusedWording(sources: readonly Source[]): Violation[] {
  return sources
    .filter(({ folder, unit }) => unit !== "tests" || folder !== "rules") // these rules and their tests name what they refuse
    .flatMap(({ path, text }) =>
      REFUSED.filter(({ under }) => under?.some((folder) => path.startsWith(folder)) ?? true).flatMap(
        ({ pattern, message }) =>
          [...text.matchAll(pattern)].map(({ index }) => ({ path, line: lineAt(text, index), message })),
      ),
    );
}
