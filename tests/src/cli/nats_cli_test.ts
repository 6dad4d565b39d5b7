import { startTestServer } from "@muster/ledger/testing";
import { atLeastOnceFactory, startScheduler } from "@muster/tasks";
import test from "ava";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { findNatsCli } from "../support/nats_cli.ts";
import { until } from "../support/until.ts";
import { commandsOn } from "./run_muster.ts";

const HelloTask = atLeastOnceFactory()({
  name: "HelloTask",
  per: "vo",
  payload: z.strictObject({ name: z.string().default("nobody") }),
  execute: ({ payload }) => `hello ${payload.name}`,
});
const tasks = [HelloTask];

type Run = (...args: string[]) => Promise<string>;

/** The `nats` command on this system's server; undefined where the machine has none, which is logged. */
async function natsOn({ nats }: Pick<Muster, "nats">, log: (text: string) => void): Promise<Run | undefined> {
  const { run, why } = await findNatsCli(nats.url);
  if (run === undefined) log(`not tried: ${why}`);
  return run;
}

/** What the command says where it fails, on both its outputs. */
async function refusalOf(told: Promise<string>): Promise<string> {
  try {
    return `it did not fail: ${await told}`;
  } catch (error) {
    const { stdout = "", stderr = "" } = Object(error);
    return `${stdout}${stderr}`;
  }
}

test("nats pub with and without -J publishes a task, which runs with its payload; a bad one is refused with the field", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const nats = await natsOn(muster, t.log);
  if (nats === undefined) return t.pass();
  await muster.startWorker({ tasks });
  const confirmed = await nats("pub", "-J", "tasks.HelloTask.lhcb", '{"name":"Ada"}', "-H", "Task-Id: confirmed");
  t.regex(confirmed, /Stored in Stream: TASKS Sequence: \d+/);
  await nats("pub", "tasks.HelloTask.lhcb", '{"name":"Ben"}', "-H", "Task-Id: unconfirmed");
  for (const id of ["confirmed", "unconfirmed"]) t.like(await muster.event("done", id), { vo: "lhcb", attempt: 1 });
  await nats("pub", "tasks.HelloTask.lhcb", '{"name":17}', "-H", "Task-Id: bad");
  t.regex((await muster.event("refused", "bad")).reason ?? "", /name: /);
  const letter = await until(async () => {
    const letters = await muster.deadLetters();
    return letters.find(({ taskId }) => taskId === "bad");
  }, "the dead letter");
  t.regex(letter.reason, /name: /);
});

test("a task of a VO that nobody knows becomes a dead letter that names it", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const nats = await natsOn(muster, t.log);
  if (nats === undefined) return t.pass();
  const grid = { broker: muster.broker, nats: { url: muster.nats.url }, app: "test" };
  await using _scheduler = await startScheduler({ ...grid, tasks });
  await nats("pub", "-J", "tasks.HelloTask.lhbc", "{}", "-H", "Task-Id: misspelt");
  const letter = await until(async () => {
    const letters = await muster.deadLetters();
    return letters.find(({ taskId }) => taskId === "misspelt");
  }, "the dead letter");
  t.like(letter, { task: "HelloTask", vo: "lhbc" });
  t.regex(letter.reason, /lhbc/);
});

test("one Nats-Msg-Id published twice is one task, also over a restart of the server, and has one effect after its end", async (t) => {
  await using server = await startTestServer();
  await using database = await createTestDatabase(server);
  const OnceTask = defineSqlTask({
    name: "OnceTask",
    per: "vo",
    execute: async ({ deps, taskId }) => void (await deps.sql(effectOf(taskId))),
  });
  await using muster = await startMuster({ vos: ["lhcb"] });
  const nats = await natsOn(muster, t.log);
  if (nats === undefined) return t.pass();
  const publish = () => nats("pub", "-J", "tasks.OnceTask.lhcb", "{}", "-H", "Nats-Msg-Id: script-17");
  t.notRegex(await publish(), /Duplicate/);
  await muster.nats.stop();
  await muster.nats.start();
  t.regex(await publish(), /Duplicate: true/);
  await muster.reconnected();
  t.is(await muster.waiting(), 1);
  await muster.startWorker({ tasks: [OnceTask], ...database.forWorker });
  await muster.event("done", "script-17");
  // The broker has forgotten it with the message, and the ledger has not.
  await muster.settled();
  await muster.nats.stop();
  await muster.nats.start();
  // The event of a worker that was back sooner would be heard by nobody.
  await muster.reconnected();
  await publish();
  await muster.event("duplicate", "script-17");
  t.is(await database.effects("script-17"), 1);
});

