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

/** A place in a file, by its URL. */
interface Place {
  readonly url: string;
  readonly line: string;
}

/** The places that a stack trace names: first the one above the text of a syntax error, then those of the calls, the innermost first. */
function placesIn(stack: string): readonly Place[] {
  const [, own = "", ownLine = ""] = /^(file:\S+):(\d+)$/m.exec(stack) ?? [];
  const calls = [...stack.matchAll(/^ +at .*?(file:[^\s()]+):(\d+):\d+/gm)].map(([, url = "", line = ""]) => ({
    url,
    line,
  }));
  return own === "" ? calls : [{ url: own, line: ownLine }, ...calls];
}

/** Of the places in a stack trace the one that the extension's author looks for: in the extension's folder, or else in no package. */
function authorsPlace(stack: string, extension: string): Place | undefined {
  const places = placesIn(stack);
  const folder = extension.slice(0, extension.lastIndexOf("/") + 1);
  const isPackage = ({ url }: Place) => url.includes("/node_modules/");
  return (
    places.find(({ url }) => url.startsWith(folder) && !url.slice(folder.length).includes("node_modules/")) ??
    places.find((place) => !isPackage(place)) ??
    places[0]
  );
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
 * first. `loaded` has their URLs in the order in which they were found, beginning with the extension's own.
 */
export async function placeOfFailure(error: unknown, loaded: ReadonlySet<string>): Promise<string | undefined> {
  if (!(error instanceof Error) || error.stack === undefined) return undefined;
  const [extension = ""] = loaded;
  const told = authorsPlace(error.stack, extension);
  if (told !== undefined) return `${fileURLToPath(told.url)}:${told.line}`;
  if (!(error instanceof SyntaxError)) return undefined;
  // A module is read right after it was found, so the last one that was found is the likeliest.
  const own = [...loaded].reverse().filter((url) => url.startsWith("file:") && !url.includes("/node_modules/"));
  for (const url of own.slice(0, MOST_CHECKED)) {
    const line = await unreadableLine(fileURLToPath(url));
    if (line !== undefined) return line;
  }
  return undefined;
}
