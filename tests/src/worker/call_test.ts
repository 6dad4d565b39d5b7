import { startTestServer } from "@muster/ledger/testing";
import { callTask, defineLockType, noRetry } from "@muster/tasks";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
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
  await t.throwsAsync(callTask({ ...called, payload: { fails: "perhaps" } }), { name: "PayloadRefusedError" });
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
