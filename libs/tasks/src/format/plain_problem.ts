/**
 * What checks of values say, in the words of Muster's docs.
 *
 * Schemas of other libraries may have checked a payload. Of all texts only those that zod gives by itself are put into our words; what an
 * author's schema says stays as it is. A text is all that the common interface of such libraries has, so the texts are told apart here.
 */

/** One thing that a check has found wrong. zod's own have more fields. */
export interface CheckIssue {
  readonly message: string;
}

/** Greatest number of alternatives of a value that are told, and of known values. */
const MOST_TOLD = 4;
/** Greatest number of characters of one text. */
const LONGEST = 300;

/** Kinds of values as zod names them, and as the docs do. */
const KINDS: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  bigint: "a whole number",
  boolean: "true or false",
  object: "an object",
  record: "an object",
  map: "an object",
  array: "a list",
  tuple: "a list",
  set: "a list",
  date: "a date",
  undefined: "nothing",
  null: "null",
  NaN: "no number",
};

function kind(name: string): string {
  return KINDS[name] ?? name;
}

const BOUNDS: Readonly<Record<string, string>> = {
  ">=": "at least ",
  ">": "more than ",
  "<=": "at most ",
  "<": "less than ",
  "exactly ": "exactly ",
};

function bound(sign: string, number: string): string {
  return `${BOUNDS[sign] ?? sign}${number}`;
}

/** A text of zod's own, and what it says in our words. */
const OURS: readonly (readonly [text: RegExp, words: (...parts: string[]) => string])[] = [
  [/^Invalid input: expected nonoptional, received undefined$/, () => "it is missing"],
  [/^Invalid input: expected (\w+), received undefined$/, (wanted = "") => `it is missing; expected ${kind(wanted)}`],
  [/^Invalid input: expected never, received \w+$/, () => "nothing is allowed here"],
  [
    /^Invalid input: expected (\w+), received (-?\w+)$/,
    (wanted = "", found = "") =>
      wanted === "int" ? "expected a whole number" : `expected ${kind(wanted)}, found ${kind(found)}`,
  ],
  [/^Invalid input: expected (.+)$/s, (value = "") => `expected ${value}`],
  [/^Invalid option: expected one of (.+)$/s, (values = "") => `expected one of ${values.replaceAll('"|"', '", "')}`],
  [
    /^Too (?:small|big): expected \w+ to have (>=|>|<=|<|exactly )(\d+) (\w+)$/,
    (sign = "", number = "", unit = "") => `expected ${bound(sign, number)} ${unit}`,
  ],
  [
    /^Too (?:small|big): expected (\w+) to be (>=|>|<=|<|exactly )(\S+)$/,
    (wanted = "", sign = "", number = "") => `expected ${kind(wanted)} of ${bound(sign, number)}`,
  ],
  [/^Invalid (?:string|number): must (.+)$/s, (rule = "") => `it must ${rule}`],
  [/^Unrecognized keys?: (.+)$/s, (names = "") => `unknown field ${names}`],
  [/^Invalid key in \w+$/, () => "the name of a field is wrong"],
  [/^Invalid value in \w+$/, () => "a value in it is wrong"],
  [/^Invalid input: more than one option matched$/, () => "more than one of the allowed forms fits"],
  [/^Invalid discriminator value\. Expected (.+)$/s, (values = "") => `expected one of ${values}`],
  [
    /^Invalid ((?:[A-Z]|email|base64|cuid|nanoid|emoji|credit|currency)\S*(?: [a-z]+)*)$/,
    (name = "") => `it is no ${name}`,
  ],
  [/^Invalid input$/, () => "none of the allowed forms fits"],
];

function short(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}… (${text.length} characters)`;
}

/** The first issue of each alternative of a value that may have several forms. */
function alternativesOf(issue: CheckIssue): readonly CheckIssue[] {
  if (!("errors" in issue) || !Array.isArray(issue.errors)) return [];
  const alternatives: unknown[] = issue.errors.map((each: unknown) => (Array.isArray(each) ? each[0] : undefined));
  return alternatives.flatMap((first) =>
    typeof first === "object" && first !== null && "message" in first && typeof first.message === "string"
      ? [{ ...first, message: first.message }]
      : [],
  );
}

/** What is wrong, in plain words, as one part of a sentence. It begins in lower case, and is not escaped. */
export function plainProblem(issue: CheckIssue): string {
  const { message } = issue;
  const alternatives = message === "Invalid input" ? alternativesOf(issue) : [];
  if (alternatives.length > 0) {
    return [...new Set(alternatives.map(plainProblem))].slice(0, MOST_TOLD).join(", or ");
  }
  for (const [text, words] of OURS) {
    const found = text.exec(message);
    if (found !== null) return short(words(...found.slice(1)));
  }
  return short(message);
}
