import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Longest check of one file's syntax, ms. */
const CHECK_WITHIN_MS = 10_000;
/** Most files whose syntax is checked. */
const MOST_CHECKED = 50;

/** `path:line` of a URL and a line in a stack trace. */
function placeIn(stack: string, pattern: RegExp): string | undefined {
  const [, url = "", line = ""] = pattern.exec(stack) ?? [];
  return url === "" ? undefined : `${fileURLToPath(url)}:${line}`;
}

/** The first line of a file that Node.js cannot read as a module. It reads the file and does not run it. */
async function unreadableLine(path: string): Promise<string | undefined> {
  const stderr = await new Promise<string>((resolve) => {
    execFile(process.execPath, ["--check", path], { timeout: CHECK_WITHIN_MS }, (error, _, said) =>
      resolve(error === null ? "" : said),
    );
  });
  const [first = ""] = stderr.split("\n");
  return first.startsWith(`${path}:`) ? first : undefined;
}

/**
 * `path:line` of what went wrong while a module was loaded; undefined where that cannot be told.
 *
 * Node.js tells the line of a syntax error to the terminal alone. So the files that were being loaded are checked one by one.
 */
export async function placeOfFailure(error: unknown, loaded: Iterable<string>): Promise<string | undefined> {
  if (!(error instanceof Error) || error.stack === undefined) return undefined;
  const told =
    placeIn(error.stack, /^(file:\S+):(\d+)$/m) ?? placeIn(error.stack, /^ +at .*?(file:[^\s()]+):(\d+):\d+/m);
  if (told !== undefined || !(error instanceof SyntaxError)) return told;
  const own = [...loaded].filter((url) => url.startsWith("file:") && !url.includes("/node_modules/"));
  for (const url of own.slice(0, MOST_CHECKED)) {
    const line = await unreadableLine(fileURLToPath(url));
    if (line !== undefined) return line;
  }
  return undefined;
}
