import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";

/** A fenced block of code. */
export interface CodeBlock {
  /** The first word behind the fence, e.g. `ts`; empty where there is none. */
  readonly language: string;
  /** The rest behind the fence, e.g. `file=libs/a.ts`. */
  readonly info: string;
  readonly text: string;
  /** The line of its opening fence, 1 first. */
  readonly line: number;
}

/** A link or picture of a page, as it is written. */
export interface Link {
  readonly target: string;
  readonly line: number;
}

/** One page of the documentation. */
export interface Page {
  /** Relative to the workspace, e.g. `docs/how-to/add-a-vo.md`. */
  readonly path: string;
  readonly text: string;
  /** The anchors of its headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>;
  readonly links: readonly Link[];
  readonly blocks: readonly CodeBlock[];
  /** The texts between backticks outside blocks. */
  readonly codeWords: readonly Link[];
}

/** The anchor of a heading: lower case, no punctuation, dashes for spaces. */
export function anchorOf(heading: string): string {
  return heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}

/** Takes a page apart, line by line. What stands in a block of code is no heading and no link. */
export function parsePage(path: string, text: string): Page {
  const anchors = new Set<string>();
  const links: Link[] = [];
  const codeWords: Link[] = [];
  const blocks: CodeBlock[] = [];
  let open: { fence: string; language: string; info: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const number = index + 1;
    const [, fence, language = "", info = ""] = /^\s*(`{3,})(\S*)\s*(.*)$/.exec(line) ?? [];
    if (open !== undefined) {
      if (fence === open.fence && language === "") {
        blocks.push({ language: open.language, info: open.info, text: `${open.lines.join("\n")}\n`, line: open.line });
        open = undefined;
      } else open.lines.push(line);
      continue;
    }
    if (fence !== undefined) {
      open = { fence, language, info, line: number, lines: [] };
      continue;
    }
    const heading = /^#{1,6}\s+(.*)$/.exec(line)?.[1];
    if (heading !== undefined) anchors.add(anchorOf(heading));
    for (const [, word = ""] of line.matchAll(/`([^`]+)`/g)) codeWords.push({ target: word, line: number });
    const prose = line.replaceAll(/`[^`]*`/g, "code");
    for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) links.push({ target, line: number });
    for (const [, target = ""] of prose.matchAll(/<img[^>]*\ssrc="([^"]+)"/g)) links.push({ target, line: number });
  }
  if (open !== undefined) throw new Error(`Cannot read ${path}: the block of line ${open.line} is not closed`);
  return { path, text, anchors, links, blocks, codeWords };
}

/** The workspace's folder. */
export const ROOT = join(import.meta.dirname, "..", "..", "..");

/** Every page of the documentation, in the order of their paths. */
export async function readPages(): Promise<readonly Page[]> {
  const paths: string[] = [];
  for await (const path of glob(["*.md", "docs/**/*.md", "{apps,libs}/*/*.md", "tests/*.md"], { cwd: ROOT }))
    paths.push(path);
  return await Promise.all(paths.sort().map(async (path) => parsePage(path, await readFile(join(ROOT, path), "utf8"))));
}
