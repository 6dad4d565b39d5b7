import { INCIDENT_DAYS } from "@muster/tasks/operate";
import test from "ava";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readSources } from "../rules/source.ts";
import { type Page, parsePage, readPages, ROOT } from "./markdown.ts";

async function read(path: string): Promise<string> {
  return await readFile(join(ROOT, path), "utf8");
}

async function reference(name: string): Promise<Page> {
  const path = `docs/reference/${name}.md`;
  return parsePage(path, await read(path));
}

const sources = await readSources(ROOT);
const products = sources.filter(({ purpose }) => purpose === "product");

/** The names between backticks in the first column of all tables of a page. */
function tableNames(page: Page): Set<string> {
  const rows = page.text.split("\n").filter((line) => line.startsWith("| `"));
  return new Set(
    rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name)),
  );
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = ""]) => name);
}

/** Part of every system; they mean for Muster what they mean for everybody. */
const EVERYBODYS = new Set(["PATH", "HOME", "XDG_CACHE_HOME"]);

/** The environment variables that the sources of the product read. */
function readVariables(): Set<string> {
  const names = products.flatMap(({ text }) => [
    ...matches(text, /process\.env(?:\.|\[")([A-Z_]+)/g),
    // As commander takes an option's value.
    ...matches(text, /\.env\("([A-Z_]+)"\)/g),
    ...matches(text, /\{([^{}]*)\}\s*=\s*process\.env\b/g).flatMap((list) =>
      list.split(",").map((name) => name.trim()),
    ),
  ]);
  return new Set(names.filter((name) => !EVERYBODYS.has(name)));
}

test("the pages say how long an incident is kept, as the one constant has it", async (t) => {
  const pages = (await readPages()).filter(({ path }) => !path.startsWith("docs/decisions/"));
  const telling = pages.filter(({ text }) => /seven days/.test(text)).map(({ path }) => path);
  t.true(telling.length > 0);
  t.is(INCIDENT_DAYS, 7, `"seven days" is what these say: ${telling.join(", ")}`);
});

test("the page of settings names each setting and each variable that is read, and no other", async (t) => {
  const settings = await read("libs/service/src/settings/settings.ts");
  const ofNats = await read("libs/service/src/settings/nats_variables.ts");
  const declared = [...matches(settings, /^ {4}([A-Z_]+): /gm), ...matches(ofNats, /^ {2}([A-Z_]+): /gm)];
  t.true(declared.includes("NATS_URL") && declared.includes("MUSTER_PERMITS"));
  const ofTraces = matches(await read("libs/service/src/traces/trace_settings.ts"), /"(OTEL_[A-Z_]+)"/g);
  // OpenTelemetry's own libraries read these.
  const ofOthers = ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"];
  const known = new Set([...declared, ...readVariables(), ...ofTraces, ...ofOthers, "MUSTER_PARENT"]);
  t.true(known.size > 10);
  t.deepEqual([...tableNames(await reference("settings"))].sort(), [...known].sort());
});

test("the page of subjects names each subject and each header that is built or read", async (t) => {
  const page = await reference("subjects-and-headers");
  const named = page.codeWords.map(({ target }) => target);
  const prefixes = matches(await read("libs/tasks/src/format/subject.ts"), /return `([a-z]+)\.\$\{/g);
  t.deepEqual(
    prefixes.filter((prefix) => !named.some((word) => word.startsWith(`${prefix}.<`))),
    [],
  );
  const headers = matches(await read("libs/tasks/src/format/headers.ts"), /^export const \w+ = "([A-Za-z-]+)"/gm);
  t.true(headers.length > 10);
  t.deepEqual(
    headers.filter((header) => !named.includes(header)),
    [],
  );
});

test("the page of streams names each stream and each bucket, and no other", async (t) => {
  const streams = matches(await read("libs/tasks/src/streams/stream_needs.ts"), /^export const \w+ = "([A-Z]+)";/gm);
  const [, list = ""] =
    /BUCKET_NAMES[^=]*= \[([^\]]*)\]/.exec(await read("libs/tasks/src/streams/stream_needs.ts")) ?? [];
  const buckets = matches(list, /"(\w+)"/g);
  t.is(streams.length, 5);
  t.is(buckets.length, 5);
  const named = tableNames(await reference("streams-and-buckets"));
  t.deepEqual(
    [...streams, ...buckets].filter((name) => !named.has(name)),
    [],
  );
});

/** The columns of each table, by the migrations that make them. */
function readTables(sql: string): Map<string, readonly string[]> {
  const tables = [...sql.matchAll(/create table (\w+) \(\n([\s\S]*?)\n\s*\)`/g)];
  const added = [...sql.matchAll(/alter table (\w+) add column (\w+)/g)];
  return new Map(
    tables.map(([, name = "", body = ""]) => [
      name,
      [
        ...matches(body, /^\s*([a-z_]+) [a-z]/gm).filter(isColumn),
        ...added.flatMap(([, table, column = ""]) => (table === name ? [column] : [])),
      ],
    ]),
  );
}

function isColumn(word: string): boolean {
  return word !== "constraint";
}

test("the page of tables names each table with its columns, and no other", async (t) => {
  const { text } = await reference("tables");
  const sections = new Map(text.split(/^## /m).map((section) => [section.split("\n", 1)[0] ?? "", section]));
  const migrations = sources.filter(({ path }) => /^libs\/(?:ledger|logic)\/src\/schema\/m\d+_/.test(path));
  const tables = readTables(migrations.map(({ text: sql }) => sql).join("\n"));
  t.is(tables.size, 8);
  for (const [table, columns] of tables) {
    const named = tableNames(parsePage(table, sections.get(table) ?? ""));
    t.deepEqual([...named].sort(), [...columns].sort(), table);
  }
});

test("the page of events and metrics names each event and each metric, and no other", async (t) => {
  const [, union = ""] =
    /export type StepName =([^;]*);/.exec(await read("libs/tasks/src/connection/observer.ts")) ?? [];
  // A line of a run is an event too, and no step.
  const events = [...matches(union, /"(\w+)"/g), "log"];
  const metrics = products
    .filter(({ unit }) => ["libs/service", "libs/app", "libs/pilot-tasks"].includes(unit) || unit.startsWith("apps/"))
    .flatMap(({ text }) => matches(text, /\bname(?::| =) "(muster_\w+)"/g));
  t.true(events.length > 5 && metrics.length > 3);
  t.deepEqual([...tableNames(await reference("events-and-metrics"))].sort(), [...events, ...metrics].sort());
});

test("every section of the protocol and every invariant that sources and tests cite is there", async (t) => {
  const { text } = await reference("protocol");
  const invariants = new Set(matches(text, /^- (I\d+) /gm));
  t.true(invariants.size >= 26);
  const sections = new Set(matches(text, /^## (\d+) /gm));
  for (const { path, text: source } of sources) {
    if (path.startsWith("tests/src/docs/")) continue;
    for (const cited of matches(source, /\b(I\d{1,2})\b/g)) t.true(invariants.has(cited), `${path} cites ${cited}`);
    for (const cited of matches(source, /\bPROTOCOL (\d+)/g))
      t.true(sections.has(cited), `${path} cites PROTOCOL ${cited}`);
  }
});
