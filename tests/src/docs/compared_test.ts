import test from "ava";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parsePage, ROOT } from "./markdown.ts";

const PATH = "docs/reference/compared.md";
const SYSTEMS = ["Muster", "DiracX", "BullMQ", "pg-boss", "graphile-worker", "Temporal", "River", "Oban"];

interface Row {
  readonly line: number;
  readonly cells: readonly string[];
}

interface Table {
  readonly section: string;
  readonly head: readonly string[];
  readonly rows: readonly Row[];
}

const text = await readFile(join(ROOT, PATH), "utf8");

function cellsOf(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** All tables of a page, each with the heading that it stands under. */
function tablesOf(page: string): Table[] {
  const tables: { section: string; head: string[]; rows: Row[] }[] = [];
  let section = "";
  let open: (typeof tables)[number] | undefined;
  for (const [index, line] of page.split("\n").entries()) {
    section = /^## (.*)$/.exec(line)?.[1] ?? section;
    if (!line.startsWith("|")) open = undefined;
    else if (open === undefined) {
      open = { section, head: cellsOf(line), rows: [] };
      tables.push(open);
    } else if (!/^[|\s:-]+$/.test(line)) open.rows.push({ line: index + 1, cells: cellsOf(line) });
  }
  return tables;
}

/** What a page has marked in its tables and text, and what it defines at the start of a line. */
function notesOf(page: string): { marked: Set<string>; defined: string[] } {
  const defined = [...page.matchAll(/^\[\^([\w-]+)\]:/gm)].map(([, name = ""]) => name);
  const marked = new Set([...page.matchAll(/\[\^([\w-]+)\](?!:)/g)].map(([, name = ""]) => name));
  return { marked, defined };
}

const compared = tablesOf(text).filter(({ head }) => head[1] === "Muster");

test("each table of the comparison has the same eight systems, and each row a cell for each of them", (t) => {
  t.true(compared.length >= 8);
  for (const { section, head, rows } of compared) {
    t.deepEqual(head, ["", ...SYSTEMS], section);
    t.true(rows.length > 0, section);
    for (const { line, cells } of rows) {
      t.is(cells.length, SYSTEMS.length + 1, `${PATH}:${line} (${cells[0]})`);
      t.false(cells.includes(""), `${PATH}:${line} (${cells[0]}) has an empty cell`);
    }
  }
});

test("no two rows of the comparison have the same name", (t) => {
  const names = compared.flatMap(({ rows }) => rows.map(({ cells }) => cells[0]));
  t.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
});

test("each note of the comparison is defined once and marked somewhere", (t) => {
  const { marked, defined } = notesOf(text);
  t.true(defined.length > 20);
  t.deepEqual([...defined].sort(), [...marked].sort());
});

test("each system of the comparison has its version, and each peer sources on public pages", (t) => {
  const versions = tablesOf(text).find(({ head }) => head[0] === "system");
  t.deepEqual(
    versions?.rows.map(({ cells }) => cells[0]),
    SYSTEMS,
  );
  const sources = text.slice(text.indexOf("## Sources"));
  for (const peer of SYSTEMS.slice(1)) {
    const [, list = ""] = new RegExp(`^${peer}:\\n\\n((?:(?:- |  ).*\\n)+)`, "m").exec(sources) ?? [];
    const links = parsePage(PATH, list).links;
    t.true(links.length >= 5, `${peer} has ${links.length} sources`);
    for (const { target } of links) t.regex(target, /^https:\/\/[\w./#-]+$/, peer);
  }
});

test("what Muster lacks is told with what to use instead", (t) => {
  const lacks = tablesOf(text).find(({ section }) => section === "What Muster lacks");
  t.deepEqual(lacks?.head, ["it lacks", "use instead"]);
  t.true((lacks?.rows.length ?? 0) > 10);
  for (const { line, cells } of lacks?.rows ?? [])
    t.true(cells.length === 2 && !cells.includes(""), `${PATH}:${line} (${cells[0]})`);
});
