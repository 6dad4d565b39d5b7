import { listRetries, rereadRetries } from "@muster/ledger";
import { startTestServer } from "@muster/ledger/testing";
import type { RetryPolicy } from "@muster/tasks";
import { findLostRetries, publishRetry } from "@muster/tasks/operate";
import test from "ava";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { openOldClient } from "../support/old_client.ts";

const postgres = await startTestServer();
test.after.always(() => postgres[Symbol.asyncDispose]());

const HOUR_MS = 3_600_000;
const inAnHour: RetryPolicy = { name: "in an hour", decide: () => ({ kind: "retry", delayMs: HOUR_MS }) };

test("a retry whose message LATER has lost is made again from its row, and runs as the next attempt of the same task", async (t) => {
  await using muster = await startMuster();
  await using database = await createTestDatabase(postgres);
  const Flaky = defineSqlTask({
    name: "Flaky",
    per: "vo",
    payload: z.strictObject({ text: z.string() }),
    retry: inAnHour,
    async execute({ deps, attempt, taskId }) {
      if (attempt === 1) throw new Error("not yet");
      await deps.sql(effectOf(taskId));
    },
  });
  await using _worker = await muster.startWorker({ tasks: [Flaky], ...database.forWorker });
  await using client = await openOldClient(muster.nats.url);
  const headers = { "Task-Id": "flaky", "Task-Parent": "somebody" };
  await client.publish("tasks.Flaky.lhcb", { headers, body: '{ "text": "\\u0000 \u00e4" }' });
  await muster.event("retry", "flaky");
  const { database: db } = database;
  await database.sql("update task_outcome set settled_at = now() - interval '11 seconds'");
  const [retry] = await db.transaction((transaction) => listRetries(transaction, { after: "", limit: 10 }));
  t.like(retry, { taskId: "flaky", attempt: 1 });
  if (retry === undefined) return;
  t.deepEqual(await findLostRetries(muster.broker, [retry]), []);
  await muster.broker.jsm.streams.purge("LATER");
  t.deepEqual(await findLostRetries(muster.broker, [retry]), [retry]);
  const [standing] = await db.transaction((transaction) => rereadRetries(transaction, [retry]));
  t.deepEqual(standing?.message, { body: '{ "text": "\\u0000 \u00e4" }', headers: { "Task-Parent": "somebody" } });
  if (!standing?.message) return;
  await publishRetry(muster.broker, { ...retry, ...standing.message, dueAt: new Date().toISOString() });
  t.is((await muster.event("done", "flaky")).attempt, 2);
  t.is(await database.effects("flaky"), 1);
  t.deepEqual(await database.sql("select message from task_outcome"), [{ message: null }]);
});

test("a retry that a newer schema refuses has ended as dead, so nobody looks for its message", async (t) => {
  await using muster = await startMuster();
  await using database = await createTestDatabase(postgres);
  const named = { name: "Stricter", per: "vo" } as const;
  const Old = defineSqlTask({
    ...named,
    payload: z.object({ text: z.string() }),
    retry: inAnHour,
    execute() {
      throw new Error("not yet");
    },
  });
  const New = defineSqlTask({
    ...named,
    payload: z.object({ text: z.string().max(1) }),
    execute() {},
  });
  const first = await muster.startWorker({ tasks: [Old], ...database.forWorker });
  await muster.publish(Old, { vo: "lhcb", taskId: "long", payload: { text: "long" } });
  await muster.event("retry", "long");
  await first.drain();
  await using _second = await muster.startWorker({ tasks: [New], ...database.forWorker });
  await using client = await openOldClient(muster.nats.url);
  // Another task's payload under this id and attempt changes nothing.
  await client.publish("tasks.Stricter.lhcb", {
    headers: { "Task-Id": "long", "Task-Attempt": "2" },
    body: '{"text":7}',
  });
  await muster.event("refused", "long");
  const { ledger } = database.database;
  t.like(await ledger.recall("long"), { outcome: "retry", attempt: 1 });
  await client.publish("tasks.Stricter.lhcb", {
    headers: { "Task-Id": "long", "Task-Attempt": "2" },
    body: '{"text":"long"}',
  });
  await muster.event("refused", "long", 2);
  t.like(await ledger.recall("long"), { outcome: "dead", attempt: 2, dueAt: null });
});
