import { makeBundle } from "@muster/bundle";
import { openDatabase } from "@muster/ledger";
import { startTestServer } from "@muster/ledger/testing";
import test from "ava";
import { execFile } from "node:child_process";
import { appendFile, cp, mkdir, mkdtempDisposable, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { BUNDLE_VARIABLE } from "../support/built.ts";
import { startProcess } from "../support/child_process.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const execute = promisify(execFile);
const ROOT = join(import.meta.dirname, "..", "..", "..");
const BUNDLE = join(ROOT, "infra", "bundle", "dist");

// The gate has made it.
if (!process.env[BUNDLE_VARIABLE]) await makeBundle();

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** What a second copy would be: it says so as soon as it is loaded. */
const DECOYS = ["@muster/tasks", "@muster/app", "@mikro-orm/core", "@mikro-orm/postgresql", "kysely"];

const EXTENSION = `
import { EntitySchema } from "@mikro-orm/core";
import { EntitySchema as SameSchema } from "@mikro-orm/postgresql";
import { defineExtension } from "@muster/app";
import { taskFactory } from "@muster/tasks";
import { sql } from "kysely";
import { threadId } from "node:worker_threads";

if (EntitySchema !== SameSchema || typeof sql !== "function") throw new Error("there are two copies of MikroORM");
`;

test("an extension with libraries of its own gets those of the bundle, so that there is one copy of each, also in a thread", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-bundle-"));
  for (const name of DECOYS) {
    const place = join(folder.path, "node_modules", name);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, "package.json"), JSON.stringify({ name, type: "module", exports: "./index.js" }));
    await writeFile(join(place, "index.js"), `throw new Error("a second copy of ${name} was loaded");\n`);
  }
  const tasks = `
const task = (name, size) => taskFactory()({ name, size, execute: () => ({ threadId }) });
export const extension = defineExtension({ name: "far", tasks: [task("NearTask", "small"), task("FarTask", "large")] });
`;
  await writeFile(join(folder.path, "extension.mjs"), EXTENSION + tasks);
  await using opened = new AsyncDisposableStack();
  const nats = opened.use(await startTestNats());
  const databaseUrl = await server.createUrl();
  const database = opened.use(await openDatabase({ url: databaseUrl, poolSize: 2 }));
  const env = { NATS_URL: nats.url, DATABASE_URL: databaseUrl, MUSTER_EXTENSIONS: join(folder.path, "extension.mjs") };
  const main = pathToFileURL(join(BUNDLE, "apps", "worker", "dist", "main.js"));
  const worker = opened.use(await startProcess(main, { ...env, HTTP_PORT: "0", MUSTER_DRAIN_SECONDS: "2" }));
  await worker.line(/"tasks":\["NearTask","FarTask"\],"msg":"ready for tasks"/);
  const cli = join(BUNDLE, "apps", "cli", "dist", "main.js");
  for (const task of ["NearTask", "FarTask"]) {
    await execute(process.execPath, [cli, "task", "publish", task, "{}", "--id", task], {
      env: { ...process.env, ...env },
    });
    const row = await until(() => database.ledger.recall(task), `the end of ${task}`);
    t.is(row.outcome, "done");
  }
  worker.kill("SIGTERM");
  t.deepEqual(await worker.exited, { code: 0, signal: null });
});

// One after the other: the second one writes what the first one copies.
test.serial("a bundle runs in place of the sources until one of the files changes that it is made from", async (t) => {
  const { commandLine } = await import(pathToFileURL(join(ROOT, "infra", "boot", "bundle.mjs")).href);
  const { files }: { files: string[] } = JSON.parse(await readFile(join(BUNDLE, "made-from.json"), "utf8"));
  for (const file of [
    "libs/tasks/src/mod.ts",
    "apps/dashboard/assets/dashboard.js",
    "apps/cli/package.json",
    "pnpm-lock.yaml",
  ]) {
    t.true(files.includes(file), file);
  }
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-fresh-"));
  const copied = ["infra/bundle/dist/made-from.json", "infra/bundle/dist/apps/cli/dist/main.js", ...files];
  for (const file of copied) await cp(join(ROOT, file), join(folder.path, file));
  const chosen = () => relative(folder.path, commandLine(folder.path, { make: false }));
  t.is(chosen(), "infra/bundle/dist/apps/cli/dist/main.js");
  await appendFile(join(folder.path, "libs/tasks/src/mod.ts"), "\n");
  t.is(chosen(), "apps/cli/src/main.ts");
});

test.serial(
  "a newer bundle leaves the files of the one before for a day, however old they are, and then removes them",
  async (t) => {
    const chunks = join(BUNDLE, "chunks");
    const note = join(BUNDLE, "made-from.json");
    const made = JSON.parse(await readFile(note, "utf8"));
    const monthAgo = new Date(Date.now() - 30 * 24 * 3_600_000);
    const names = ["of-the-one-before.js", "of-an-older-one.js"];
    for (const name of names) {
      await writeFile(join(chunks, name), "");
      await utimes(join(chunks, name), monthAgo, monthAgo);
    }
    await writeFile(note, JSON.stringify({ ...made, chunks: [...made.chunks, names[0]] }));
    await makeBundle();
    const there = await readdir(chunks);
    t.deepEqual(
      names.filter((name) => there.includes(name)),
      ["of-the-one-before.js"],
    );
    await rm(join(chunks, "of-the-one-before.js"));
  },
);

/** The texts of a file of the bundle and of all that it imports. Chunks of an earlier bundle lie beside them. */
async function textsFrom(file: string, seen = new Map<string, string>()): Promise<ReadonlyMap<string, string>> {
  if (seen.has(file)) return seen;
  const text = await readFile(file, "utf8");
  seen.set(file, text);
  for (const [, path = ""] of text.matchAll(/(?:from|import|import\()"(\.{1,2}\/[^"]+\.js)"/g)) {
    await textsFrom(join(dirname(file), path), seen);
  }
  return seen;
}

test("the bundle has the texts of zod in one language, and names classes alone at run time", async (t) => {
  const texts = [...(await textsFrom(join(BUNDLE, "apps", "dashboard", "dist", "main.js"))).values()];
  const count = (pattern: RegExp) => texts.filter((text) => pattern.test(text)).length;
  t.true(count(/Invalid input: expected/) > 0);
  t.is(count(/ltige Eingabe/), 0, "a module imports zod as { z }");
  t.true(count(/static\{__name\(this,"TaskNotDoneError"\)/) > 0);
  t.is(count(/__name\(([\w$]+),"\1"\)/), 0);
});
