import test from "ava";
import { findWrongArrows } from "./arrows.ts";
import { findFolderCircles } from "./folder_circles.ts";
import { findUnfitPackages } from "./packages.ts";
import { findImpurePolicy } from "./pure.ts";
import { findImports, parseSource } from "./source.ts";
import { findUnprovenFiles } from "./tested_by.ts";
import { findRefusedWording } from "./wording.ts";

const FOLDERS = new Map([
  ["@muster/tasks", "libs/tasks"],
  ["@muster/ledger", "libs/ledger"],
  ["@muster/logic", "libs/logic"],
  ["@muster/pilot-tasks", "libs/pilot-tasks"],
  ["@muster/app", "libs/app"],
  ["@muster/local", "infra/local"],
  ["@muster/cli", "apps/cli"],
]);

function arrowsOf(path: string, specifier: string): string[] {
  const source = parseSource(path, `import { x } from "${specifier}";\n`);
  return findWrongArrows([source], FOLDERS).map(({ message }) => message);
}

test("imports are found over several lines, for types, for side effects and at run time, and not in comments", (t) => {
  const text = [
    'import {\n  a,\n  type B,\n} from "one";',
    'import type { C } from "two";',
    'import "three";',
    'export { d } from "four";',
    'const e = await import("five");',
    '// import { f } from "six";',
  ].join("\n");
  t.deepEqual(
    findImports(text).map(({ specifier, line }) => [specifier, line]),
    [
      ["one", 1],
      ["two", 5],
      ["three", 6],
      ["four", 7],
      ["five", 8],
    ],
  );
});

test("tasks and logic never meet but in pilot-tasks, an extension of app, and no arrow runs from a lib to an app", (t) => {
  t.deepEqual(arrowsOf("libs/pilot-tasks/src/a.ts", "@muster/logic"), []);
  t.deepEqual(arrowsOf("libs/pilot-tasks/src/a.ts", "@muster/app"), []);
  t.deepEqual(arrowsOf("libs/tasks/src/a.ts", "@muster/logic"), ["no arrow runs from libs/tasks to libs/logic"]);
  t.deepEqual(arrowsOf("libs/logic/src/a.ts", "@muster/tasks"), ["no arrow runs from libs/logic to libs/tasks"]);
  t.deepEqual(arrowsOf("libs/logic/src/a.ts", "@muster/cli"), ["no arrow runs from libs/logic to apps/cli"]);
  t.deepEqual(arrowsOf("apps/scheduler/src/main.ts", "@muster/cli"), ["no arrow runs from apps/scheduler to apps/cli"]);
});

test("tasks and ledger meet in app alone, which knows no pilots, and a set of tables knows the ledger", (t) => {
  t.deepEqual(arrowsOf("libs/app/src/a.ts", "@muster/tasks"), []);
  t.deepEqual(arrowsOf("libs/app/src/a.ts", "@muster/ledger"), []);
  const types = parseSource("libs/logic/src/a.ts", 'import type { Transaction } from "@muster/ledger";\n');
  t.deepEqual(findWrongArrows([types], FOLDERS), []);
  t.deepEqual(arrowsOf("libs/logic/src/a.ts", "@muster/ledger"), ["libs/logic uses the types of libs/ledger alone"]);
  for (const [from, to] of [
    ["libs/tasks", "@muster/ledger"],
    ["libs/ledger", "@muster/tasks"],
    ["libs/ledger", "@muster/logic"],
    ["libs/pilot-tasks", "@muster/ledger"],
    ["libs/app", "@muster/logic"],
    ["libs/app", "@muster/pilot-tasks"],
  ] as const) {
    t.is(arrowsOf(`${from}/src/a.ts`, to).length, 1, `${from} to ${to}`);
  }
  t.is(arrowsOf("libs/app/src/a.ts", "kysely").length, 1);
  t.is(arrowsOf("libs/ledger/src/a.ts", "@nats-io/kv").length, 1);
});

