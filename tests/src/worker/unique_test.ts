import { startTestServer } from "@muster/ledger/testing";
import {
  atLeastOnceFactory,
  defineLockType,
  exponentialBackoff,
  InvalidNameError,
  TaskNotDoneError,
  type Unique,
} from "@muster/tasks";
import { headers as newHeaders } from "@nats-io/transport-node";
import test from "ava";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const keepResult = { hours: 1 };
const one = { key: "ce01 *.>", mode: "one waiting" } as const;
const replace = { key: "ce01 *.>", mode: "replace" } as const;

/** A task that notes which payloads have run. */
function noting(ran: number[]) {
  return atLeastOnceFactory()({
    name: "NoteTask",
    per: "vo",
    payload: z.strictObject({ number: z.number() }),
    execute: ({ payload: { number } }) => ran.push(number),
  });
}

/** Number of messages in LATER. */
async function delayed(muster: Muster): Promise<number> {
  return (await muster.broker.jsm.streams.info("LATER")).state.messages;
}

/** Resolves once no key is claimed. */
async function untilFree(muster: Muster): Promise<void> {
  await until(async () => ((await muster.results("unique.")).length === 0 ? true : undefined), "all keys to be free");
}

test("I32: one task of a key waits, each publisher is told which one, and keys of others, of other VOs and of what has begun are free", async (t) => {
  await using muster = await startMuster();
  const goOn = Promise.withResolvers<void>();
  const HeldTask = atLeastOnceFactory()({
    name: "HeldTask",
    per: "vo",
    payload: z.strictObject({ number: z.number() }),
    execute: async ({ payload: { number } }) => (number === 1 ? goOn.promise.then(() => 1) : number),
  });
  const publish = (number: number, unique: Unique = one, vo = "lhcb") =>
    muster.publish(HeldTask, { vo, payload: { number }, unique, keepResult });
  const first = await publish(1);
  t.like(first, { duplicate: false, duplicateOf: undefined });
  const many = await Promise.all([publish(2), publish(3), publish(4)]);
  for (const { taskId, duplicate, duplicateOf } of many)
    t.deepEqual([taskId, duplicate, duplicateOf], [first.taskId, true, first.taskId]);
  t.is(await muster.waiting(), 1);
  await publish(5, { ...one, key: "ce02" });
  await publish(6, one, "atlas");
  t.is(await muster.waiting(), 3);

  await muster.startWorker({ tasks: [HeldTask] });
  await muster.event("started", first.taskId);
  const next = await publish(7);
  t.not(next.taskId, first.taskId);
  t.is(await next.result(), 7);
  goOn.resolve();
  for (const duplicate of many) t.is(await duplicate.result(), 1);
  await muster.settled();
  await untilFree(muster);
});

test("I32: a task that replaces the waiting one runs in its place, and who waits for the replaced one hears that it was dropped", async (t) => {
  await using muster = await startMuster();
  const ran: number[] = [];
  const NoteTask = noting(ran);
  const publish = (number: number) =>
    muster.publish(NoteTask, { vo: "lhcb", payload: { number }, unique: replace, keepResult });
  const first = await publish(1);
  const second = await publish(2);
  t.deepEqual([second.replaced, second.duplicate], [first.taskId, false]);
  const third = await publish(3);
  t.is(third.replaced, second.taskId);
  t.is(await muster.waiting(), 1);
  const error = await t.throwsAsync(() => first.result(), { instanceOf: TaskNotDoneError });
  t.like(error, { outcome: "dropped" });
  t.regex(
    error?.message ?? "",
    new RegExp(`replaced by ${second.taskId}, which was published under the same unique key`),
  );
  t.is((await muster.event("dropped", second.taskId)).worker, "publisher");
  await muster.startWorker({ tasks: [NoteTask] });
  t.is(await third.result(), 1);
  t.deepEqual(ran, [3]);
});

test("I32: a replaced task that a worker has in hand does not run, and its row says why", async (t) => {
  await using muster = await startMuster();
  await using database = await createTestDatabase(server);
  const siteLock = defineLockType("unique_site");
  const SiteTask = defineSqlTask({
    name: "SiteTask",
    per: "vo",
    locks: () => [siteLock.mutex("one")],
    execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
  });
  const holder = await muster.hold("unique_site.one", 60_000);
  await muster.startWorker({ tasks: [SiteTask], ...database.forWorker });
  const first = await muster.publish(SiteTask, { vo: "lhcb", unique: replace });
  await muster.event("contended", first.taskId);
  const second = await muster.publish(SiteTask, { vo: "lhcb", unique: replace });
  t.is(second.replaced, first.taskId);
  await holder.letGo();
  await muster.event("done", second.taskId);
  const row = await until(() => database.database.ledger.recall(first.taskId), "the row of the replaced task");
  t.is(row.outcome, "dropped");
  t.regex(row.errors[0] ?? "", /^replaced by /);
  t.deepEqual([await database.effects(first.taskId), await database.effects(second.taskId)], [0, 1]);
});

