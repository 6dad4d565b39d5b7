import { startTestServer } from "@muster/ledger/testing";
import { atLeastOnceFactory, noRetry } from "@muster/tasks";
import test from "ava";
import * as z from "zod";
import { openOldClient } from "../support/old_client.ts";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const ChildTask = defineSqlTask({
  name: "ChildTask",
  per: "vo",
  payload: z.strictObject({ number: z.number() }),
  execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
});

test("children run after their parent's commit, with its id as theirs and in their header, also in another VO and later", async (t) => {
  const at = new Date(Date.now() + 2_000);
  const ParentTask = defineSqlTask({
    name: "ParentTask",
    per: "vo",
    async execute({ spawn }) {
      const ids = [spawn(ChildTask, { number: 1 }), spawn(ChildTask, { number: 2 }, { vo: "atlas", key: "two" })];
      return [...ids, await ChildTask.schedule({ payload: { number: 3 }, at })];
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [ParentTask], ...database.forWorker });
  const parent = await muster.publish(ParentTask, { vo: "lhcb" });
  await muster.event("done", parent.taskId);
  // Nobody runs them yet, so that they can be looked at.
  await until(async () => ((await muster.waiting()) >= 2 ? true : undefined), "two children");
  const stored = await muster.broker.jsm.streams.getMessage("TASKS", { last_by_subj: "tasks.ChildTask.atlas" });
  t.is(stored?.header.get("Task-Parent"), parent.taskId);
  await muster.startWorker({ tasks: [ChildTask], ...database.forWorker });
  const row = await database.database.ledger.recall(parent.taskId);
  const [own = "", foreign = "", later = ""] = (row?.result ?? []) as string[];
  t.deepEqual(
    row?.spawned.map(({ taskId }) => taskId),
    [own, foreign, later],
  );
  t.true(own.startsWith(`${parent.taskId}/ChildTask/`) && later.startsWith(`${parent.taskId}/ChildTask/`));
  t.like(await muster.event("done", own), { vo: "lhcb" });
  t.like(await muster.event("done", foreign), { vo: "atlas" });
  await muster.event("done", later);
  t.true(Date.now() >= at.getTime());
  for (const taskId of [own, foreign, later]) t.is(await database.effects(taskId), 1);
});

test("children of one VO run although a publisher of another VO has stated their ids as its own Nats-Msg-Id", async (t) => {
  const ParentTask = defineSqlTask({
    name: "ParentTask",
    per: "vo",
    execute: ({ spawn }) => [spawn(ChildTask, { number: 1 }, { key: "one" })],
  });
  const OtherTask = atLeastOnceFactory()({ name: "OtherTask", per: "vo", execute() {} });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await using client = await openOldClient(muster.nats.url);
  const child = "the-parent/one";
  await client.publish("tasks.OtherTask.atlas", { headers: { "Nats-Msg-Id": child, "Task-Id": "of-atlas" } });
  await muster.startWorker({ tasks: [ParentTask, ChildTask], ...database.forWorker });
  await muster.startWorker({ tasks: [OtherTask] });
  await muster.publish(ParentTask, { vo: "lhcb", taskId: "the-parent" });
  t.like(await muster.event("done", child), { vo: "lhcb" });
  await muster.event("done", "of-atlas");
});

test("a parent has ten thousand children, and each runs", async (t) => {
  const ManyTask = defineSqlTask({
    name: "ManyTask",
    per: "vo",
    execute({ spawn }) {
      for (let number = 0; number < 10_000; number++) spawn(NoopTask, { number });
    },
  });
  let runs = 0;
  const NoopTask = atLeastOnceFactory()({
    name: "NoopTask",
    per: "vo",
    payload: z.strictObject({ number: z.number() }),
    execute: () => void runs++,
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [ManyTask], ...database.forWorker });
  const { taskId } = await muster.publish(ManyTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  t.is(await muster.waiting(), 10_000);
  await muster.startWorker({ tasks: [NoopTask], permits: 100 });
  while (runs < 10_000) {
    const before = runs;
    await until(async () => (runs > before ? true : undefined), "one more run");
  }
  await muster.settled();
  t.is(runs, 10_000);
});

test("a parent that spawns more than may be listed fails with the limit, and none of its children is published", async (t) => {
  const GreedyTask = defineSqlTask({
    name: "GreedyTask",
    per: "vo",
    retry: noRetry(),
    execute({ spawn }) {
      for (let number = 0; ; number++) spawn(ChildTask, { number });
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [GreedyTask], ...database.forWorker });
  const { taskId } = await muster.publish(GreedyTask, { vo: "lhcb" });
  t.regex((await muster.event("dead", taskId)).reason ?? "", /20000 children already/);
  t.is(await muster.waiting(), 0);
});

test("a result over the limit, and one that is no JSON, fail the task with size and limit", async (t) => {
  const results: Record<string, unknown> = { large: "x".repeat(2_000_000), circular: {}, bigint: 10n };
  results["circular"] = { self: results };
  const ResultTask = defineSqlTask({
    name: "ResultTask",
    per: "vo",
    payload: z.strictObject({ kind: z.string() }),
    retry: noRetry(),
    execute: ({ payload }) => results[payload.kind],
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [ResultTask], ...database.forWorker });
  const reasons: Record<string, RegExp> = {
    large: /2000002 bytes of JSON; 262144 are the limit/,
    circular: /Cannot keep the result/,
    bigint: /BigInt/,
  };
  for (const [kind, reason] of Object.entries(reasons)) {
    const { taskId } = await muster.publish(ResultTask, { vo: "lhcb", payload: { kind } });
    t.regex((await muster.event("dead", taskId)).reason ?? "", reason);
  }
});
