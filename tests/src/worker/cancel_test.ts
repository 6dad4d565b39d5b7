import { startTestServer } from "@muster/ledger/testing";
import {
  atLeastOnceFactory,
  connectNats,
  defineLockType,
  exponentialBackoff,
  openBroker,
  type StartSchedulerOptions,
  startScheduler,
  startWorker,
} from "@muster/tasks";
import { cancelTask } from "@muster/tasks/operate";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import test from "ava";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { overridden } from "../support/overridden.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const defineLooseTask = atLeastOnceFactory();
const ANA = { by: "ana@ui01", reason: "wrong dataset" };
const WHY = "cancelled by ana@ui01: wrong dataset";

/** A place where runs wait until they may go on, or until their signals abort. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const inside = Promise.withResolvers<void>();
  return {
    inside: inside.promise,
    goOn: resolve,
    async wait(signal: AbortSignal): Promise<void> {
      inside.resolve();
      const aborted = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
      await Promise.race([promise, aborted.promise]);
    },
  };
}

/** The headers of a message that no window of the broker drops. */
function headersOf(taskId: string) {
  const told = headers();
  told.set("Task-Id", taskId);
  return told;
}

async function scheduler(
  muster: Muster,
  tasks: Parameters<typeof startScheduler>[0]["tasks"],
  ledger?: StartSchedulerOptions["ledger"],
) {
  const nats = { url: muster.nats.url };
  return await startScheduler({ broker: muster.broker, nats, app: "test", tasks, ...(ledger && { ledger }) });
}

/** A task under the mutex `ce01` of a lock type of its own. */
function lockedTask(lockType: string) {
  const siteLock = defineLockType(lockType);
  return defineSqlTask({
    name: "LockedTask",
    per: "vo",
    locks: () => [siteLock.mutex("ce01")],
    execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
  });
}

