import type { Database, OutcomeRow } from "@muster/ledger";
import { outcome, startTestServer } from "@muster/ledger/testing";
import { type AnyTask, atLeastOnceFactory, every, type StartSchedulerOptions, startScheduler } from "@muster/tasks";
import { changeConfiguration, withScheduleSwitched } from "@muster/tasks/operate";
import test from "ava";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const postgres = await startTestServer();
test.after.always(() => postgres[Symbol.asyncDispose]());

/** A scheduler on the grid's own connection: one look over all of TASKS comes at once, the next ones every 10 s. */
async function sweep(muster: Muster, tasks: readonly AnyTask[], ledger?: StartSchedulerOptions["ledger"]) {
  return await startScheduler({
    ...{ broker: muster.broker, nats: { url: muster.nats.url }, app: "test", tasks },
    ...(ledger === undefined ? {} : { ledger }),
  });
}

test("a task that is in hand when its VO is removed leaves no effect once it is told as dropped, though its holder heard of nothing", async (t) => {
  await using muster = await startMuster({ vos: ["gone", "stays"] });
  await using database = await createTestDatabase(postgres);
  const HeldTask = defineSqlTask({ name: "HeldTask", per: "vo", execute() {} });
  const { taskId } = await muster.publish(HeldTask, { vo: "gone", taskId: "held" });
  // What a worker that is frozen until the end has begun.
  const claim = { taskId, task: "HeldTask", vo: "gone", attempt: 1, fences: [] };
  const opened = database.database.ledger.open(claim);
  await (await opened.transaction()).execute(effectOf(taskId));
  await muster.removeVo("gone");
  await using _scheduler = await sweep(muster, [HeldTask], database.database.ledger);
  t.is((await muster.event("dropped", taskId)).reason, "VO gone was removed");
  await until(async () => ((await muster.waiting()) === 0 ? true : undefined), "the message to go");
  t.like(await opened.commit(outcome(taskId, { task: "HeldTask", vo: "gone" })), {
    kind: "earlier",
    row: { outcome: "dropped", attempt: 1, errors: ["VO gone was removed"] },
  });
  t.is(await database.effects(taskId), 0);
  t.deepEqual(await muster.deadLetters(), []);
});

test("a worker ends what it has in hand of a VO as soon as that is removed, with no scheduler to put it away", async (t) => {
  await using muster = await startMuster({ vos: ["gone", "stays"] });
  await using database = await createTestDatabase(postgres);
  const inside: string[] = [];
  const goOn = Promise.withResolvers<void>();
  const HeldTask = defineSqlTask({
    name: "HeldTask",
    per: "vo",
    async execute({ deps, taskId, vo }) {
      await deps.sql(effectOf(taskId));
      inside.push(vo);
      await goOn.promise;
    },
  });
  await using _worker = await muster.startWorker({ tasks: [HeldTask], ...database.forWorker });
  const gone = await muster.publish(HeldTask, { vo: "gone" });
  const stays = await muster.publish(HeldTask, { vo: "stays" });
  await until(async () => (inside.length === 2 ? true : undefined), "both runs");
  await muster.removeVo("gone");
  await until(async () => (muster.events.of(gone.taskId).includes("abandoned") ? true : undefined), "its end");
  goOn.resolve();
  await muster.event("done", stays.taskId);
  t.is(await database.effects(gone.taskId), 0);
  t.is(await database.effects(stays.taskId), 1);
  t.deepEqual(muster.events.of(gone.taskId), ["started", "abandoned"]);
});

test("an occurrence that a worker has in hand when its schedule is switched off leaves no effect once it is told as dropped", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  await using database = await createTestDatabase(postgres);
  const inside = Promise.withResolvers<string>();
  const goOn = Promise.withResolvers<void>();
  const HeldTick = defineSqlTask({
    name: "HeldTick",
    per: "vo",
    schedule: every({ seconds: 1 }),
    async execute({ deps, taskId }) {
      await deps.sql(effectOf(taskId));
      inside.resolve(taskId);
      await goOn.promise;
    },
  });
  await using _worker = await muster.startWorker({ tasks: [HeldTick], permits: 1, ...database.forWorker });
  await using _scheduler = await sweep(muster, [HeldTick], database.database.ledger);
  const taskId = await inside.promise;
  await changeConfiguration(muster.broker, (now) => withScheduleSwitched(now, { task: "HeldTick" }, "off"));
  t.is((await muster.event("dropped", taskId)).reason, "its schedule was switched off");
  goOn.resolve();
  await muster.event("duplicate", taskId);
  t.is(await database.effects(taskId), 0);
  t.like(await database.database.ledger.recall(taskId), { outcome: "dropped" });
});

