// Tested by apps/cli/src/exit_codes_test.ts

/** Longest part of a command line that an error repeats whole, and how much of a longer one it shows, characters. */
const WHOLE = 200;
const SHOWN = 60;
/** Longest line of an error, and how much of its end is kept, characters. The end says what to do. */
const LINE = 2_000;
const END = 400;

function short(value: string): string {
  return `${value.slice(0, SHOWN)}… (${value.length} characters)`;
}

/** The long values in a command line, the longest first: one may be part of another. */
function longValues(args: readonly string[]): readonly string[] {
  const values = args.flatMap((arg) => [arg, arg.replace(/^--[a-z-]+=/, "")]);
  return [...new Set(values)].filter((value) => value.length > WHOLE).sort((a, b) => b.length - a.length);
}

function boundLine(line: string): string {
  if (line.length <= LINE) return line;
  const left = line.length - LINE;
  return `${line.slice(0, LINE - END)}… (${left} characters are left out) …${line.slice(-END)}`;
}

/** The text of an error in which no value of the command line is repeated at length, and no line is longer than a screen. */
export function bounded(text: string, args: readonly string[]): string {
  let told = text;
  for (const value of longValues(args)) {
    told = told.replaceAll(value, () => short(value));
    told = told.replaceAll(JSON.stringify(value).slice(1, -1), () => short(value));
  }
  return told.split("\n").map(boundLine).join("\n");
}
