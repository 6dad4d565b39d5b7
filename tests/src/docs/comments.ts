import { lineAt, type Source, type Violation } from "../rules/source.ts";
import { sentencesOf } from "./prose.ts";

/** Longest sentence of a comment, words. */
const MAX_WORDS = 30;

/** Turns that a reader has to read twice, and what to say. */
const TURNS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:is|are|was|were) wont\b/i, "usually"],
  [/\bfor want of\b/i, "for lack of"],
  [/\bfor the sake of\b/i, "for"],
  [/\bfor all we know\b/i, "as far as is known"],
  [/\bso long as to\b/i, "long enough to"],
  [/\bwhoever\b/i, "the one who does it, by its name"],
  [/\bwhom\b/i, "a sentence about the one who acts"],
  [/\b(?:t|w)here(?:of|by|in|upon|with|from)\b/i, "of it, by it, in it"],
  [/\b(?:lest|whilst|henceforth|albeit|upon|shall)\b/i, "so that ... not, while, from now on, although, on, must"],
  [/\bwere to (?:be|have)\b/i, "should be, should have"],
  [/\bsomebody else's\b/i, "what owns it, by its name"],
  [/\b(?:ours|theirs|yours) no more\b/i, "no longer ours"],
  [/\b(?:broker|server|database) that is away\b/i, "a broker that does not answer, or a lost connection"],
];

/** Files whose comments were written before these limits and are not mended yet. The list only gets shorter. */
const NOT_MENDED_YET: ReadonlySet<string> = new Set([
  "libs/tasks/src/lead/charges.ts",
  "libs/tasks/src/testing/run_task.ts",
]);

const COMMENT = /\/\*[\s\S]*?\*\/|(?:^[ \t]*\/\/ .*\n?)+|(?<=\s)\/\/ .*/gm;
const PROOF = /^Tested by /;

/** A comment as a page: without its marks, and with each indented line, as those of a table of states, as an item of a list. */
function pageOf(comment: string): string {
  return comment
    .replace(/\*\/$/, "")
    .split("\n")
    .map((line) => line.replace(/^\s*(?:\/\*\*?|\*|\/\/) ?/, ""))
    .map((line) => (PROOF.test(line) ? "" : line.replace(/^\s{2,}/, "- ")))
    .join("\n");
}

/** Sentences in the product's comments that a reader has to read twice: over 30 words, or with a turn of another age. */
export function findHardComments(sources: readonly Source[]): Violation[] {
  return sources
    .filter(({ path, purpose }) => purpose === "product" && !NOT_MENDED_YET.has(path))
    .flatMap(({ path, text }) =>
      [...text.matchAll(COMMENT)].flatMap(({ 0: comment, index }) =>
        sentencesOf(pageOf(comment)).flatMap(({ line, words, text: sentence }) => {
          const at = { path, line: lineAt(text, index) + line - 1 };
          const start = `"${sentence.slice(0, 60)}"`;
          const found = TURNS.filter(([pattern]) => pattern.test(sentence)).map(([pattern, better]) => ({
            ...at,
            message: `${start} has ${pattern.source}: say "${better}"`,
          }));
          if (words <= MAX_WORDS) return found;
          return [...found, { ...at, message: `${start} has ${words} words; ${MAX_WORDS} are the limit: make it two` }];
        }),
      ),
    );
}
