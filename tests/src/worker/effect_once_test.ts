import { startTestServer } from "@muster/ledger/testing";
import { exponentialBackoff, noRetry } from "@muster/tasks";
import test from "ava";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { openOldClient } from "../support/old_client.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const NoteTask = defineSqlTask({
  name: "NoteTask",
  per: "vo",
  payload: z.strictObject({ text: z.string().default("") }),
  retry: noRetry(),
  execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
});
const SUBJECT = "tasks.NoteTask.lhcb";

test("I2: the same id published twice at once, and again when it is done, has one effect", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [NoteTask], ...database.forWorker });
  await using client = await openOldClient(muster.nats.url);
  const headers = { "Task-Id": "same" }; // no Nats-Msg-Id, so that the broker drops nothing
  await Promise.all([client.publish(SUBJECT, { headers }), client.publish(SUBJECT, { headers })]);
  await muster.event("done", "same");
  await muster.event("duplicate", "same");
  await client.publish(SUBJECT, { headers });
  t.regex((await muster.event("duplicate", "same", 2)).reason ?? "", /attempt 1 ended done/);
  await muster.settled();
  t.is(await database.effects("same"), 1);
});

test("I3: an id that the broker forgot over a restart is published again, and has its one effect", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [NoteTask], ...database.forWorker });
  const publish = () => muster.publish(NoteTask, { vo: "lhcb", taskId: "again" });
  const first = await publish();
  await muster.event("done", "again");
  const known = await publish();
  t.true(known.duplicate);
  t.is(known.sequence, first.sequence); // tells what it repeats
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  t.false((await publish()).duplicate);
  await muster.event("duplicate", "again");
  t.is(await database.effects("again"), 1);
});

test("an id used again for another payload, VO or task becomes a dead letter that says by whom, before and after the first ended", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const OtherTask = defineSqlTask({ name: "OtherTask", per: "vo", execute() {} });
  await muster.startWorker({ tasks: [NoteTask, OtherTask], ...database.forWorker });
  await using client = await openOldClient(muster.nats.url);
  const headers = { "Task-Id": "mine" };
  await client.publish(SUBJECT, { headers });
  await muster.event("done", "mine");
  const others: [string, string, RegExp][] = [
    [SUBJECT, '{"text":"other"}', /id already used by another payload/],
    ["tasks.NoteTask.atlas", "", /id already used by NoteTask of VO lhcb/],
    ["tasks.OtherTask.lhcb", "", /id already used by NoteTask of VO lhcb/],
  ];
  for (const [index, [subject, body, reason]] of others.entries()) {
    await client.publish(subject, { headers, body });
    t.regex((await muster.event("refused", "mine", index + 1)).reason ?? "", reason);
  }
  await muster.settled();
  t.is(await database.effects("mine"), 1);
  t.is((await muster.broker.jsm.streams.info("DEAD")).state.messages, 3);
});

test("an id that begins with a task's name belongs to the VO behind it, so that nobody uses up another VO's ids", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [NoteTask], ...database.forWorker });
  await using client = await openOldClient(muster.nats.url);
  const foreign = [
    "NoteTask/atlas/default/2026-08-01T00:00:00.000Z", // an occurrence
    "SubmitTask/atlas/default/2026-08-01T00:00:00.000Z/ce01/0", // its child
    "NoteTask/atlas/cGFyZW50", // a child that came from another VO
  ];
  for (const id of foreign) {
    await client.publish(SUBJECT, { headers: { "Task-Id": id } });
    t.regex((await muster.event("refused", id)).reason ?? "", /the id belongs to VO atlas/);
    await client.publish("tasks.NoteTask.atlas", { headers: { "Task-Id": id } });
    await muster.event("done", id);
  }
  await client.publish(SUBJECT, { headers: { "Task-Id": "job/17" } });
  await muster.event("done", "job/17");
});

