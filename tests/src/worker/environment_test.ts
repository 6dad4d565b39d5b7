import { DatabaseGoneError, migrate, openDatabase, type Transaction } from "@muster/ledger";
import { startTestServer } from "@muster/ledger/testing";
import { atLeastOnceFactory, noRetry, type RunningWorker, type Ledger } from "@muster/tasks";
import test, { type ExecutionContext } from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { createTestDatabase, defineSqlTask, effectOf, workerParts } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** Longer than a worker needs to find what waits, ms: it surveys each second. */
const WOULD_BEGIN_MS = 2_500;

const dropped = noRetry({ then: "drop" });
const NoteTask = defineSqlTask({
  name: "NoteTask",
  per: "vo",
  retry: dropped,
  async execute({ deps, taskId }) {
    await deps.sql(effectOf(taskId));
    await pause(20);
  },
});
/** Swallows what the database tells it, and fails with words of its own. */
const SwallowTask = defineSqlTask({
  name: "SwallowTask",
  per: "vo",
  retry: dropped,
  async execute({ deps, taskId }) {
    try {
      await deps.sql(effectOf(taskId));
    } catch {
      throw new Error("cannot note it");
    }
  },
});
const WrongTask = defineSqlTask({
  name: "WrongTask",
  per: "vo",
  retry: noRetry(),
  execute: ({ deps }) => deps.sql("insert into no_such_table values (1)").then(() => {}),
});
const many = (count: number) => Array.from({ length: count }, () => ({ vo: "lhcb" }));

/** Resolves once the worker tells that it takes no tasks, for this reason. */
async function untilAmiss(worker: RunningWorker, why: RegExp): Promise<void> {
  const look = async () =>
    worker.health().problems.some((problem) => /^takes no tasks/.test(problem) && why.test(problem)) || undefined;
  await until(look, `a worker that takes no tasks for ${why}`);
}

/** Nothing begins while something is amiss; each task is done at its first attempt when it is mended, and it was told once. */
async function outlive(
  t: ExecutionContext,
  { muster, ids, mend }: { readonly muster: Muster; readonly ids: readonly string[]; mend(): Promise<unknown> },
): Promise<void> {
  const waiting = await muster.publishMany(NoteTask, many(10));
  await pause(WOULD_BEGIN_MS);
  const told = waiting.flatMap(({ taskId }) => muster.events.of(taskId));
  t.deepEqual(told, [], "nothing begins");
  await mend();
  for (const taskId of [...ids, ...waiting.map((each) => each.taskId)]) {
    t.is((await muster.event("done", taskId)).attempt, 1);
  }
  await muster.settled();
  const failures = muster.events.steps.filter(({ step }) => ["retry", "dead", "dropped", "refused"].includes(step));
  t.deepEqual(failures, []);
  t.deepEqual(await muster.deadLetters(), []);
}

test("the schema is dropped under load and migrated again: nothing begins meanwhile, and every task is done at its first attempt", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [NoteTask], ...database.forWorker, permits: 4 });
  const published = await muster.publishMany(NoteTask, many(100));
  await muster.event("done", published[3]?.taskId ?? "");
  // In the order of the tasks. In another order PostgreSQL would find a deadlock.
  const locks = ["effect", "task_outcome"].map((table) => `lock table ${table} in access exclusive mode`);
  await database.sql([...locks, "drop schema public cascade", "create schema public"].join("; "));
  await untilAmiss(worker, /its schema lacks .*0001_tables.*run `muster migrate`/);
  async function mend(): Promise<void> {
    await database.sql("create table effect (task_id text not null)");
    await migrate(database.url);
  }
  await outlive(t, { muster, ids: published.map(({ taskId }) => taskId), mend });
  t.is(worker.watcher.alarms.length, 1, worker.watcher.alarms.join("\n"));
  t.regex(worker.watcher.alarms[0] ?? "", /^Takes no tasks until it is mended: Cannot use the database: its schema/);
});

test("rights are revoked under load and granted again: no task fails, also one that swallows what the database tells it", async (t) => {
  await using owner = await createTestDatabase(server);
  const role = `weak_${new URL(owner.url).pathname.slice(1)}`;
  await owner.sql(`create role ${role} login password 'weak'`);
  try {
    const grant = () => owner.sql(`grant select, insert, update, delete on all tables in schema public to ${role}`);
    await grant();
    const url = new URL(owner.url);
    url.username = role;
    url.password = "weak";
    await using weak = await openDatabase({ url: url.href });
    await using muster = await startMuster();
    const tasks = [NoteTask, SwallowTask];
    const worker = await muster.startWorker({ tasks, ...workerParts(weak), permits: 4 });
    const published = await muster.publishMany(NoteTask, many(60));
    await muster.event("done", published[3]?.taskId ?? "");
    await owner.sql(`revoke insert on effect, lock_fence from ${role}`);
    const swallowed = await muster.publishMany(SwallowTask, many(20));
    await untilAmiss(worker, /the right to insert on lock_fence is missing; grant it/);
    const ids = [...published, ...swallowed].map(({ taskId }) => taskId);
    await outlive(t, { muster, ids, mend: grant });
    t.is(worker.watcher.alarms.length, 1, worker.watcher.alarms.join("\n"));
  } finally {
    await owner.sql(`drop owned by ${role}`);
    await owner.sql(`drop role ${role}`);
  }
});