test("a delayed task waits in LATER and runs under the last token of its subject", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const nats = await natsOn(muster, t.log);
  if (nats === undefined) return t.pass();
  await muster.startWorker({ tasks });
  const at = new Date(Date.now() + 1_000).toISOString();
  const target = ["-H", `Nats-Schedule: @at ${at}`, "-H", "Nats-Schedule-Target: due.HelloTask.lhcb"];
  t.regex(await nats("pub", "-J", "later.HelloTask.lhcb.mine-2", "{}", ...target), /Stored in Stream: LATER/);
  t.like(await muster.event("done", "mine-2"), { task: "HelloTask", vo: "lhcb" });
});

test("headers that would empty the stream, let a task lapse or delay it in TASKS are refused, and nothing is lost", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const nats = await natsOn(muster, t.log);
  if (nats === undefined) return t.pass();
  await nats("pub", "-J", "tasks.HelloTask.lhcb", "{}", "-H", "Task-Id: stays");
  for (const header of [
    "Nats-Rollup: all",
    "Nats-Rollup: sub",
    "Nats-TTL: 1s",
    "Nats-Schedule: @at 2027-01-31T12:00:00Z",
  ]) {
    const target = header.startsWith("Nats-Schedule") ? ["-H", "Nats-Schedule-Target: tasks.HelloTask.lhcb"] : [];
    const told = await refusalOf(nats("pub", "-J", "tasks.HelloTask.lhcb", "{}", "-H", header, ...target));
    t.notRegex(told, /it did not fail|Stored in Stream/, header);
    t.regex(told, /roll-?up|ttl|schedule/i, header);
    t.is(await muster.waiting(), 1, header);
  }
});

test("nats stream info, consumer report and kv ls say what each stream, consumer and bucket is for", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const nats = await natsOn(muster, t.log);
  if (nats === undefined) return t.pass();
  const worker = await muster.startWorker({ tasks });
  await muster.publish(HelloTask, { vo: "lhcb" });
  await muster.events.find(({ step }) => step === "done", "the task's end");
  for (const stream of ["TASKS", "LATER", "DEAD", "EVENTS", "AUDIT"]) {
    t.regex(await nats("stream", "info", stream), /Description: Muster: \w+/, stream);
  }
  t.regex(await nats("consumer", "report", "TASKS"), /HelloTask__lhcb/);
  t.regex(
    await nats("consumer", "info", "TASKS", "HelloTask__lhcb"),
    /Description: Muster: HelloTask of VO lhcb, one for all workers/,
  );
  const buckets = await nats("kv", "ls");
  for (const bucket of ["locks", "results", "schedules", "config", "workers"]) {
    t.regex(buckets, new RegExp(`\\b${bucket}\\b.*Muster: `), bucket);
  }
  t.true((await nats("kv", "ls", "workers")).includes(worker.name.replaceAll(".", "=2E")));
});

test("muster pub stores what nats pub -J stores, and says what the broker says", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: "" });
  await muster.startWorker({ tasks });
  const publish = (...args: string[]) => cli.run("pub", "tasks.HelloTask.lhcb", ...args);
  const first = await publish('{"name":"Ada"}', "-H", "Nats-Msg-Id: pub-1", "-H", "X-Mine: a: b", "-J");
  t.regex(first.output, /^stored in TASKS as \d+\n$/);
  t.regex((await publish("{}", "-H", "Nats-Msg-Id: pub-1")).output, /^TASKS had a message of this Nats-Msg-Id/);
  t.like(await muster.event("done", "pub-1"), { attempt: 1 });
  t.like(await cli.json("pub", "tasks.HelloTask.lhcb"), { stream: "TASKS", duplicate: false });
  const refused = await publish("{}", "-H", "Nats-Rollup: all");
  t.deepEqual([refused.code, refused.output], [1, ""]);
  t.regex(refused.errors, /rollup not permitted/);
  const nowhere = await cli.run("pub", "elsewhere.HelloTask", "{}");
  t.is(nowhere.code, 1);
  t.regex(nowhere.errors, /^Cannot store on elsewhere\.HelloTask: no stream has this subject; a task goes to tasks/);
});