test("the attempt that a raw message claims is 1 where the ledger knows none, and the next where it knows one", async (t) => {
  const FailTask = defineSqlTask({
    name: "FailTask",
    per: "vo",
    retry: exponentialBackoff({ maxRetries: 10, firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 }),
    execute() {
      throw new Error("no");
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [FailTask], ...database.forWorker });
  await using client = await openOldClient(muster.nats.url);
  const publish = (attempt: number) =>
    client.publish("tasks.FailTask.lhcb", { headers: { "Task-Id": "claims", "Task-Attempt": String(attempt) } });
  await publish(17);
  t.is((await muster.event("retry", "claims")).attempt, 1);
  await publish(1_000_000);
  t.is((await muster.event("retry", "claims", 2)).attempt, 2);
  await publish(2);
  t.regex((await muster.event("duplicate", "claims")).reason ?? "", /attempt 2 ended retry/);
});

test("a failed attempt leaves nothing of its work, and four of them one dead letter with the four errors", async (t) => {
  const HalfTask = defineSqlTask({
    name: "HalfTask",
    per: "vo",
    retry: exponentialBackoff({ maxRetries: 3, firstDelayMs: 1, maxDelayMs: 1 }),
    async execute({ deps, taskId, attempt, spawn }) {
      await deps.sql(effectOf(taskId));
      spawn(NoteTask, { text: "a child of a failed parent" });
      throw new Error(`no. ${attempt}`);
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HalfTask, NoteTask], ...database.forWorker });
  const { taskId } = await muster.publish(HalfTask, { vo: "lhcb" });
  await muster.event("dead", taskId);
  await muster.settled();
  t.is(await database.effects(taskId), 0);
  const errors = [1, 2, 3, 4].map((attempt) => `Error: no. ${attempt}`);
  t.like(await database.database.ledger.recall(taskId), { outcome: "dead", attempt: 4, spawned: [], errors });
  const letters = await muster.deadLetters();
  t.is(letters.length, 1);
  t.like(letters[0], { attempt: 4, reason: errors[3] });
  t.deepEqual(letters[0]?.errors, errors);
  t.deepEqual(
    muster.events.steps.filter(({ task }) => task === "NoteTask"),
    [],
  );
});

test("I15: at rest nothing is left in TASKS and LATER, and no count of starts", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [NoteTask], ...database.forWorker, drainMs: 0 });
  await muster.publishMany(
    NoteTask,
    Array.from({ length: 100 }, (_, index) => ({ vo: "lhcb", payload: { text: `${index}` } })),
  );
  await worker.drain(); // some were handed back, so that they come a second time
  await muster.startWorker({ tasks: [NoteTask], ...database.forWorker });
  await muster.settled();
  t.deepEqual(await muster.results("starts."), []);
  t.is((await database.sql("select from effect")).length, 100);
});

/** A task that has its effect and then sees to it that its ack is lost. */
function defineCutOff(name: string, loseAck: () => Promise<unknown>) {
  let runs = 0;
  const task = defineSqlTask({
    name,
    per: "vo",
    retry: noRetry(),
    async execute({ deps, taskId }) {
      runs++;
      await deps.sql(effectOf(taskId));
      await loseAck();
    },
  });
  return { task, runs: () => runs };
}

test("I2: a broker that is killed between commit and ack forgets that it delivered: the task is not run again", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const { task, runs } = defineCutOff("CutOffTask", () => muster.nats.kill());
  await muster.startWorker({ tasks: [task], ...database.forWorker });
  await muster.publish(task, { vo: "lhcb", taskId: "cut off" });
  await until(async () => ((await database.effects("cut off")) > 0 ? true : undefined), "the commit");
  await muster.nats.start();
  await muster.reconnected();
  await muster.settled(); // its worker may tell of it before we listen again
  t.is(runs(), 1);
  t.is(await database.effects("cut off"), 1);
});

test("I2: a consumer that is deleted between commit and ack is made again, and the task is not run again", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const { task, runs } = defineCutOff("OrphanTask", () =>
    muster.broker.jsm.consumers.delete("TASKS", "OrphanTask__lhcb"),
  );
  await muster.startWorker({ tasks: [task], ...database.forWorker });
  await muster.publish(task, { vo: "lhcb", taskId: "orphan" });
  await muster.event("done", "orphan");
  await muster.event("duplicate", "orphan");
  await muster.settled();
  t.is(runs(), 1);
});

test("a task whose worker is well runs without asking the ledger first", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  let recalls = 0;
  const { ledger, ...others } = database.forWorker;
  if (ledger === undefined) throw new Error("no ledger");
  const counted: typeof ledger = {
    open: (claim) => ledger.open(claim),
    record: (row) => ledger.record(row),
    markPublished: (taskId) => ledger.markPublished(taskId),
    classify: (error) => ledger.classify(error),
    recall(taskId) {
      recalls++;
      return ledger.recall(taskId);
    },
  };
  await muster.startWorker({ tasks: [NoteTask], ledger: { ...ledger, ...counted }, ...others });
  const run = async (taskId: string) => {
    await muster.publish(NoteTask, { vo: "lhcb", taskId });
    await muster.event("done", taskId);
  };
  // The lane is made for the first one. When it was made the worker asks the server, and tells nobody when it knows.
  let warm = 0;
  const isWarm = async () => {
    const before = recalls;
    await run(`warm ${++warm}`);
    return recalls === before || undefined;
  };
  await until(isWarm, "a run without a question");
  const before = recalls;
  await run("well");
  t.is(recalls, before);
});
