import * as z from "zod";

interface NameRule {
  /** The kind of thing that is named, with its article. */
  readonly what: string;
  readonly maxLength: number;
  /** Matches each allowed character. */
  readonly character: RegExp;
  /** Matches the whole name. */
  readonly shape: RegExp;
  readonly rule: string;
}

/** Returns what is wrong with a name, and the rule; undefined if nothing is. */
function problemOf(name: string, { what, maxLength, character, shape, rule }: NameRule): string | undefined {
  const shown = JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name);
  const refuse = (problem: string) => `Cannot use ${shown} as ${what}: ${problem}; ${rule}`;
  if (name === "") return refuse("it is empty");
  if (name.length > maxLength) return refuse(`it has ${name.length} characters`);
  const bad = Array.from(name).find((each) => !character.test(each));
  if (bad !== undefined) {
    const codePoint = (bad.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return refuse(`it holds ${JSON.stringify(bad)} (U+${codePoint})`);
  }
  return shape.test(name) ? undefined : refuse("it begins or ends with a sign, or has two dots in a row");
}

function nameSchema(rule: NameRule): z.ZodString {
  return z.string().check((context) => {
    const problem = problemOf(context.value, rule);
    if (problem !== undefined) context.issues.push({ code: "custom", message: problem, input: context.value });
  });
}

/**
 * A CE's name: a host, with port and path where it has them, as in `ce01.cern.ch:9619/condor`. Parsing returns it in lower case:
 * `CE01.CERN.CH` is the same host, and under two names it would be filled twice (decision 46).
 */
export const CeName = nameSchema({
  what: "the name of a CE",
  maxLength: 255,
  character: /[A-Za-z0-9._:/@-]/,
  shape: /^[A-Za-z0-9](?:(?:[A-Za-z0-9_:/@-]|\.(?!\.))*[A-Za-z0-9])?$/,
  rule: "it begins and ends with a letter or digit and holds letters, digits, - _ : / @ and single dots, 255 at most",
}).toLowerCase();

/** The name of a CE as the database has it. Does not check the name. */
export function asStored(ceName: string): string {
  return ceName.toLowerCase();
}

/**
 * A VO's name, which may be a domain, as in `vo.cta.in2p3.fr`. The rule is that of subjects, so that a task can carry
 * each name.
 */
export const VoName = nameSchema({
  what: "the name of a VO",
  maxLength: 128,
  character: /[A-Za-z0-9._-]/,
  shape: /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9]))*$/,
  rule: "it begins with a letter or digit and holds letters, digits, - _ and single dots inside, 128 at most",
});