test("tests of a lib open the database through ledger, and those of tasks know none", (t) => {
  t.deepEqual(arrowsOf("libs/pilot-tasks/src/a_test.ts", "@muster/ledger"), []);
  t.is(arrowsOf("libs/tasks/src/a_test.ts", "@muster/ledger").length, 1);
});

test("only tests of a lib start servers through infra/local", (t) => {
  t.deepEqual(arrowsOf("libs/logic/src/a_test.ts", "@muster/local"), []);
  t.deepEqual(arrowsOf("libs/logic/src/testing/a.ts", "@muster/local"), []);
  t.is(arrowsOf("libs/logic/src/a.ts", "@muster/local").length, 1);
});

test("a kit for the tests of others is part of its package, and starts no server through infra/local", (t) => {
  t.is(arrowsOf("libs/tasks/src/testing/a.ts", "@muster/local").length, 1);
  t.deepEqual(arrowsOf("libs/tasks/src/testing/a_test.ts", "@muster/local"), []);
});

test("tasks knows no SQL, and logic no NATS", (t) => {
  t.is(arrowsOf("libs/tasks/src/a.ts", "pg").length, 1);
  t.is(arrowsOf("libs/logic/src/a.ts", "@nats-io/kv").length, 1);
  t.deepEqual(arrowsOf("libs/logic/src/a.ts", "pg"), []);
});

test("no relative import leaves its package or enters it by its face", (t) => {
  t.is(arrowsOf("libs/tasks/src/wire/a.ts", "../../../logic/src/b.ts").length, 1);
  t.is(arrowsOf("libs/tasks/src/wire/a.ts", "../mod.ts").length, 1);
  t.deepEqual(arrowsOf("libs/tasks/src/wire/a.ts", "../worker/b.ts"), []);
});

test("a circle between folders is told once, with its way", (t) => {
  const files = [
    ["libs/tasks/src/wire/a.ts", "../worker/b.ts"],
    ["libs/tasks/src/worker/b.ts", "../locks/c.ts"],
    ["libs/tasks/src/locks/c.ts", "../wire/d.ts"],
    ["libs/tasks/src/publish/e.ts", "../wire/a.ts"],
  ] as const;
  const sources = files.map(([path, specifier]) => parseSource(path, `import { x } from "${specifier}";`));
  t.deepEqual(findFolderCircles(sources), [
    {
      path: "libs/tasks/src/locks",
      message: "the folders import each other in a circle: locks -> wire -> worker -> locks",
    },
  ]);
  t.deepEqual(findFolderCircles(sources.slice(1)), []);
});

test("skipped tests, swallowed errors, quieted compilers and notes to self are refused", (t) => {
  const refused = [
    'test.serial.skip("x", (t) => t.pass());',
    "try { a(); } catch {}",
    "a().catch(() => {});",
    "const b = a as unknown as B;",
    "// TODO later",
    "class A extends B {}",
  ];
  for (const text of refused) t.is(findRefusedWording([parseSource("libs/tasks/src/a.ts", text)]).length, 1, text);
  const fine = 'test.serial("x", () => {});\ntry { a(); } catch {\n  // none: why\n}\nclass GoneError extends Error {}';
  t.deepEqual(findRefusedWording([parseSource("libs/tasks/src/a.ts", fine)]), []);
});

test("a word that stands for another thing is refused where that can be told", (t) => {
  const found = (path: string, text: string) => findRefusedWording([parseSource(path, text)]).length;
  t.is(found("libs/tasks/src/locks/a.ts", "const slot = new LeaseSlot();"), 2);
  t.is(found("libs/logic/src/a.ts", "const slot = ce.freeSlots;"), 0);
  t.is(found("libs/tasks/src/locks/a.ts", 'return { kind: "busy" };'), 1);
  t.is(found("apps/cli/src/a.ts", 'return "busy";'), 0);
  t.is(found("apps/cli/src/a.ts", "/** Looks at it. Answers whether it is there. */"), 1);
  t.is(found("apps/cli/src/a.ts", "/** Throws when nobody answers. Returns its answers. */"), 0);
  t.is(found("apps/cli/src/a.ts", "env.MUSTER_CONCURRENCY"), 1);
  t.is(found("libs/tasks/src/pull/a.ts", "// A sweep finds it."), 1);
  t.is(found("libs/tasks/src/sweep/a.ts", "// A sweep finds it."), 0);
});

