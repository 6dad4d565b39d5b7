import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Longest check of one file's syntax, ms. */
const CHECK_WITHIN_MS = 10_000;
/** Most files whose syntax is checked. */
const MOST_CHECKED = 50;
/** Reads one file as a module, without running it. What Node.js writes of a syntax error begins with `path:line`. */
const CHECK = `
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { SourceTextModule } from "node:vm";
const path = process.argv[1];
const text = readFileSync(path, "utf8");
new SourceTextModule(/[cm]?ts$/.test(path) ? stripTypeScriptTypes(text) : text, { identifier: path });
`;
const CHECK_ARGUMENTS = ["--no-warnings", "--experimental-vm-modules", "--input-type=module", "--eval", CHECK];

/** `path:line` of a URL and a line in a stack trace. */
function placeIn(stack: string, pattern: RegExp): string | undefined {
  const [, url = "", line = ""] = pattern.exec(stack) ?? [];
  return url === "" ? undefined : `${fileURLToPath(url)}:${line}`;
}

/** `path:line` of what is no syntax of a module; undefined: all of it is. */
async function unreadableLine(path: string): Promise<string | undefined> {
  const stderr = await new Promise<string>((resolve) => {
    execFile(process.execPath, [...CHECK_ARGUMENTS, path], { timeout: CHECK_WITHIN_MS }, (error, _, said) =>
      resolve(error === null ? "" : said),
    );
  });
  const [first = ""] = stderr.split("\n");
  return first.startsWith(`${path}:`) ? first : undefined;
}

/**
 * `path:line` of what went wrong while a module was loaded; undefined where that cannot be told.
 *
 * Node.js tells the line of a syntax error to the terminal alone. So the files that were being loaded are checked one by one, the last one
 * first. `loaded` has their URLs in the order in which they were found.
 */
export async function placeOfFailure(error: unknown, loaded: Iterable<string>): Promise<string | undefined> {
  if (!(error instanceof Error) || error.stack === undefined) return undefined;
  const told =
    placeIn(error.stack, /^(file:\S+):(\d+)$/m) ?? placeIn(error.stack, /^ +at .*?(file:[^\s()]+):(\d+):\d+/m);
  if (told !== undefined || !(error instanceof SyntaxError)) return told;
  // A module is read right after it was found, so the last one that was found is the likeliest.
  const own = [...loaded].reverse().filter((url) => url.startsWith("file:") && !url.includes("/node_modules/"));
  for (const url of own.slice(0, MOST_CHECKED)) {
    const line = await unreadableLine(fileURLToPath(url));
    if (line !== undefined) return line;
  }
  return undefined;
}
