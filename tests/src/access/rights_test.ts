import { startTestServer } from "@muster/logic/testing";
import {
  atLeastOnceFactory,
  connectNats,
  createPublisher,
  defineLockType,
  every,
  exponentialBackoff,
  type NatsAccess,
  openBroker,
  startScheduler,
} from "@muster/tasks";
import { followTask, inspectRights } from "@muster/tasks/operate";
import { jetstreamManager } from "@nats-io/jetstream";
import test from "ava";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { startApp } from "../apps/app_process.ts";
import { runMuster } from "../cli/run_muster.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { newWatcher } from "@muster/tasks/testing";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const ROOT = join(import.meta.dirname, "..", "..", "..");
const muster: Partial<NatsAccess> = { user: "muster", password: "s3cret" };
const env = { NATS_USER: "muster", NATS_PASSWORD: "s3cret" };

/** The users that the docs tell an operator to give. */
async function documentedUsers(): Promise<string> {
  const page = await readFile(join(ROOT, "docs", "how-to", "own-servers.md"), "utf8");
  const [, block = ""] = /```\n(authorization \{[\s\S]*?)\n```/.exec(page) ?? [];
  return `${block.replaceAll(/\$\w+_PASSWORD/g, '"s3cret"')}\n`;
}

const rightsLock = defineLockType("rights_test");
const define = atLeastOnceFactory();
const ChildTask = define({ name: "ChildTask", per: "vo", execute() {} });
const BusyTask = define({
  name: "BusyTask",
  per: "vo",
  retry: exponentialBackoff({ firstDelayMs: 500 }),
  locks: () => [rightsLock.mutex("ce01")],
  execute({ attempt, spawn }) {
    if (attempt === 1) throw new RangeError("once");
    spawn(ChildTask, {});
  },
});
const TickTask = define({ name: "TickTask", per: "all", schedule: every({ seconds: 1 }), execute() {} });
const tasks = [BusyTask, ChildTask, TickTask];

test("the documented rights are enough for a worker, a scheduler, a publisher and the doctor", async (t) => {
  await using nats = await startTestNats({ config: await documentedUsers() });
  await using grid = await startMuster({ nats, access: muster });
  const nc = await connectNats({ url: nats.url, ...muster, name: "scheduler" });
  const watcher = newWatcher();
  const broker = await openBroker(nc, { observer: watcher });
  const scheduler = await startScheduler({ broker, nats: { url: nats.url, ...muster }, app: "rights", tasks });
  const worker = await grid.startWorker({ tasks });
  const handle = await createPublisher(broker).publish(BusyTask, {
    ...{ vo: "lhcb", keepResult: { hours: 1 }, unique: { key: "ce01", mode: "one waiting" } },
  });
  t.is(await handle.result(), null);
  const followed: string[] = [];
  for await (const { kind } of followTask(broker, handle.taskId)) followed.push(kind);
  t.is(followed.at(-1), "ended");
  await grid.events.find(({ step, task }) => step === "done" && task === "ChildTask", "the child's end");
  await grid.events.find(({ step, task }) => step === "done" && task === "TickTask", "an occurrence's end");
  const { output } = await runMuster(["doctor"], {
    NATS_URL: nats.url,
    ...env,
    DATABASE_URL: await server.createUrl(),
  });
  t.regex(output, /^ok {4}permissions: /m);
  t.deepEqual(
    [...worker.watcher.alarms, ...watcher.alarms].filter((alarm) => alarm.includes("permission")),
    [],
  );
  // Trouble of a busy machine ends by itself; a right that is missing stays missing.
  const problems = () => [...worker.health().problems, ...scheduler.problems()];
  await until(async () => (problems().length === 0 ? true : undefined), "the end of all problems");
  await scheduler.stop();
  await nc.close();
});