const NoteTask = defineSqlTask({ name: "NoteTask", per: "vo", execute() {} });

/** Rows as a worker leaves them that died before its next step. */
async function leaveRows({ ledger }: Database, rows: Readonly<Record<string, Partial<OutcomeRow>>>): Promise<void> {
  for (const [taskId, row] of Object.entries(rows)) {
    await ledger.record(outcome(taskId, { task: "NoteTask", vo: "gone", ...row }));
  }
}

test("what a worker has recorded of a removed VO's task counts: done is not told as dropped, a retry ends as dropped", async (t) => {
  await using muster = await startMuster({ vos: ["gone", "stays"] });
  await using database = await createTestDatabase(postgres);
  const { ledger } = database.database;
  await leaveRows(database.database, {
    done: { outcome: "done" },
    tried: { outcome: "retry", attempt: 3, dueAt: new Date().toISOString(), errors: ["a", "b", "c"] },
    dead: { outcome: "dead", errors: ["it broke"] },
    "another's": { vo: "stays" },
  });
  for (const taskId of ["done", "tried", "dead", "another's", "fresh"]) {
    await muster.publish(NoteTask, { vo: "gone", taskId });
  }
  // An id that belongs to another VO: no row may be written under it.
  await muster.publish(NoteTask, { vo: "gone", taskId: "NoteTask/stays/default/2027-01-01T00:00:00.000Z" });
  await muster.removeVo("gone");
  await using _scheduler = await sweep(muster, [NoteTask], ledger);
  await muster.settled();
  t.is((await muster.event("duplicate", "done")).reason, "attempt 1 ended done");
  t.false(muster.events.of("done").includes("dropped"));
  t.like(await ledger.recall("done"), { outcome: "done" });
  await muster.event("dropped", "tried");
  t.like(await ledger.recall("tried"), { outcome: "dropped", attempt: 4 });
  t.is((await muster.event("duplicate", "dead")).reason, "attempt 1 ended dead");
  t.like(await muster.deadLetters(), [{ taskId: "dead", reason: "it broke", vo: "gone" }]);
  await muster.event("dropped", "another's");
  t.like(await ledger.recall("another's"), { vo: "stays", outcome: "done" });
  await muster.event("dropped", "fresh");
  t.like(await ledger.recall("fresh"), { vo: "gone", outcome: "dropped", attempt: 1 });
  t.is(await ledger.recall("NoteTask/stays/default/2027-01-01T00:00:00.000Z"), undefined);
});

test("a scheduler without a ledger puts away no task whose effect is once, and one with a ledger does it in its place", async (t) => {
  await using muster = await startMuster({ vos: ["gone", "stays"] });
  await using database = await createTestDatabase(postgres);
  await muster.publish(NoteTask, { vo: "gone", taskId: "left alone" });
  const Loose = atLeastOnceFactory()({ name: "Loose", per: "vo", execute() {} });
  await muster.publish(Loose, { vo: "gone", taskId: "loose" });
  await muster.removeVo("gone");
  await using first = await sweep(muster, [NoteTask, Loose]);
  await muster.event("dropped", "loose");
  await until(async () => ((await muster.waiting()) === 1 ? true : undefined), "the other's message to go");
  const isTold = () => muster.watcher.notes.some((note) => /Messages on tasks\.NoteTask\.gone stay/.test(note));
  t.true(await until(async () => isTold() || undefined, "the note about those that stay"));
  await first.stop();
  await using _second = await sweep(muster, [NoteTask, Loose], database.database.ledger);
  await muster.event("dropped", "left alone");
});

test("a database that is away keeps a removed VO's tasks, and holds up no other sweeping", async (t) => {
  await using muster = await startMuster({ vos: ["gone", "stays"] });
  const away = { record: () => Promise.reject(new Error("no database")) };
  await muster.publish(NoteTask, { vo: "gone", taskId: "kept" });
  await muster.removeVo("gone");
  await muster.broker.js.publish("tasks.2bad.stays", "{}");
  await using _scheduler = await sweep(muster, [NoteTask], away);
  await until(async () => ((await muster.deadLetters()).length === 1 ? true : undefined), "the other dead letter");
  const told = () => muster.watcher.alarms.some((alarm) => /the database does not answer; they stay/.test(alarm));
  await until(async () => (told() ? true : undefined), "the alarm");
  t.is(await muster.waiting(), 1);
});