test("I32: debounced tasks of a key wait as one, the last one wins and runs after its quiet time, and not before", async (t) => {
  await using muster = await startMuster();
  const ran: number[] = [];
  const NoteTask = noting(ran);
  await muster.startWorker({ tasks: [NoteTask] });
  const publish = (number: number, wait: { readonly minutes?: number; readonly seconds?: number }) =>
    muster.publish(NoteTask, { vo: "lhcb", payload: { number }, unique: { key: "site", mode: "debounce", wait } });
  const first = await publish(1, { minutes: 10 });
  t.is(first.stream, "LATER");
  const second = await publish(2, { minutes: 10 });
  t.is(second.replaced, first.taskId);
  t.is(await delayed(muster), 1);
  const publishedAt = Date.now();
  const third = await publish(3, { seconds: 1 });
  t.is(third.replaced, second.taskId);
  await muster.event("done", third.taskId);
  t.true(Date.now() - publishedAt >= 1_000);
  t.deepEqual(ran, [3]);
  await muster.settled();
  await untilFree(muster);
  t.deepEqual(muster.watcher.alarms, []);
});

test("what a publisher that died had claimed is published by the next one of its key, and where it replaced another, by the worker", async (t) => {
  await using muster = await startMuster();
  const ran: number[] = [];
  const NoteTask = noting(ran);
  const claim = (key: string, number: number) => ({
    waiting: {
      taskId: `dead-${number}`,
      task: { taskId: `dead-${number}`, task: "NoteTask", vo: "lhcb", payload: { number } },
    },
    begun: [],
    key,
  });
  const keep = async ({ key, ...entry }: ReturnType<typeof claim>) =>
    await muster.broker.buckets.results.put(`unique.NoteTask.lhcb.${key}`, JSON.stringify(entry));
  await keep(claim("alone", 1));
  const { duplicateOf } = await muster.publish(NoteTask, {
    ...{ vo: "lhcb", payload: { number: 2 }, unique: { key: "alone", mode: "one waiting" } },
  });
  t.is(duplicateOf, "dead-1");
  const acknowledged = await muster.publish(NoteTask, {
    ...{ vo: "lhcb", payload: { number: 3 }, unique: { key: "both", mode: "replace" } },
  });
  await keep(claim("both", 4));
  await muster.startWorker({ tasks: [NoteTask] });
  await muster.event("dropped", acknowledged.taskId);
  await muster.event("done", "dead-4");
  await muster.event("done", "dead-1");
  t.deepEqual(ran.toSorted(), [1, 4]);
});

test("no task is lost with the bucket, where it fell back, or by a header of a stranger; a hard kill of the server forgets no key", async (t) => {
  await using muster = await startMuster();
  const ran: number[] = [];
  const NoteTask = noting(ran);
  const publish = (number: number, unique: Unique = one) =>
    muster.publish(NoteTask, { vo: "lhcb", payload: { number }, unique });
  const first = await publish(1);
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  t.is((await publish(2)).duplicateOf, first.taskId);
  // A key whose entry is older than the claim of the message that waits.
  const headers = newHeaders();
  headers.set("Task-Id", "stranger");
  headers.set("Task-Unique", "999999999 ce01 *.>");
  await muster.broker.js.publish("tasks.NoteTask.lhcb", '{"number":3}', { headers });
  const lost = await publish(4, { ...one, key: "lost" });
  await muster.broker.jsm.streams.purge("KV_results", { filter: "$KV.results.unique.NoteTask.lhcb.lost" });
  await muster.startWorker({ tasks: [NoteTask] });
  for (const taskId of [first.taskId, "stranger", lost.taskId]) await muster.event("done", taskId);
  t.deepEqual(ran.toSorted(), [1, 3, 4]);
});

test("a task that waits for its retry has begun: another one may wait, and the retry runs all the same", async (t) => {
  await using muster = await startMuster();
  const policy = exponentialBackoff({ maxRetries: 1, firstDelayMs: 1_000, maxDelayMs: 1_000 });
  const FlakyTask = atLeastOnceFactory()({
    name: "FlakyTask",
    retry: policy,
    execute: ({ attempt }) => (attempt === 1 ? Promise.reject(new Error("down")) : "up"),
  });
  await muster.startWorker({ tasks: [FlakyTask] });
  const first = await muster.publish(FlakyTask, { unique: one, keepResult });
  await muster.event("retry", first.taskId);
  const second = await muster.publish(FlakyTask, { unique: one, keepResult });
  t.is(second.duplicateOf, undefined);
  t.deepEqual([await first.result(), await second.result()], ["up", "up"]);
  await untilFree(muster);
});

test("a key that cannot be, a debounce with a start of its own, and a unique task among many are refused before anything is stored", async (t) => {
  await using muster = await startMuster();
  const NoteTask = noting([]);
  const given = { vo: "lhcb", payload: { number: 1 } };
  await t.throwsAsync(() => muster.publish(NoteTask, { ...given, unique: { key: "", mode: "replace" } }), {
    instanceOf: InvalidNameError,
  });
  const wait = { seconds: 1 };
  const debounce = { key: "k", mode: "debounce", wait } as const;
  await t.throwsAsync(() => muster.publish(NoteTask, { ...given, at: new Date(), unique: debounce }), {
    message: /^Cannot publish NoteTask at a time and debounced/,
  });
  await t.throwsAsync(() => muster.publish(NoteTask, { ...given, unique: { ...debounce, wait: { days: 31 } } }), {
    message: /^Cannot debounce NoteTask by \{"days":31\}: give up to 30 days/,
  });
  await t.throwsAsync(() => muster.publishMany(NoteTask, [{ ...given, unique: one }]), {
    message: /^Cannot publish NoteTask under a unique key here: publish it by itself/,
  });
  t.is(await muster.waiting(), 0);
  t.deepEqual(await muster.results("unique."), []);
});