/** A user `muster` without these rights. */
const lacking = (publish: readonly string[], subscribe: readonly string[]) => `authorization { users: [
  { user: "ops", password: "s3cret" }
  { user: "muster", password: "s3cret", permissions: {
    publish: { deny: ${JSON.stringify(publish)} }, subscribe: { deny: ${JSON.stringify(subscribe)} }
  } }
] }\n`;

test("the doctor names each right that is missing, with what can do without it", async (t) => {
  const config = lacking(
    ["tasks.MyPilotTask.>", "$JS.API.CONSUMER.MSG.NEXT.>", "$KV.locks.>", "$JS.ACK.>", "events.>"],
    ["wake.>"],
  );
  await using nats = await startTestNats({ config });
  await using _grid = await startMuster({ nats, access: { user: "ops", password: "s3cret" } });
  const databaseUrl = await server.createUrl();
  const { code, output } = await runMuster(["doctor"], { NATS_URL: nats.url, ...env, DATABASE_URL: databaseUrl });
  t.is(code, 1);
  const found = output.split("\n").filter((line) => line.includes("permissions: "));
  t.deepEqual(
    found.map((line) => line.replace(/permissions: this command's NATS user may not (.*?); .*/, "$1")).sort(),
    [
      "BAD   publish to $JS.ACK.>",
      "BAD   publish to $JS.API.CONSUMER.MSG.NEXT.>",
      "BAD   publish to $KV.locks.>",
      "BAD   publish to tasks.MyPilotTask.>",
      "WARN  publish to events.>",
      "WARN  subscribe to wake.>",
    ],
  );
});

test("trying all rights stores and changes nothing", async (t) => {
  await using grid = await startMuster();
  const { nc } = grid.broker;
  const jsm = await jetstreamManager(nc);
  async function written(): Promise<unknown> {
    const states: unknown[] = [];
    for await (const { config, state } of jsm.streams.list()) {
      states.push([config, state.first_seq, state.last_seq, state.messages, state.consumer_count]);
    }
    return states;
  }
  await grid.publish(BusyTask, { vo: "lhcb" });
  // TASKS sources LATER by this consumer. The server makes it a moment after the streams.
  const isSourced = async () => ((await jsm.streams.info("LATER")).state.consumer_count === 1 ? true : undefined);
  await until(isSourced, "the source of TASKS");
  const before = await written();
  t.deepEqual(await inspectRights(nc, ["BusyTask"], "lhcb"), []);
  t.deepEqual(await written(), before);
});

test("a doctor who may not even hear an answer says so at once", async (t) => {
  await using nats = await startTestNats({ config: lacking([], ["_INBOX.>"]) });
  const { code, output } = await runMuster(["doctor"], {
    NATS_URL: nats.url,
    ...env,
    DATABASE_URL: await server.createUrl(),
  });
  t.is(code, 1);
  t.regex(output, /^BAD {3}permissions: Cannot listen on _INBOX\..*user "muster" \(NATS_USER\), lacks the permission/m);
});

test("an app without a right that it needs is not ready, and /readyz names it", async (t) => {
  await using nats = await startTestNats({ config: lacking(["$JS.API.CONSUMER.MSG.NEXT.>"], []) });
  await using grid = await startMuster({ nats, access: { user: "ops", password: "s3cret" } });
  await using app = await startApp("report-worker", {
    ...{ natsUrl: nats.url, databaseUrl: await server.createUrl() },
    more: env,
  });
  await app.line(/ready for tasks/);
  const { seq } = await grid.broker.js.publish("tasks.MyPilotReportTask._", "{}");
  t.true(seq > 0);
  const readiness = await until(async () => {
    const { status, text } = await app.get("/readyz");
    return status === 503 && text.includes("MSG.NEXT") ? text : undefined;
  }, "a red readiness");
  t.regex(
    readiness,
    /Cannot publish to \$JS\.API\.CONSUMER\.MSG\.NEXT\.TASKS\.MyPilotReportTask___: .*user \\"muster\\" \(NATS_USER\)/,
  );
  t.is((await app.get("/healthz")).status, 200, "a restart would not help");
});
