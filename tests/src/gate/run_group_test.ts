import test from "ava";
import { mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { runAva } from "./ava_step.ts";
import { planGroups } from "./plan_groups.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const RUN_GROUP = JSON.stringify(join(import.meta.dirname, "run_group.ts"));

/** Notes each step in a file, and awaits something before it declares a test, as a file that starts a server does. */
const FIRST = `import test from "ava";
import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
const note = (text) => appendFileSync(new URL("steps", import.meta.url), text + "\\n");
await pause(20);
test.before(() => note("before"));
test.after.always(() => note("after"));
test("at the end", (t) => { note("at the end"); t.pass(); });
test.serial("one", async (t) => { t.teardown(() => note("torn down")); await pause(20); note("one"); t.pass(); });
test.serial("two", (t) => { note("two"); t.pass(); });
`;
const HANGS = `import test from "ava";
test("hangs for ever", () => new Promise(() => setInterval(() => {}, 1_000)));
test("good", (t) => t.pass());
`;
const LAST = `import test from "ava";
import { appendFileSync } from "node:fs";
test("good", (t) => { appendFileSync(new URL("steps", import.meta.url), "the last file\\n"); t.pass(); });
test("bad", (t) => t.fail());
test("worse", () => { throw Object.assign(new Error("refused"), { hint: undefined, at: { port: 5432 } }); });
test("without a stack", () => { const error = new Error("alone"); error.stack = "alone"; throw error; });
`;

test("the files of a group run one after the other, each with its hooks around its tests, and one that hangs or throws whatever fails alone", async (t) => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "muster-group-")));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await writeFile(
    join(folder, "package.json"),
    '{ "type": "module", "ava": { "files": ["group.mjs"], "extensions": ["mjs"] } }',
  );
  const files = Object.entries({ "first.mjs": FIRST, "hangs.mjs": HANGS, "last.mjs": LAST });
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  const paths = JSON.stringify(files.map(([name]) => relative(ROOT, join(folder, name))));
  await writeFile(
    join(folder, "group.mjs"),
    `import "ava";\nimport { runGroup } from ${RUN_GROUP};\nawait runGroup(${paths}, { limitMs: 5_000 });\n`,
  );

  const lines: string[] = [];
  const { passed, failed } = await runAva(folder, { show: (line) => lines.push(line) });
  const steps = (await readFile(join(folder, "steps"), "utf8")).trim().split("\n");
  t.deepEqual(steps, ["before", "one", "torn down", "two", "at the end", "after", "the last file"]);
  t.deepEqual({ passed, failed }, { passed: 5, failed: 4 }, lines.join("\n"));
  t.true(
    lines.some((line) => line.includes("at: { port: 5432 }")),
    lines.join("\n"),
  );
  const bad = lines.filter((line) => line.startsWith("not ok"));
  t.deepEqual(bad.map((line) => line.split(" › ").slice(-2).join(" › ")).toSorted(), [
    "hangs.mjs › hangs for ever",
    "last.mjs › bad",
    "last.mjs › without a stack",
    "last.mjs › worse",
  ]);
});

test("each test file is in one group, and what changes the process or measures is alone", (t) => {
  const alone = ["tests/bench/run/small_bench_test.ts", "libs/tasks/src/run/children_test.ts"];
  const units = Array.from({ length: 25 }, (_, index) => `libs/tasks/src/format/a${index}_test.ts`);
  const cli = ["apps/cli/src/light_test.ts"];
  const groups = planGroups([...alone, ...units, ...cli]);
  t.deepEqual(groups.flat().toSorted(), [...alone, ...units, ...cli].toSorted());
  for (const file of alone)
    t.true(
      groups.some((group) => group.length === 1 && group[0] === file),
      file,
    );
  t.deepEqual(
    groups.map((group) => new Set(group.map((file) => file.split("/")[1])).size),
    groups.map(() => 1),
  );
  t.true(groups.length < 8);
  t.deepEqual(groups.at(-1), [alone[0]], "what measures comes last");
});

test("groups that wait are spread among those that work", (t) => {
  const heavy = ["a", "b", "c", "d"].map((name) => `tests/src/apps/${name}_test.ts`);
  const waiting = Array.from({ length: 12 }, (_, index) => `libs/tasks/src/locks/a${index}_test.ts`);
  const kinds = planGroups([...heavy, ...waiting]).map(([file = ""]) =>
    file.startsWith("tests/") ? "works" : "waits",
  );
  t.deepEqual(kinds, ["works", "waits", "works", "works", "waits", "works"]);
});

test("what is short is left for the end, where a long one would keep the run alone", (t) => {
  const heavy = ["a", "b", "c", "d"].map((name) => `tests/src/apps/${name}_test.ts`);
  const short = Array.from({ length: 40 }, (_, index) => `libs/service/src/health/a${index}_test.ts`);
  const groups = planGroups([...heavy, ...short]);
  t.is(groups[0]?.[0], heavy[0]);
  t.true(groups.at(-1)?.every((file) => file.startsWith("libs/service/")));
});
