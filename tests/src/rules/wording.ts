import { lineAt, type Source, type Violation } from "./source.ts";

/** What must not stand in a source, and what to do instead. Lint knows the rest. */
const REFUSED: readonly { readonly pattern: RegExp; readonly message: string }[] = [
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
];

/** Places whose wording the style refuses. */
export function findRefusedWording(sources: readonly Source[]): Violation[] {
  return sources
    .filter(({ folder, unit }) => unit !== "tests" || folder !== "rules") // these rules and their tests name what they refuse
    .flatMap(({ path, text }) =>
      REFUSED.flatMap(({ pattern, message }) =>
        [...text.matchAll(pattern)].map(({ index }) => ({ path, line: lineAt(text, index), message })),
      ),
    );
}
