import type { Violation } from "../rules/source.ts";
import type { Page } from "./markdown.ts";

/** A sentence of a page, without its markup. */
export interface Sentence {
  /** The line on which its paragraph begins, 1 first. */
  readonly line: number;
  readonly text: string;
  /** How many words it has. Code between backticks counts as one, as does a number. */
  readonly words: number;
}

/** A paragraph or a list's item, with the line on which it begins. */
interface Passage {
  readonly line: number;
  readonly text: string;
}

const FENCE = /^\s*(`{3,})/;
const HEADING = /^#{1,6}\s/;
const LIST_ITEM = /^\s*(?:[-*]|\d+\.)\s+/;
const TABLE_ROW = /^\s*\|/;

/** The passages of a page outside blocks of code and tables. */
function passagesOf(page: string): Passage[] {
  const passages: Passage[] = [];
  let fence: string | undefined;
  let open: { line: number; lines: string[] } | undefined;
  function close(): void {
    if (open !== undefined) passages.push({ line: open.line, text: open.lines.join(" ") });
    open = undefined;
  }
  for (const [index, line] of page.split("\n").entries()) {
    const number = index + 1;
    const mark = FENCE.exec(line)?.[1];
    if (mark !== undefined || fence !== undefined) {
      close();
      if (mark === undefined) continue;
      if (fence === undefined) fence = mark;
      else if (mark.startsWith(fence)) fence = undefined;
    } else if (line.trim() === "" || HEADING.test(line) || TABLE_ROW.test(line)) close();
    else if (open === undefined || LIST_ITEM.test(line)) {
      close();
      open = { line: number, lines: [line.replace(LIST_ITEM, "")] };
    } else open.lines.push(line.trim());
  }
  close();
  return passages;
}

/** A passage as a reader hears it: the text of its links, code as one word, no marks of bold and italics. */
function spoken(text: string): string {
  return text
    .replaceAll(/<br ?\/?>/g, ". ")
    .replaceAll(/`[^`]*`/g, "Code")
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/\*\*|(?<!\w)[*_](?=\w)|(?<=[\w.])[*_](?!\w)/g, "")
    .replaceAll(/<[^>]+>/g, " ")
    .replaceAll(/\b(?:e\.g|i\.e)\./g, "such as")
    .trim();
}

/** The sentences of a page outside blocks of code and tables. A sentence ends at a full stop, and where its passage ends. */
export function sentencesOf(page: string): Sentence[] {
  return passagesOf(page).flatMap(({ line, text }) =>
    spoken(text)
      .split(/(?<=[.!?][)"]?)\s+/)
      .map((sentence) => ({
        line,
        text: sentence,
        words: sentence.match(/[\p{L}\p{N}][\p{L}\p{N}'’.,%-]*/gu)?.length ?? 0,
      })),
  );
}

/** Longest sentence of a page, words. */
const MAX_WORDS = 30;
/** Sentences over that limit in the decisions up to this number, which were written before the limit. They only get fewer. */
const MAX_LONG_IN_OLD_DECISIONS = 50;
const LAST_OLD_DECISION = 56;

/** Turns that nobody says any more, and what to say. */
const ARCHAIC: readonly (readonly [RegExp, string])[] = [
  [/\banew\b/i, "again"],
  [/\bbut for\b/i, "except"],
  [/\bamiss\b/i, "wrong"],
  [/\blest\b/i, "so that ... not"],
  [/\bwhilst\b/i, "while"],
  [/\bhence(?:forth)?\b/i, "so"],
  [/\bupon\b/i, "on"],
  [/\bshall\b/i, "must"],
  [/\b(?:t|w)here(?:of|by|in|upon|with|from)\b/i, "of it, by it, in it"],
  [/\bso long for\b/i, "for as long as"],
];

function isOldDecision(path: string): boolean {
  const [, number] = /^docs\/decisions\/(\d{4})-/.exec(path) ?? [];
  return number !== undefined && Number(number) <= LAST_OLD_DECISION;
}

/** Sentences that a reader has to read twice: over 30 words, or with a word that nobody uses any more. */
export function findHardProse(pages: readonly Pick<Page, "path" | "text">[]): Violation[] {
  const found = pages.flatMap(({ path, text }) =>
    sentencesOf(text).flatMap(({ line, words, text: sentence }) => {
      const start = `"${sentence.slice(0, 60)}"`;
      const archaic = ARCHAIC.filter(([pattern]) => pattern.test(sentence) && !isOldDecision(path)).map(
        ([pattern, better]) => ({ path, line, message: `${start} has ${pattern.source}: say "${better}"` }),
      );
      if (words <= MAX_WORDS) return archaic;
      return [
        ...archaic,
        { path, line, message: `${start} has ${words} words; ${MAX_WORDS} are the limit: make it two` },
      ];
    }),
  );
  const old = found.filter(({ path }) => isOldDecision(path));
  const rest = found.filter(({ path }) => !isOldDecision(path));
  return old.length > MAX_LONG_IN_OLD_DECISIONS ? [...rest, ...old] : rest;
}