test("a library that others cannot install or use is refused, with what its package.json is to say", (t) => {
  const bare = {
    unit: "libs/a",
    files: ["package.json", "src"],
    manifest: {
      ...{ name: "@muster/a", private: true, exports: { ".": { types: "./src/mod.ts", default: "./src/mod.ts" } } },
      dependencies: { "@muster/local": "workspace:*" },
    },
  };
  const local = { unit: "infra/local", files: [], manifest: { name: "@muster/local", private: true } };
  const messages = findUnfitPackages([bare, local]).map(({ path, message }) => `${path}: ${message}`);
  for (const told of [
    '"engines" is to be {"node":">=24"}',
    '"files" is to be ["dist","src","!**/*_test.ts"]',
    '"publishConfig" is to be {"exports":{".":{"types":"./dist/mod.d.ts","default":"./dist/mod.js"},"./package.json":"./package.json"}}',
    "leave out private",
    "a version and a description",
    "README.md is missing",
    "@muster/local is private",
  ]) {
    t.true(
      messages.some((message) => message.startsWith("libs/a/package.json: ") && message.includes(told)),
      told,
    );
  }
});

test("a long file has its test beside it or says where its test is, and no pointer leads nowhere", (t) => {
  const long = "\n".repeat(101);
  const files = (text: string) => [
    parseSource("libs/tasks/src/pull/a.ts", text),
    parseSource("libs/tasks/src/pull/b.ts", long),
    parseSource("libs/tasks/src/pull/b_test.ts", long),
    parseSource("libs/tasks/src/pull/short.ts", ""),
    parseSource("libs/tasks/src/mod.ts", long),
  ];
  const messages = (text: string) => findUnprovenFiles(files(text)).map(({ path, message }) => `${path}: ${message}`);
  t.deepEqual(messages(`// Tested by libs/tasks/src/pull/b_test.ts\n${long}`), []);
  t.deepEqual(messages(`// Tested by hand: it needs a Debian machine\n${long}`), []);
  t.deepEqual(messages(long), [
    'libs/tasks/src/pull/a.ts: it has over 100 lines and no test beside it: begin it with "// Tested by PATH OF THE TEST"',
  ]);
  t.deepEqual(messages(`// Tested by tests/src/worker/gone_test.ts\n${long}`), [
    "libs/tasks/src/pull/a.ts: it says that tests/src/worker/gone_test.ts tests it, and there is no such test",
  ]);
});

test("what decides who starts next knows no clock, timer, server or chance", (t) => {
  const messages = (text: string) =>
    findImpurePolicy([parseSource("libs/tasks/src/policy/a.ts", text)]).map(
      ({ line, message }) => `${line}: ${message}`,
    );
  t.deepEqual(messages('import type { B } from "./b.ts";\nimport { C } from "../definition/c.ts";\n// Date\n'), []);
  t.deepEqual(messages('import { D } from "../pull/d.ts";\nimport { E } from "e";\n\nD(performance.now());\n'), [
    "1: the policy knows definitions and nothing else: hand it what it needs of ../pull/d.ts",
    "2: the policy knows definitions and nothing else: hand it what it needs of e",
    "4: the policy has no clock, timer or chance: hand it what performance.now gives",
  ]);
  t.deepEqual(findImpurePolicy([parseSource("libs/tasks/src/pull/a.ts", "setTimeout(go, 1);\n")]), []);
});
