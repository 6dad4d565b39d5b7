import { openDatabase } from "@muster/ledger";
import { startProxy, startTestServer } from "@muster/ledger/testing";
import { defineLockType, noRetry } from "@muster/tasks";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { createTestDatabase, defineSqlTask, effectOf, workerParts } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const siteLock = defineLockType("transaction_test_site");
const NoteTask = defineSqlTask({
  name: "NoteTask",
  per: "vo",
  retry: noRetry(),
  execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
});

test("an error that the database reports at COMMIT fails the task with the database's message", async (t) => {
  await using database = await createTestDatabase(server);
  await database.sql(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no effects on a Sunday'; end $$;
    create constraint trigger refuse after insert on effect deferrable initially deferred
    for each row execute function refuse()`);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [NoteTask], ...database.forWorker });
  const { taskId } = await muster.publish(NoteTask, { vo: "lhcb" });
  t.regex((await muster.event("dead", taskId)).reason ?? "", /no effects on a Sunday/);
  t.is(await database.effects(taskId), 0);
  t.like(await database.database.ledger.recall(taskId), { outcome: "dead" });
  t.false(muster.events.of(taskId).includes("done"));
});

test("a COMMIT whose answer is lost is neither done nor failed: the message comes back with its attempt, and the ledger tells", async (t) => {
  await using database = await createTestDatabase(server);
  await using proxy = await startProxy(database.url);
  await using proxied = await openDatabase({ url: proxy.url });
  let runs = 0;
  const CutTask = defineSqlTask({
    name: "CutTask",
    per: "vo",
    retry: noRetry(),
    async execute({ deps, taskId }) {
      await deps.sql(effectOf(taskId));
      if (++runs === 1) proxy.loseAnswerTo("commit");
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [CutTask], ...workerParts(proxied) });
  const { taskId } = await muster.publish(CutTask, { vo: "lhcb" });
  t.is((await muster.event("abandoned", taskId)).attempt, 1);
  t.like(await muster.event("duplicate", taskId), { attempt: 1, reason: "attempt 1 ended done" });
  await muster.settled();
  t.is(await database.effects(taskId), 1);
  t.deepEqual(muster.events.of(taskId), ["started", "abandoned", "duplicate"]);
  t.deepEqual(await muster.results("starts."), []);
});

test("a transaction that the database ends for the sake of others runs again in place, and uses no attempt", async (t) => {
  let runs = 0;
  const AgainTask = defineSqlTask({
    name: "AgainTask",
    per: "vo",
    retry: noRetry(),
    async execute({ deps, taskId, attempt }) {
      runs++;
      await deps.sql(effectOf(taskId));
      if (runs < 3) await deps.sql("do $$ begin raise exception 'lost' using errcode = '40001'; end $$");
      return { attempt };
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [AgainTask], ...database.forWorker });
  const { taskId } = await muster.publish(AgainTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  t.is(runs, 3);
  t.is(await database.effects(taskId), 1);
  t.like(await database.database.ledger.recall(taskId), { attempt: 1, result: { attempt: 1 } });
  t.deepEqual(muster.events.of(taskId), ["started", "done"]);
});

/** How long each COMMIT takes, ms. */
const SLOW_MS = 1_500;

test("the lock covers the COMMIT: nobody else has it before the effect can be seen", async (t) => {
  const seen: number[] = [];
  const CountTask = defineSqlTask({
    name: "CountTask",
    per: "vo",
    locks: () => [siteLock.mutex("ce01")],
    async execute({ deps, taskId }) {
      seen.push(((await deps.sql("select from effect")) as unknown[]).length);
      await deps.sql(effectOf(taskId));
    },
  });
  await using database = await createTestDatabase(server);
  await database.sql(`
    create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(${SLOW_MS / 1_000}); return null; end $$;
    create constraint trigger slow after insert on effect deferrable initially deferred for each row execute function slow()`);
  await using muster = await startMuster();
  for (let worker = 0; worker < 2; worker++) await muster.startWorker({ tasks: [CountTask], ...database.forWorker });
  const ids = await muster.publishMany(
    CountTask,
    Array.from({ length: 4 }, () => ({ vo: "lhcb" })),
  );
  for (const { taskId } of ids) await muster.event("done", taskId);
  t.deepEqual(seen, [0, 1, 2, 3]);
  // A task starts when it has its lock.
  const starts = muster.events.steps.filter(({ step }) => step === "started").map(({ heardAtMs }) => heardAtMs);
  for (const [index, at] of starts.slice(1).entries()) t.true(at - (starts[index] ?? 0) >= SLOW_MS / 3); // we may hear of one later than of the next
  t.false(muster.events.steps.some(({ step }) => step === "abandoned"));
});

test("a run whose message is somebody else's by now fails without a word: the other one's outcome counts", async (t) => {
  const firstMayFail = Promise.withResolvers<void>();
  const secondMayEnd = Promise.withResolvers<void>();
  let runs = 0;
  const TwiceTask = defineSqlTask({
    name: "TwiceTask",
    per: "vo",
    retry: noRetry(),
    async execute({ deps, taskId }) {
      if (++runs === 1) {
        await firstMayFail.promise;
        throw new Error("the first run's");
      }
      await secondMayEnd.promise;
      await deps.sql(effectOf(taskId));
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [TwiceTask], ...database.forWorker });
  const { taskId } = await muster.publish(TwiceTask, { vo: "lhcb" });
  await muster.event("started", taskId);
  // The server forgets what is in flight, and hands the message out again.
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  // Events may have been told before we were connected again.
  const isStarted = async () => worker.watcher.steps.filter(({ step }) => step === "started")[1];
  await until(isStarted, "the second run");
  const isNoticed = async () => worker.watcher.notes.find((note) => note.includes("restarted"));
  await until(isNoticed, "the keeper's word of the restart");
  firstMayFail.resolve();
  const endOfFirst = async () => worker.watcher.steps.find(({ reason = "" }) => reason.includes("the first run's"));
  t.is((await until(endOfFirst, "the end of the first run")).step, "abandoned");
  secondMayEnd.resolve();
  t.is((await muster.event("done", taskId)).attempt, 1);
  t.is(await database.effects(taskId), 1);
  t.is((await muster.deadLetters()).length, 0);
});

test("a task that ignores its signal has its connection ended, so that what it locked in the database is free", async (t) => {
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  const StubbornTask = defineSqlTask({
    name: "StubbornTask",
    per: "vo",
    timeoutMs: 100,
    retry: noRetry(),
    async execute({ deps, taskId }) {
      await deps.sql(`lock table effect; ${effectOf(taskId)}`);
      await promise;
    },
  });
  // Long enough that the server does not end the transaction by itself meanwhile.
  await using database = await createTestDatabase(server, { idleInTransactionTimeoutMs: 60_000 });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [StubbornTask, NoteTask], ...database.forWorker });
  const stubborn = await muster.publish(StubbornTask, { vo: "lhcb" });
  await muster.event("started", stubborn.taskId);
  const waiting = await muster.publish(NoteTask, { vo: "lhcb" });
  t.regex((await muster.event("dead", stubborn.taskId)).reason ?? "", /TaskTimeoutError/);
  await muster.event("done", waiting.taskId);
  t.is(await database.effects(stubborn.taskId), 0);
  letGo();
});

test("a live worker keeps its own idle transaction awake beyond the server's timeout", async (t) => {
  const IdleTask = defineSqlTask({
    name: "IdleTask",
    per: "vo",
    retry: noRetry(),
    async execute({ deps, taskId }) {
      await deps.sql(effectOf(taskId));
      await pause(6_500);
    },
  });
  await using database = await createTestDatabase(server, { idleInTransactionTimeoutMs: 4_000 });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [IdleTask], ...database.forWorker });
  const { taskId } = await muster.publish(IdleTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  t.is(await database.effects(taskId), 1);
});

test("a lease that is lost aborts the signal, the work is rolled back, and the task runs again under a new lease with the same attempt", async (t) => {
  const reasons: unknown[] = [];
  const tokens: number[] = [];
  const written = Promise.withResolvers<void>();
  const LeaseTask = defineSqlTask({
    name: "LeaseTask",
    per: "vo",
    retry: noRetry(),
    locks: () => [siteLock.mutex("lost")],
    async execute({ deps, taskId, signal, leases: [lease] }) {
      tokens.push(lease?.fencingToken ?? Number.NaN);
      await deps.sql(effectOf(taskId));
      if (tokens.length > 1) return;
      signal.addEventListener("abort", () => reasons.push(signal.reason));
      written.resolve();
      await pause(60_000, undefined, { signal });
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [LeaseTask], ...database.forWorker, lockTtlMs: 5_000 });
  const { taskId } = await muster.publish(LeaseTask, { vo: "lhcb" });
  await written.promise;
  await muster.broker.jsm.streams.purge("KV_locks", { filter: "$KV.locks.transaction_test_site.lost" });
  t.regex((await muster.event("abandoned", taskId)).reason ?? "", /^LeaseLostError/);
  t.is((await muster.event("done", taskId)).attempt, 1);
  t.like(reasons, [{ name: "LeaseLostError", key: "transaction_test_site.lost", fencingToken: tokens[0] }]);
  t.true((tokens[1] ?? 0) > (tokens[0] ?? 0));
  t.is(await database.effects(taskId), 1);
});

test("I13: a run that is refused by a token above the bucket's last revision is abandoned, the bucket is raised, and the task is done", async (t) => {
  const AheadTask = defineSqlTask({
    name: "AheadTask",
    per: "vo",
    retry: noRetry(),
    locks: () => [siteLock.mutex("ahead")],
    execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [AheadTask], ...database.forWorker, lockTtlMs: 5_000 });
  // As after the loss of the bucket's newest revisions. A worker that starts later would raise the bucket before it takes a lock.
  const ahead = Date.now() * 1_000 + 60_000_000;
  await database.sql(`insert into lock_fence (key, revision, holder) values ('${siteLock.name}.ahead', ${ahead}, 'x')`);
  const { taskId } = await muster.publish(AheadTask, { vo: "lhcb" });
  t.regex((await muster.event("abandoned", taskId)).reason ?? "", /^FenceRefusedError/);
  t.is((await muster.event("done", taskId)).attempt, 1);
  t.is(await database.effects(taskId), 1);
  t.true(worker.watcher.alarms.some((alarm) => alarm.includes("lost its newest revisions")));
});

test("the fences of several locks are raised in the order of their keys, so that no two transactions wait for each other", async (t) => {
  const TwoTask = defineSqlTask({
    name: "TwoTask",
    per: "vo",
    retry: noRetry(),
    locks: () => [siteLock.mutex("b"), siteLock.mutex("a"), siteLock.mutex("c")],
    execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [TwoTask], ...database.forWorker });
  const { taskId } = await muster.publish(TwoTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  // Rows lie in the table in the order in which they were inserted.
  const rows = await database.sql<{ key: string }>("select key from lock_fence order by ctid");
  t.deepEqual(
    rows.map(({ key }) => key.slice(-1)),
    ["a", "b", "c"],
  );
});

test("I12: the lock bucket is deleted under load, and work goes on within ten seconds with rising tokens", async (t) => {
  const SiteTask = defineSqlTask({
    name: "SiteTask",
    per: "vo",
    locks: (_payload, vo) => [siteLock.mutex(vo)],
    async execute({ deps, taskId }) {
      await deps.sql(effectOf(taskId));
      await pause(20);
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [SiteTask], ...database.forWorker, lockTtlMs: 5_000 });
  const many = Array.from({ length: 60 }, (_, index) => ({ vo: ["lhcb", "atlas"][index % 2] ?? "" }));
  const ids = await muster.publishMany(SiteTask, many);
  await muster.event("done", ids[5]?.taskId ?? "");
  const [before] = await database.sql<{ highest: number }>("select max(revision) as highest from lock_fence");
  await muster.broker.jsm.streams.delete("KV_locks");
  for (const { taskId } of ids) await muster.event("done", taskId);
  const [after] = await database.sql<{ highest: number }>("select max(revision) as highest from lock_fence");
  t.true((after?.highest ?? 0) > (before?.highest ?? 0));
  for (const { taskId } of ids) t.is(await database.effects(taskId), 1);
});
