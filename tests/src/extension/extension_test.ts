import { openDatabase } from "@muster/ledger";
import { runSql, startTestServer } from "@muster/ledger/testing";
import test from "ava";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AppProcess, mainOf, startApp } from "../apps/app_process.ts";
import { commandsOn } from "../cli/run_muster.ts";
import { startProcess } from "../support/child_process.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const TIDE = join(import.meta.dirname, "tide", "mod.ts");
const PILOTS = "@muster/pilot-tasks";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

interface System extends AsyncDisposable {
  readonly muster: ReturnType<typeof commandsOn>;
  start(app: string, more?: Readonly<Record<string, string>>): Promise<AppProcess>;
  rows(table: string): Promise<readonly object[]>;
}

/** Servers with nothing in them, and apps and commands that take these extensions. */
async function startSystem(extensions: readonly string[]): Promise<System> {
  await using opened = new AsyncDisposableStack();
  const nats = opened.use(await startTestNats());
  const databaseUrl = await server.createEmptyUrl();
  const database = opened.use(await openDatabase({ url: databaseUrl, poolSize: 2 }));
  const setting = { MUSTER_EXTENSIONS: extensions.join(",") };
  const kept = opened.move();
  return {
    muster: commandsOn({ NATS_URL: nats.url, DATABASE_URL: databaseUrl, ...setting }),
    start: async (app, more = {}) =>
      kept.use(await startApp(app, { natsUrl: nats.url, databaseUrl, more: { ...setting, ...more } })),
    rows: (table) => runSql(database, `select * from ${table}`),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function stopAll(apps: readonly AppProcess[]) {
  for (const app of apps) app.kill("SIGTERM");
  return await Promise.all(apps.map((app) => app.exited));
}

const ENDED_WELL = { code: 0, signal: null };

test("a stranger's extension is migrated, scheduled and run beside the pilots, without an edit of ours", async (t) => {
  await using system = await startSystem([PILOTS, TIDE]);
  const { muster } = system;
  const { applied } = (await muster.json("migrate")) as { applied: readonly string[] };
  t.true(applied.includes("tide/0001_reading") && applied.includes("pilots/0001_tables"), applied.join());
  await muster.json("vo", "add", "lhcb");
  await muster.json("ce", "add", "ce01", "--capacity", "2");
  await muster.json("schedule", "set", "MySubmitPilotsTask", "every 1s");
  const scheduler = await system.start("scheduler", { TIDE_WATCH: "scheduler" });
  const worker = await system.start("worker", { TIDE_WATCH: "worker" });
  const more = async (table: string, than: number) =>
    await until(async () => ((await system.rows(table)).length > than ? true : undefined), `rows of ${table}`);
  await more("tide_reading", 1);
  await more("pilot", 0);
  await scheduler.line(/"msg":"readings of the tide"/);
  // Its middleware runs around the pilots' tasks too, and its lines say which run has written them.
  await worker.line(/^watches MySubmitPilotsTask as MySubmitPilotsTask\/lhcb\/.* from scheduler$/);
  await worker.line(/^\{.*"task":"ReadTideTask".*"taskId":"ReadTideTask\/_\/.*"attempt":1.*"msg":"read the tide"/);
  await worker.line(/"name":"worker".*"worker":"worker-.*MySubmitPilotsTask.*ReadTideTask.*ready for tasks/);

  const schedules = await muster.run("schedule", "list");
  t.regex(schedules.output, /^ReadTideTask +_ +default +every 1s/m);
  t.regex(schedules.output, /^MySubmitPilotsTask +lhcb/m);
  const called = (await muster.json("task", "call", "ReadTideTask")) as { result: { readings: number } };
  t.true(called.result.readings > 1);
  const doctor = await muster.run("doctor");
  t.regex(doctor.output, /^ok +workers: 1 worker for ReadTideTask$/m);
  t.regex(doctor.output, /scheduler-\S+ leads .*ReadTideTask/);
  const list = await muster.run("task", "list");
  t.regex(list.output, /^ReadTideTask +all +normal +small +\S+ +every 1s +1 /m);
  t.deepEqual(await stopAll([scheduler, worker]), [ENDED_WELL, ENDED_WELL]);
});

test("alone, it needs no pilots: their tables are not made, and their commands say so", async (t) => {
  await using system = await startSystem([TIDE]);
  const { muster } = system;
  const { applied } = (await muster.json("migrate")) as { applied: readonly string[] };
  t.true(
    applied.every((name) => /^(?:ledger|tide)\//.test(name)),
    applied.join(),
  );
  const apps = [await system.start("scheduler"), await system.start("worker", { MUSTER_TASKS: "size:small" })];
  await until(async () => ((await system.rows("tide_reading")).length > 0 ? true : undefined), "a reading");
  await t.throwsAsync(system.rows("pilot"), { message: /relation "pilot" does not exist/ });
  for (const words of ["ce list", "pilot summary", "pilot write-off --vo lhcb"]) {
    const { code, errors } = await muster.run(...words.split(" "));
    t.is(code, 2, words);
    t.regex(errors, /no CEs and pilots: MUSTER_EXTENSIONS names only tide; add @muster\/pilot-tasks to it/);
  }
  await muster.json("vo", "add", "lhcb");
  t.deepEqual(await muster.json("vo", "remove", "lhcb"), { vo: "lhcb", activePilots: 0, vos: [] });
  const doctor = await muster.run("doctor");
  t.notRegex(doctor.output, /^BAD|[Pp]ilot/m);
  t.deepEqual(await stopAll(apps), [ENDED_WELL, ENDED_WELL]);
});

test("an extension that cannot be loaded, and a task that none has, end apps and commands with exit code 2 and say what to do", async (t) => {
  const nowhere = { NATS_URL: "nats://127.0.0.1:1", DATABASE_URL: "postgres://127.0.0.1:1/none", HTTP_PORT: "0" };
  const cases = [
    {
      more: { MUSTER_EXTENSIONS: "./none.ts" },
      apps: ["scheduler", "worker"],
      says: /Cannot find extension.*none\.ts/,
    },
    {
      more: { MUSTER_EXTENSIONS: TIDE, MUSTER_TASKS: "NopeTask" },
      apps: ["worker"],
      says: /NopeTask.*extension tide has no such task, only ReadTideTask/,
    },
  ];
  for (const { more, apps, says } of cases) {
    for (const name of apps) {
      await using app = await startProcess(mainOf(name), { ...nowhere, ...more });
      await app.line(says);
      t.deepEqual(await app.exited, { code: 2, signal: null });
    }
  }
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-broken-"));
  const broken = join(folder.path, "broken.mjs");
  await writeFile(broken, 'function fail() {\n  throw new Error("the horn is bent");\n}\nfail();\n');
  await using app = await startProcess(mainOf("scheduler"), { ...nowhere, MUSTER_EXTENSIONS: broken });
  const line = await app.line(/the horn is bent/);
  t.is(line.split("the horn is bent").length, 2, `told once: ${line}`);
  t.regex(line, /Cannot load extension .*broken\.mjs:2\); mend it/);
  t.regex(line, /"stack":" +at fail \(file:.*broken\.mjs:2:9\)\\n/);
  t.deepEqual(await app.exited, { code: 2, signal: null });
  const { code, errors } = await commandsOn({ ...nowhere, MUSTER_EXTENSIONS: "./none.ts" }).run("vo", "list");
  t.is(code, 2);
  t.regex(errors, /Cannot find extension "\.\/none\.ts" from .*; mend the path/);
});