test("I22: a running task is cancelled: its signal aborts with the reason, and neither effect nor child is left", async (t) => {
  const held = gate();
  let reason: unknown;
  const ChildTask = defineSqlTask({ name: "ChildTask", per: "vo", execute() {} });
  const HeldTask = defineSqlTask({
    name: "HeldTask",
    per: "vo",
    async execute({ deps, taskId, signal, spawn }) {
      await deps.sql(effectOf(taskId));
      spawn(ChildTask, {});
      await held.wait(signal).catch((error: unknown) => {
        reason = error;
        throw error;
      });
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [HeldTask], ...database.forWorker });
  const { taskId } = await muster.publish(HeldTask, { vo: "lhcb" });
  await held.inside;
  t.deepEqual(await cancelTask(muster.broker, taskId, { ...ANA, waitMs: 60_000 }), { kind: "cancelled", taskId });
  t.like(reason, { name: "CancelledError", cancellation: { by: "ana@ui01" } });
  const row = await database.database.ledger.recall(taskId);
  t.like(row, { outcome: "cancelled", attempt: 1, spawned: [], errors: [WHY] });
  t.is((await muster.event("cancelled", taskId)).reason, WHY);
  await muster.settled();
  t.is(await database.effects(taskId), 0);
  t.deepEqual(muster.events.of(taskId), ["started", "cancelled"]);
});

test("I22: where COMMIT is on its way when a task is cancelled, it is done with its effect, and the answer says so", async (t) => {
  const committing = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const LateTask = defineSqlTask({
    name: "LateTask",
    per: "vo",
    async execute({ deps, taskId, signal }) {
      signal.addEventListener("abort", () => aborted.resolve());
      await deps.sql(effectOf(taskId));
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  const { ledger, ...parts } = database.forWorker;
  if (ledger === undefined) throw new Error("there is no ledger");
  const slow: typeof ledger = {
    ...ledger,
    open(claim) {
      const opened = ledger.open(claim);
      const commit = opened.commit.bind(opened);
      opened.commit = async (row) => {
        committing.resolve();
        await goOn.promise;
        return await commit(row);
      };
      return opened;
    },
  };
  await muster.startWorker({ tasks: [LateTask], ledger: slow, ...parts });
  const { taskId } = await muster.publish(LateTask, { vo: "lhcb" });
  await committing.promise;
  const cancelling = cancelTask(muster.broker, taskId, { ...ANA, waitMs: 60_000 });
  await aborted.promise;
  goOn.resolve();
  t.deepEqual(await cancelling, { kind: "too late", taskId, outcome: "done" });
  t.is(await database.effects(taskId), 1);
  t.like(await database.database.ledger.recall(taskId), { outcome: "done" });
  await muster.settled();
});

test("a task without a database is cancelled while it runs, and a later one of that id when it is pulled", async (t) => {
  const held = gate();
  const runs: string[] = [];
  const LooseTask = defineLooseTask({
    name: "LooseTask",
    per: "vo",
    async execute({ taskId, signal }) {
      runs.push(taskId);
      await held.wait(signal);
    },
  });
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [LooseTask] });
  await muster.publish(LooseTask, { vo: "lhcb", taskId: "loose" });
  await held.inside;
  t.is((await cancelTask(muster.broker, "loose", { waitMs: 60_000 })).kind, "cancelled");
  await muster.settled();
  // An id that was cancelled is used up. The broker's window would drop a plain repeat.
  await muster.broker.js.publish("tasks.LooseTask.lhcb", "{}", { headers: headersOf("loose") });
  await muster.event("cancelled", "loose", 2);
  await muster.settled();
  t.deepEqual(runs, ["loose"]);
});

test("tasks that wait are cancelled when they are pulled, also by a worker that starts later, and the others run", async (t) => {
  const NoteTask = defineSqlTask({
    name: "NoteTask",
    per: "vo",
    execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  for (const taskId of ["wanted", "*", ">", "a.b <c>\u{1F4A5}"]) await muster.publish(NoteTask, { vo: "lhcb", taskId });
  const asked = await cancelTask(muster.broker, "a.b <c>\u{1F4A5}", { waitMs: 0 });
  t.like(asked, { kind: "requested", found: { stream: "TASKS", task: "NoteTask", vo: "lhcb" } });
  await cancelTask(muster.broker, "*", { waitMs: 0 });
  await cancelTask(muster.broker, ">", { waitMs: 0 });
  await muster.startWorker({ tasks: [NoteTask], ...database.forWorker });
  await muster.event("done", "wanted");
  for (const taskId of ["*", ">", "a.b <c>\u{1F4A5}"]) {
    await muster.event("cancelled", taskId);
    t.is(await database.effects("wanted"), 1);
  }
  t.is((await database.sql("select from effect")).length, 1);
  t.is((await cancelTask(muster.broker, "*")).kind, "cancelled");
});

test("a task that waits for a lock is cancelled at once, and the lock's holder goes on", async (t) => {
  const LockedTask = lockedTask("cancel_site");
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  const holder = await muster.hold("cancel_site.ce01", 600_000);
  await muster.startWorker({ tasks: [LockedTask], ...database.forWorker });
  const { taskId } = await muster.publish(LockedTask, { vo: "lhcb" });
  await muster.event("contended", taskId);
  t.is((await cancelTask(muster.broker, taskId, { waitMs: 60_000 })).kind, "cancelled");
  await holder.letGo();
  await muster.settled();
  t.is(await database.effects(taskId), 0);
});

/**
 * `nc`, on which the second request for a lock of this type is held back, and which tells when a cancellation was read. The first one opens the
 * watcher of freed locks, and everybody who waits asks again when that is open.
 */
function slowAsker(
  nc: NatsConnection,
  { lockType, cancelled }: { readonly lockType: string; readonly cancelled: string },
) {
  const asks = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const knows = Promise.withResolvers<void>();
  let requests = 0;
  let isRead = false;
  const publish: NatsConnection["publish"] = (...message) => {
    if (!message[0].startsWith(`$KV.locks.${lockType}.`) || ++requests !== 2) return nc.publish(...message);
    asks.resolve();
    void goOn.promise.then(() => nc.publish(...message));
  };
  const request: NatsConnection["request"] = async (...question) => {
    const [subject] = question;
    // One look is over before the next one begins, and the worker has acted on it by then.
    if (isRead && subject === "$JS.API.STREAM.INFO.KV_results") knows.resolve();
    const answer = await nc.request(...question);
    if (subject === "$JS.API.STREAM.MSG.GET.KV_results") isRead ||= answer.string().includes(`cancel.${cancelled}"`);
    return answer;
  };
  const slow = overridden(nc, { publish, request });
  return { nc: slow, asks: asks.promise, knows: knows.promise, goOn: goOn.resolve };
}

test("a task that is cancelled while it asks for its lock does not go on to wait for it", async (t) => {
  const LockedTask = lockedTask("cancel_race");
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.hold("cancel_race.ce01", 600_000);
  await using nc = await connectNats({ url: muster.nats.url, name: "asks slowly" });
  const asker = slowAsker(nc, { lockType: "cancel_race", cancelled: "asks" });
  const nats = { url: muster.nats.url };
  await using _worker = await startWorker({
    ...{ ...database.forWorker, broker: await openBroker(asker.nc), nats, app: "test", tasks: [LockedTask] },
  });
  const { taskId } = await muster.publish(LockedTask, { vo: "lhcb", taskId: "asks" });
  await asker.asks;
  await cancelTask(muster.broker, taskId, { waitMs: 0 });
  await asker.knows;
  await muster.event("contended", taskId);
  asker.goOn();
  await muster.event("cancelled", taskId);
  t.is(await database.effects(taskId), 0);
});

test("a delayed task and a retry between its attempts are put away before their time, the ledger first", async (t) => {
  const at = new Date(Date.now() + 30 * 86_400_000);
  const patience = exponentialBackoff({ maxRetries: 3, firstDelayMs: 86_400_000, maxDelayMs: 86_400_000 });
  const FailTask = defineSqlTask({
    name: "FailTask",
    per: "vo",
    retry: patience,
    execute() {
      throw new Error("not today");
    },
  });
  const LooseTask = defineLooseTask({ name: "LooseTask", per: "vo", execute() {} });
  await using database = await createTestDatabase(server);
  const { ledger } = database.database;
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [FailTask], ...database.forWorker });
  await muster.publish(FailTask, { vo: "lhcb", taskId: "tried" });
  await muster.event("retry", "tried");
  await muster.publish(FailTask, { vo: "lhcb", taskId: "delayed", at });
  await muster.publish(LooseTask, { vo: "lhcb", taskId: "loose", at });
  await muster.publish(LooseTask, { vo: "lhcb", taskId: "stays", at });
  await using _scheduler = await scheduler(muster, [FailTask, LooseTask], ledger);
  const asked = ["tried", "delayed", "loose"];
  const answers = await Promise.all(asked.map((id) => cancelTask(muster.broker, id, { ...ANA, waitMs: 60_000 })));
  t.deepEqual(
    answers.map(({ kind }) => kind),
    ["cancelled", "cancelled", "cancelled"],
  );
  t.like(await ledger.recall("tried"), { outcome: "cancelled", attempt: 2, errors: [WHY] });
  t.like(await ledger.recall("delayed"), { outcome: "cancelled", attempt: 1 });
  const later = async () => (await muster.broker.jsm.streams.info("LATER")).state.messages;
  await until(async () => ((await later()) === 1 ? true : undefined), "their messages to go");
});

test("an id of which nothing is known is told as such, and lapses; one that has ended is too late", async (t) => {
  const DoneTask = defineSqlTask({ name: "DoneTask", per: "vo", execute() {} });
  await using database = await createTestDatabase(server);
  const { ledger } = database.database;
  await using muster = await startMuster({ vos: ["lhcb"] });
  const nobody = await cancelTask(muster.broker, "nobody", { waitMs: 0, ledger });
  t.like(nobody, { kind: "requested", found: "nowhere" });
  const entry = await muster.broker.jsm.streams.getMessage("KV_results", { last_by_subj: "$KV.results.cancel.nobody" });
  t.is(entry?.header.get("Nats-TTL"), "720h");
  await muster.startWorker({ tasks: [DoneTask], ...database.forWorker });
  await muster.publish(DoneTask, { vo: "lhcb", taskId: "ended" });
  await muster.event("done", "ended");
  t.like(await cancelTask(muster.broker, "ended", { ledger }), { kind: "too late", outcome: "done" });
  t.deepEqual(await muster.results("cancel."), ["cancel.nobody"]);
});

test("a worker knows what was cancelled while its connection was away", async (t) => {
  const held = gate();
  const HeldTask = defineSqlTask({
    name: "HeldTask",
    per: "vo",
    async execute({ deps, taskId, signal }) {
      await deps.sql(effectOf(taskId));
      await held.wait(signal);
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  const worker = await muster.startWorker({ tasks: [HeldTask], ...database.forWorker });
  const { taskId } = await muster.publish(HeldTask, { vo: "lhcb" });
  await held.inside;
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  await cancelTask(muster.broker, taskId, { waitMs: 0 });
  const cancelled = async () =>
    (await database.database.ledger.recall(taskId))?.outcome === "cancelled" ? true : undefined;
  await until(cancelled, "its row");
  t.is(worker.health().lostPermits, 0);
  t.is(await database.effects(taskId), 0);
});
