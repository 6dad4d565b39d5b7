import { startTestServer } from "@muster/ledger/testing";
import { callTask, CancelledError, defineLockType, type Middleware, noRetry } from "@muster/tasks";
import { cancelTask, listLocks } from "@muster/tasks/operate";
import test, { type ExecutionContext } from "ava";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf, type TestDatabase } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { within } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const siteLock = defineLockType("call_test_site");
const ChildTask = defineSqlTask({ name: "ChildTask", per: "vo", execute() {} });
const SiteTask = defineSqlTask({
  name: "SiteTask",
  per: "vo",
  payload: z.strictObject({ fails: z.boolean().default(false) }),
  retry: noRetry(),
  locks: () => [siteLock.mutex("ce01")],
  async execute({ deps, taskId, payload, spawn }) {
    await deps.sql(effectOf(taskId));
    if (payload.fails) throw new RangeError("the task's own");
    spawn(ChildTask, {});
    return { answer: 42 };
  },
});

test("a task that is called runs here under its real lock, and its result, row and children are there", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const holder = await muster.hold("call_test_site.ce01");
  const call = callTask({
    ...database.forWorker,
    broker: muster.broker,
    nats: muster.nats,
    task: SiteTask,
    vo: "lhcb",
  });
  await pause(200);
  t.is((await database.sql("select from effect")).length, 0); // it waits for its lock
  await holder.letGo();
  const { taskId, result, spawned } = await call;
  t.deepEqual(result, { answer: 42 });
  t.is(await database.effects(taskId), 1);
  t.like(await database.database.ledger.recall(taskId), { outcome: "done", result: { answer: 42 } });
  t.is(spawned.length, 1);
  t.is(await muster.waiting(), 1);
});

test("a called task's own error is thrown, itself, and nothing of its work is left", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const called = { ...database.forWorker, broker: muster.broker, nats: muster.nats, task: SiteTask, vo: "lhcb" };
  await t.throwsAsync(callTask({ ...called, payload: { fails: true } }), {
    instanceOf: RangeError,
    message: "the task's own",
  });
  await t.throwsAsync(callTask({ ...called, payload: JSON.parse('{"fails":"perhaps"}') }), {
    name: "PayloadRefusedError",
  });
  t.is((await database.sql("select from effect")).length, 0);
  t.is(await muster.waiting(), 0);
});

const HostTask = defineSqlTask({
  name: "HostTask",
  per: "vo",
  payload: z.strictObject({ host: z.string().toLowerCase(), port: z.number().default(9619) }),
  locks: ({ host }) => [siteLock.mutex(host)],
  execute: ({ payload, leases }) => ({ payload, locks: leases.map(({ key }) => key) }),
});

test("a called task gets its payload as its schema returned it, and takes the locks of that", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const called = { ...database.forWorker, broker: muster.broker, nats: muster.nats, task: HostTask, vo: "lhcb" };
  t.deepEqual((await callTask({ ...called, payload: { host: "CE01" } })).result, {
    payload: { host: "ce01", port: 9619 },
    locks: ["call_test_site.ce01"],
  });
});

test("a call that is interrupted while it waits for its lock ends with the reason", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.hold("call_test_site.ce01");
  for (const waitMs of [0, 1, 5, 300]) {
    const interrupted = new AbortController();
    const call = callTask({
      ...database.forWorker,
      broker: muster.broker,
      nats: muster.nats,
      task: SiteTask,
      vo: "lhcb",
      signal: interrupted.signal,
    });
    setTimeout(() => interrupted.abort(new Error("Ctrl-C")), waitMs);
    await t.throwsAsync(
      within(call, () => "the end of the call"),
      { message: "Ctrl-C" },
    );
  }
});

const HeldTask = defineSqlTask({
  name: "HeldTask",
  per: "vo",
  locks: () => [siteLock.mutex("ce01")],
  async execute({ deps, taskId, signal }) {
    await deps.sql(effectOf(taskId));
    await once(signal, "abort");
  },
});

/** Calls `onBegin` when a run begins. */
const beginning = (onBegin: () => void): Middleware => ({
  name: "beginning",
  async run(_run, next) {
    onBegin();
    await next();
  },
});

/** Calls the task, and resolves with its id once its run has begun. */
async function callHeld(database: TestDatabase, muster: Muster, options: { readonly signal?: AbortSignal } = {}) {
  const id = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const ended = callTask({
    ...{ ...database.forWorker, ...options, broker: muster.broker, nats: muster.nats, task: HeldTask, vo: "lhcb" },
    onId: id.resolve,
    middleware: [beginning(begun.resolve)],
  });
  ended.catch(id.reject);
  await begun.promise;
  return { taskId: await id.promise, ended };
}

/** Asserts that a call has left no effect, and that its lock is free for another one. */
async function assertNothingLeft(t: ExecutionContext, database: TestDatabase, muster: Muster): Promise<void> {
  t.is((await database.sql("select from effect")).length, 0);
  t.deepEqual(await listLocks(muster.broker), []);
}

test("a call that is interrupted while it runs aborts the task's signal, has no effect and frees its lock", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const interrupted = new AbortController();
  const { taskId, ended } = await callHeld(database, muster, { signal: interrupted.signal });
  interrupted.abort(new Error("Ctrl-C"));
  await t.throwsAsync(ended, { message: "Ctrl-C" });
  t.is(await database.database.ledger.recall(taskId), undefined);
  await assertNothingLeft(t, database, muster);
});

test("a call is cancelled by its id from elsewhere, while it runs and while it waits for its lock, and its row says so", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const cancel = (id: string) => cancelTask(muster.broker, id, { by: "ana@ui01", waitMs: 60_000 });
  const holder = await muster.hold("call_test_site.ce01", 600_000);
  const id = Promise.withResolvers<string>();
  const waiting = callTask({
    ...{ ...database.forWorker, broker: muster.broker, nats: muster.nats, task: HeldTask, vo: "lhcb" },
    onId: id.resolve,
  });
  const neverBegan = t.throwsAsync(waiting, { instanceOf: CancelledError });
  t.is((await cancel(await id.promise)).kind, "cancelled");
  await neverBegan;
  await holder.letGo();

  const running = await callHeld(database, muster);
  const cancelled = t.throwsAsync(running.ended, { instanceOf: CancelledError });
  t.deepEqual(await cancel(running.taskId), { kind: "cancelled", taskId: running.taskId });
  await cancelled;
  await assertNothingLeft(t, database, muster);
  for (const taskId of [running.taskId, await id.promise]) {
    t.like(await database.database.ledger.recall(taskId), {
      outcome: "cancelled",
      errors: ["cancelled by ana@ui01"],
    });
  }
});

test("a call ends at the timeout that the configuration gives its task for the VO", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const configuration = { vos: {}, tasks: { HeldTask: { timeout: "1h", vos: { lhcb: { timeout: "1s" } } } } };
  const call = callTask({
    ...{ ...database.forWorker, broker: muster.broker, nats: muster.nats, task: HeldTask, vo: "lhcb", configuration },
  });
  await t.throwsAsync(call, { name: "TaskTimeoutError", message: /1 s|1000 ms/ });
});
