import test from "ava";
import { access } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { anchorOf, type Page, parsePage, readPages, ROOT } from "./markdown.ts";

const pages = await readPages();
const byPath = new Map(pages.map((page) => [page.path, page]));

async function exists(path: string): Promise<boolean> {
  return await access(join(ROOT, path)).then(
    () => true,
    () => false, // the answer
  );
}

/** What is wrong with a link, or undefined. Links to other sites are not followed: a test must not fail for somebody else's server. */
async function problemOf(page: Page, target: string): Promise<string | undefined> {
  if (/^(https?|mailto):/.test(target)) return undefined;
  const [path = "", anchor] = target.split("#");
  const reached = path === "" ? page.path : normalize(join(dirname(page.path), path));
  if (reached.startsWith("..")) return "it leaves the workspace";
  if (!(await exists(reached))) return `there is no ${reached}`;
  if (anchor === undefined) return undefined;
  const there = byPath.get(reached);
  if (there === undefined) return `${reached} is no page, so it has no anchors`;
  return there.anchors.has(anchor) ? undefined : `${reached} has no heading #${anchor}`;
}

/** Marks the path of a file that does not exist: the reader makes it, e.g. `docs/decisions/NNNN-title.md`, or a build does. */
const PLACEHOLDER = /NNNN|NAME|GROUP|\/dist(?:\/|$)/;
/** What looks like a path of this workspace. */
const PATH = /^(?:apps|libs|infra|tests|docs)\/[\w./-]+$/;

test("every link of the docs leads to a page, and every anchor to a heading", async (t) => {
  for (const page of pages) {
    for (const { target, line } of page.links) {
      const problem = await problemOf(page, target);
      t.is(problem, undefined, `${page.path}:${line} links to ${target}: ${problem}`);
    }
  }
});

test("every path of the workspace that the docs name is there", async (t) => {
  for (const page of pages) {
    const made = new Set(page.blocks.flatMap(({ info }) => /\bfile=(\S+)/.exec(info)?.[1] ?? []));
    for (const { target, line } of page.codeWords) {
      if (!PATH.test(target) || PLACEHOLDER.test(target) || made.has(target)) continue;
      t.true(await exists(target), `${page.path}:${line} names ${target}, and it is not there`);
    }
  }
});

test("every page of docs/ can be reached from the README", (t) => {
  const reached = new Set(["README.md"]);
  for (const path of reached) {
    for (const { target } of byPath.get(path)?.links ?? []) {
      const [file = ""] = target.split("#");
      const next = normalize(join(dirname(path), file));
      const page = byPath.has(next) ? next : join(next, "README.md");
      if (byPath.has(page)) reached.add(page);
    }
  }
  t.deepEqual(
    pages.map(({ path }) => path).filter((path) => !reached.has(path)),
    [],
  );
});

test("a page is taken apart as GitHub shows it", (t) => {
  const page = parsePage(
    "a.md",
    "# The `x` of [y](z.md)!\n\ntext [b](c.md#d) `[no](link)`\n\n```ts file=e.ts\n# no heading\nlet f;\n```\n",
  );
  t.deepEqual([...page.anchors], ["the-x-of-y"]);
  t.deepEqual(
    page.links.map(({ target, line }) => [target, line]),
    [
      ["z.md", 1],
      ["c.md#d", 3],
    ],
  );
  t.deepEqual(page.blocks, [{ language: "ts", info: "file=e.ts", text: "# no heading\nlet f;\n", line: 5 }]);
  t.is(anchorOf("task_outcome"), "task_outcome");
});
