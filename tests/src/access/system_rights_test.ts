import { openDatabase } from "@muster/ledger";
import { runSql } from "@muster/ledger/testing";
import { startTestServer } from "@muster/logic/testing";
import { connectNats } from "@muster/tasks";
import test, { type ExecutionContext } from "ava";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AppProcess, mainOf, startApp } from "../apps/app_process.ts";
import { commandsOn } from "../cli/run_muster.ts";
import { startProcess } from "../support/child_process.ts";
import { type GuardedNats, startGuardedNats } from "../support/guarded_nats.ts";
import { until } from "../support/until.ts";
import { LockedTask } from "./kinds.ts";
import { KINDS_TASKS, KINDS_USERS } from "./kinds_layout.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const MUSTER_EXTENSIONS = `@muster/pilot-tasks,${join(import.meta.dirname, "kinds.ts")}`;
const ENDED_WELL = { code: 0, signal: null };

/** Servers with infra/nats, and apps of which each has a user of its own. */
async function startSystem(servers: 1 | 3) {
  await using opened = new AsyncDisposableStack();
  const nats = opened.use(await startGuardedNats({ servers, users: KINDS_USERS }));
  const databaseUrl = await server.createUrl();
  const shared = { DATABASE_URL: databaseUrl, MUSTER_EXTENSIONS };
  const muster = commandsOn({ ...nats.env("operator"), ...shared });
  await muster.json("vo", "add", "lhcb");
  await muster.json("vo", "add", "atlas");
  const apps: AppProcess[] = [];
  const kept = opened.move();
  return {
    ...{ nats, muster, databaseUrl, apps },
    async start(app: string, more: Readonly<Record<string, string>> = {}): Promise<AppProcess> {
      const env = { ...nats.env(app), ...shared, ...more };
      const started = kept.use(await startApp(app, { natsUrl: nats.url, databaseUrl, more: env }));
      apps.push(started);
      return started;
    },
    /** The dashboard's pages. */
    async startDashboard(): Promise<string> {
      const env = { ...nats.env("dashboard"), ...shared, HTTP_PORT: "0", MUSTER_DASHBOARD_PORT: "0" };
      const dashboard = kept.use(await startProcess(mainOf("dashboard"), env));
      return JSON.parse(await dashboard.line(/the dashboard is served/)).url;
    },
    /** Publishes a task, and returns how it has ended. */
    async run(task: string, ...args: string[]): Promise<{ taskId: string; outcome: string; result: unknown }> {
      const published = (await muster.json("task", "publish", task, ...args, "--keep-result", "1h")) as {
        taskId: string;
      };
      return await resultOf(published.taskId);
    },
    resultOf,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
  async function resultOf(taskId: string): Promise<{ taskId: string; outcome: string; result: unknown }> {
    // It exits with 1 where the task is not done.
    const { output, errors } = await muster.run("task", "result", taskId, "--wait", "2m", "--json");
    if (output === "") throw new Error(errors);
    return JSON.parse(output);
  }
}
type System = Awaited<ReturnType<typeof startSystem>>;

/** Fails where a server has refused anything, or an app says so or is not ready. */
async function checkNothingRefused(t: ExecutionContext, { nats, apps }: Pick<System, "nats" | "apps">): Promise<void> {
  for (const app of apps) {
    await until(async () => ((await app.get("/readyz")).status === 200 ? true : undefined), "a ready app");
    t.notRegex(app.lines.join("\n"), /lacks the permission|permissions violation/i);
  }
  t.deepEqual(violationsIn(await nats.log()), []);
}

function violationsIn(log: string): readonly string[] {
  return log.split("\n").filter((line) => /violation|authorization|authentication/i.test(line));
}

/** Fails where a password stands in a log or on a command line. */
async function checkNoSecretShown(t: ExecutionContext, { nats, apps }: Pick<System, "nats" | "apps">): Promise<void> {
  const shown = [await nats.log(), ...apps.flatMap(({ lines }) => lines)];
  for (const { pid } of apps) shown.push(await readFile(`/proc/${pid}/cmdline`, "utf8"));
  const secrets = await nats.secrets();
  t.true(secrets.length > 5);
  t.deepEqual(
    secrets.filter((secret) => shown.some((text) => text.includes(secret))),
    [],
  );
}

/** Publishes a task of lhcb, as any NATS client of that VO's account does. */
async function publishAs(nats: GuardedNats, subject: string, payload: object): Promise<void> {
  const nc = await connectNats({ ...nats.access("vo-lhcb"), name: "script" });
  const answer = await nc.request(subject, JSON.stringify(payload), { timeout: 10_000 });
  if (answer.json<{ stream?: string }>().stream !== "TASKS") throw new Error(answer.string());
  await nc.close();
}

/** Every kind of task, by whoever may publish it. */
async function runEveryKind(t: ExecutionContext, system: System): Promise<void> {
  const { muster, nats, run, resultOf } = system;
  const retried = await run("RetriedTask", "--vo", "lhcb");
  t.is(retried.outcome, "done");
  t.is((await run("HopelessTask", "--vo", "lhcb")).outcome, "dead");
  t.like(await run("LockedTask", '{"on":"a"}', "--vo", "lhcb"), { outcome: "done", result: "a" });
  t.like(await run("LockedTask", '{"on":"b"}', "--vo", "lhcb", "--unique", "u"), { outcome: "done", result: "b" });
  t.like(await run("LockedTask", '{"on":"c"}', "--vo", "atlas", "--delay", "1s"), { outcome: "done", result: "c" });
  const { result: group } = await run("ParentTask", "--vo", "atlas");
  const callback = `${group}/then`;
  // Until the last child has ended, nothing knows of the callback.
  const isKnown = async () => ((await muster.run("task", "show", callback)).code === 0 ? true : undefined);
  await until(isKnown, "the group's callback");
  t.like(await resultOf(callback), { outcome: "done", result: 6 });
  const endless = (await muster.json("task", "publish", "EndlessTask", "--vo", "lhcb", "--keep-result", "1h")) as {
    taskId: string;
  };
  const isRunning = async () => {
    const { state } = (await muster.json("task", "show", endless.taskId)) as { state: string };
    return state === "running" ? true : undefined;
  };
  await until(isRunning, "a run of the endless task");
  await muster.json("task", "cancel", endless.taskId);
  t.like(await resultOf(endless.taskId), { outcome: "cancelled" });
  await publishAs(nats, "tasks.RetriedTask.lhcb", {});
}

/** What an operator looks at and changes. */
const COMMANDS = [
  "task list",
  "queue list",
  "queue pause LockedTask",
  "queue resume LockedTask",
  "worker list",
  "lock list",
  "group list",
  "dead list",
  "dead requeue --all",
  "schedule list",
  "schedule pause TickTask",
  "schedule resume TickTask",
  "schedule trigger TickTask",
  "outbox list",
  "audit list",
];
const PAGES = "/ /queue /tasks /ces /groups /schedules /dead /locks /workers /configuration /audit".split(" ");

test("the whole system runs tasks of every kind over TLS with a user for each app, and no server refuses anything", async (t) => {
  await using system = await startSystem(1);
  const { nats, muster, databaseUrl } = system;
  await muster.json("ce", "add", "ce01", "--capacity", "2");
  const scheduler = await system.start("scheduler");
  const submit = await system.start("submit-worker");
  await system.start("worker", { MUSTER_TASKS: KINDS_TASKS });
  const dashboard = await system.startDashboard();
  await runEveryKind(t, system);

  await publishAs(nats, "tasks.MyPilotTask.lhcb", { ceName: "ce01" });
  await using database = await openDatabase({ url: databaseUrl, poolSize: 2 });
  await until(
    async () => ((await runSql(database, "select * from pilot")).length > 0 ? true : undefined),
    "a pilot of the VO's own client",
  );
  const fromOutbox = await database.transaction((to) =>
    database.ledger.publishWith(to, LockedTask, { vo: "lhcb", payload: { on: "d" }, keepResult: { hours: 1 } }),
  );
  t.like(await system.resultOf(fromOutbox), { outcome: "done", result: "d" });
  for (const command of COMMANDS) t.is((await muster.run(...command.split(" "))).code, 0, command);
  t.regex((await muster.run("doctor")).output, /^ok +permissions: /m);
  for (const page of PAGES) t.is((await fetch(dashboard + page)).status, 200, page);
  t.is((await scheduler.get("/metrics")).status, 200);

  await nats.restart();
  t.is((await system.run("RetriedTask", "--vo", "atlas")).outcome, "done");
  await checkNothingRefused(t, system);
  await checkNoSecretShown(t, system);
  const workers = (await muster.json("worker", "list")) as readonly { name: string }[];
  const name = workers.find((worker) => worker.name.startsWith("submit-worker"))?.name ?? "";
  await muster.json("worker", "drain", name);
  t.deepEqual(await submit.exited, ENDED_WELL);
  t.deepEqual(violationsIn(await nats.log()), []);
});

test("a cluster of three with these files runs tasks of every kind, and no server refuses anything", async (t) => {
  await using system = await startSystem(3);
  await system.start("scheduler");
  await system.start("worker", { MUSTER_TASKS: KINDS_TASKS });
  await runEveryKind(t, system);
  await system.nats.restart();
  t.is((await system.run("RetriedTask", "--vo", "atlas")).outcome, "done");
  await checkNothingRefused(t, system);
});