test("a task that swallows what the database tells it uses up no attempt either", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [SwallowTask], ...database.forWorker });
  await database.sql("alter table effect rename to effect_away; alter table lock_fence rename to fence_away");
  const { taskId } = await muster.publish(SwallowTask, { vo: "lhcb" });
  await untilAmiss(worker, /table lock_fence is missing/);
  await database.sql("alter table effect_away rename to effect; alter table fence_away rename to lock_fence");
  t.is((await muster.event("done", taskId)).attempt, 1);
});

test("a task that asks for a table which was never there fails as any other, and the worker goes on", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [WrongTask, NoteTask], ...database.forWorker });
  const { taskId } = await muster.publish(WrongTask, { vo: "lhcb" });
  t.regex((await muster.event("dead", taskId)).reason ?? "", /no_such_table/);
  t.deepEqual(muster.events.of(taskId), ["started", "dead"]);
  await muster.event("done", (await muster.publish(NoteTask, { vo: "lhcb" })).taskId);
  t.deepEqual(worker.health().problems, []);
  t.deepEqual(worker.watcher.alarms, []);
});

test("a database that looks well and refuses each run makes the worker rest, is told once, and no attempt is used up", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const whole: Ledger<Transaction> = database.database.ledger;
  let isFull = true;
  const full = () => new DatabaseGoneError("use the database", new Error("No space left on device"));
  const ledger: Ledger<Transaction> = {
    ...whole,
    record: (row) => whole.record(row),
    open(claim) {
      const work = whole.open(claim);
      return {
        transaction: () => (isFull ? Promise.reject(full()) : work.transaction()),
        commit: (row) => work.commit(row),
        rollback: () => work.rollback(),
        keepAwake: () => work.keepAwake(),
        destroy: () => work.destroy(),
        gone: () => work.gone(),
      };
    },
  };
  const worker = await muster.startWorker({ tasks: [NoteTask], ...database.forWorker, ledger, permits: 2 });
  const published = await muster.publishMany(NoteTask, many(12));
  await untilAmiss(worker, /No space left on device/);
  // The time between two rests is too short to be looked for, but it is told.
  const isRested = async () => worker.watcher.notes.includes("Takes tasks again") || undefined;
  await until(isRested, "the end of the first rest");
  await untilAmiss(worker, /No space left on device/);
  isFull = false;
  for (const { taskId } of published) t.is((await muster.event("done", taskId)).attempt, 1);
  t.is(worker.watcher.alarms.length, 1, worker.watcher.alarms.join("\n"));
});

const ChildTask = atLeastOnceFactory()({ name: "ChildTask", per: "vo", execute() {} });
const ParentTask = atLeastOnceFactory()({
  name: "ParentTask",
  per: "vo",
  retry: dropped,
  execute({ spawn }) {
    spawn(ChildTask, {});
  },
});

test("the right to publish children is taken and granted again: nothing begins meanwhile, and each parent has its child", async (t) => {
  const usersWith = (permissions: string) => `authorization { users: [
    { user: "ops", password: "s3cret" }
    { user: "u", password: "s3cret", permissions: { ${permissions} } }
  ] }\n`;
  await using nats = await startTestNats({ config: usersWith('publish: { deny: "tasks.ChildTask.>" }') });
  await using muster = await startMuster({ nats, access: { user: "ops", password: "s3cret" } });
  const access = { url: nats.url, user: "u", password: "s3cret" };
  const worker = await muster.startWorker({ tasks: [ParentTask, ChildTask], access });
  const parents = await muster.publishMany(ParentTask, many(5));
  await untilAmiss(worker, /Cannot publish to tasks\.ChildTask\.lhcb: .*user "u"/);
  const later = await muster.publish(ParentTask, { vo: "lhcb" });
  await pause(WOULD_BEGIN_MS);
  t.deepEqual(muster.events.of(later.taskId), []);
  await nats.reload(usersWith("publish: {}"));
  t.is((await muster.event("done", later.taskId)).attempt, 1);
  // A run that has ended is told as a duplicate, with its children. A parent that had not begun is done now.
  for (const { taskId } of parents)
    await muster.events.find(
      (told) => told.taskId === taskId && (told.step === "duplicate" || told.step === "done"),
      `the end of ${taskId}`,
    );
  await muster.settled();
  const children = muster.events.steps.filter(({ step, task }) => step === "done" && task === ChildTask.name);
  t.is(new Set(children.map(({ taskId }) => taskId)).size, 6);
  t.deepEqual(await muster.deadLetters(), []);
  t.is(worker.watcher.alarms.length, 1, worker.watcher.alarms.join("\n"));
});
