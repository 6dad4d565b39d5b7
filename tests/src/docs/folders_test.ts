import test from "ava";
import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readSources } from "../rules/source.ts";
import { ROOT } from "./markdown.ts";

const WINGS = "libs/tasks/src";
const sources = await readSources(ROOT);
const contributing = await readFile(join(ROOT, "CONTRIBUTING.md"), "utf8");
const [, plan = ""] = /^## The folders of libs\/tasks\n([\s\S]*?)^## /m.exec(contributing) ?? [];

interface Item {
  readonly name: string;
  readonly text: string;
}

/** The items of a page's lists that begin with a name between backticks. */
function itemsOf(text: string): Item[] {
  return [...text.matchAll(/^- `([^`]+)`((?:.|\n {2})*)/gm)].map(([, name = "", rest = ""]) => ({ name, text: rest }));
}

function codeWords(text: string, prefix: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word).filter((word) => word.startsWith(prefix));
}

const wings = itemsOf(plan).filter(({ name }) => !name.includes("/"));

function pathOf(name: string): string {
  return name.includes("/") ? name : `${WINGS}/${name}`;
}

/** `FOLDER OF TESTS: WHAT IT PROVES`, by the plan of folders. */
const byPlan = itemsOf(plan).flatMap(({ name, text }) =>
  codeWords(text, "tests/src/").map((folder) => `${folder}: ${pathOf(name)}`),
);

test("the plan names each folder of libs/tasks once, and a folder imports only what stands above it", (t) => {
  const all = sources.filter(({ path }) => path.startsWith(`${WINGS}/`));
  const product = all.filter(({ purpose }) => purpose === "product");
  const folders = new Set(all.map(({ folder }) => folder).filter((folder) => folder !== ""));
  const names = wings.map(({ name }) => name);
  t.deepEqual([...names].sort(), [...folders].sort());
  for (const { path, folder, imports } of product) {
    if (folder === "") continue;
    for (const { specifier, line } of imports) {
      const [, other] = /^\.\.\/([a-z]+)\//.exec(specifier) ?? [];
      if (other === undefined) continue;
      t.true(names.indexOf(other) <= names.indexOf(folder), `${path}:${line} imports ${other}, which stands below`);
    }
  }
});

test("CONTRIBUTING and the page of tests say the same of which folder of tests proves what", async (t) => {
  const page = itemsOf(await readFile(join(ROOT, "tests", "README.md"), "utf8"));
  const folders = await readdir(join(ROOT, "tests", "src"));
  const named = page.map(({ name }) => name).filter((name) => !name.startsWith("tests/"));
  t.deepEqual(named.sort(), folders.sort());
  const byPage = page.flatMap(({ name, text }) =>
    ["libs/", "apps/", "infra/"].flatMap((prefix) =>
      codeWords(text, prefix).map((proved) => `tests/src/${name}: ${proved}`),
    ),
  );
  t.deepEqual(byPage.sort(), [...byPlan].sort());
});

test("what a file of libs/tasks says of its tests, the plan says of its folder", (t) => {
  for (const { path, folder, text } of sources.filter((source) => source.path.startsWith(`${WINGS}/`))) {
    for (const [, tested = ""] of text.matchAll(/^\/\/ Tested by (tests\/src\/\S+)$/gm)) {
      t.true(byPlan.includes(`${dirname(tested)}: ${WINGS}/${folder}`), `${path} is tested by ${tested}`);
    }
  }
});
