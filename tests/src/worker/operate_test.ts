import { atLeastOnceFactory, defineLockType } from "@muster/tasks";
import {
  changeConfiguration,
  countDeadLetters,
  countToDrop,
  type DeadFilter,
  deadLetters,
  DeadLettersChangedError,
  drainWorker,
  dropDeadLetter,
  dropDeadLetters,
  listQueues,
  listWorkers,
  readConfiguration,
  UnknownDeadLetterError,
  UnknownWorkerError,
  type WorkerRecord,
} from "@muster/tasks/operate";
import { headers as newHeaders } from "@nats-io/transport-node";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();
const siteLock = defineLockType("operate_test_site");

/** A task that runs until the test lets it end. */
function heldTask(name: string) {
  const { promise: over, resolve: letEnd } = Promise.withResolvers<void>();
  return { task: defineTask({ name, per: "vo", priority: "background", execute: () => over }), letEnd };
}

test("what waits, is in hand, is delayed and ended lately is told of each task and VO, with the oldest and the priority in force", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb", "vo.cta.in2p3.fr"] });
  const { task, letEnd } = heldTask("HeldTask");
  const IdleTask = defineTask({ name: "IdleTask", per: "vo", execute() {} });
  t.deepEqual(await listQueues(muster.broker), []);
  await changeConfiguration(muster.broker, (now) => ({
    ...now,
    tasks: { HeldTask: { vos: { "vo.cta.in2p3.fr": { priority: "realtime" } } } },
  }));
  await muster.startWorker({ tasks: [task], permits: 1 });
  const first = await muster.publish(task, { vo: "lhcb" });
  await muster.event("started", first.taskId);
  const beforeMs = Date.now();
  await muster.publish(task, { vo: "lhcb", at: new Date(Date.now() + 3_600_000) });
  for (const vo of ["lhcb", "lhcb", "vo.cta.in2p3.fr"]) await muster.publish(IdleTask, { vo });
  await muster.publish(task, { vo: "vo.cta.in2p3.fr" });

  const options = { tasks: [task, IdleTask], configuration: await readConfiguration(muster.broker) };
  const queues = await listQueues(muster.broker, options);
  const figuresOf = (name: string, vo: string) => queues.find((each) => each.task === name && each.vo === vo);
  t.like(figuresOf("HeldTask", "lhcb"), {
    ...{ priority: "background", ready: 1, waiting: 0, inHand: 1, delayed: 1, oldestAt: null, endedPerMinute: 0 },
  });
  const idle = figuresOf("IdleTask", "lhcb");
  t.like(idle, { ready: 2, waiting: 2, inHand: 0, delayed: 0, endedPerMinute: 0 });
  const ageMs = Date.parse(idle?.oldestAt ?? "") - beforeMs;
  t.true(ageMs > -60_000 && ageMs < 60_000, `${ageMs} ms`);
  // It waits for the one permit: in the stream, or in the worker's buffer.
  const other = figuresOf("HeldTask", "vo.cta.in2p3.fr");
  t.like(other, { priority: "realtime", ready: 1 });
  t.is((other?.waiting ?? 0) + (other?.inHand ?? 0), 1);

  letEnd();
  await muster.event("done", first.taskId);
  const ended = await until(async () => {
    const now = (await listQueues(muster.broker)).find((each) => each.task === "HeldTask" && each.vo === "lhcb");
    return now?.endedPerMinute === 1 ? now : undefined;
  }, "the count of ended tasks");
  t.like(ended, { priority: null, ready: 0, waiting: 0, delayed: 1 });
  t.true((await listQueues(muster.broker, { rates: "none" })).every(({ endedPerMinute }) => endedPerMinute === null));
});

/** Puts a dead letter into the stream, some milliseconds after the last one. Returns its sequence. */
async function putLetter({ broker }: Muster, subject: string, [reason, id]: readonly string[]): Promise<number> {
  await pause(5); // letters are told apart by the time at which they were stored
  const headers = newHeaders();
  headers.set("Task-Id", id ?? "");
  headers.set("Dead-Reason", reason ?? "");
  return (await broker.js.publish(subject, "{}", { headers })).seq;
}

async function sequencesOf({ broker }: Muster, filter: DeadFilter): Promise<number[]> {
  const found: number[] = [];
  for await (const { sequence } of deadLetters(broker, filter, { headersOnly: true })) found.push(sequence);
  return found;
}

test("dead letters are chosen by task, VO, reason and age, and their number is the same by each way of counting", async (t) => {
  await using muster = await startMuster();
  const put = (of: string, reason: string, id: string) => putLetter(muster, `dead.${of}`, [reason, id]);
  const one = await put("LateTask.lhcb", "RangeError: CE is full", "a");
  const two = await put("LateTask.atlas", "TypeError: no token", "b");
  const three = await put("OtherTask.lhcb", "the ce IS FULL again", "c");
  const stored = await muster.broker.jsm.streams.getMessage("DEAD", { seq: two });
  const atTwo = new Date(stored?.timestamp ?? "");
  const cases: readonly (readonly [DeadFilter, readonly number[]])[] = [
    [{}, [one, two, three]],
    [{ reason: "ce is full" }, [one, three]],
    [{ reason: "Full", vo: "lhcb", task: "OtherTask" }, [three]],
    [{ diedAfter: atTwo }, [two, three]],
    [{ diedBefore: atTwo }, [one]],
    [{ diedAfter: atTwo, vo: "lhcb" }, [three]],
    [{ diedBefore: atTwo, reason: "token" }, []],
    [{ diedAfter: new Date(Date.now() + 3_600_000) }, []],
    [{ diedBefore: new Date(Date.now() + 3_600_000), task: "LateTask" }, [one, two]],
  ];
  for (const [filter, expected] of cases) {
    const about = JSON.stringify(filter);
    t.deepEqual(await sequencesOf(muster, filter), [...expected], about);
    t.is(await countDeadLetters(muster.broker, filter), expected.length, about);
    t.like(await countToDrop(muster.broker, filter), { count: expected.length, upTo: expected.at(-1) ?? 0 }, about);
  }
});

test("exactly the dead letters are dropped whose number was confirmed, or none; those that come later stay", async (t) => {
  await using muster = await startMuster();
  const put = (of: string, reason: string, id: string) => putLetter(muster, `dead.${of}`, [reason, id]);
  await put("FullTask.lhcb", "full", "a");
  await put("FullTask.lhcb", "full", "a"); // the same task died twice
  const token = await put("FullTask.lhcb", "no token", "b");
  const other = await put("OtherTask.lhcb", "full", "c");
  const filter = { task: "FullTask", reason: "full" };
  const counted = await countToDrop(muster.broker, filter);
  t.is(counted.count, 2);
  const later = await put("FullTask.lhcb", "full", "d");
  const wrong = { count: 3, upTo: counted.upTo };
  const error = await t.throwsAsync(dropDeadLetters(muster.broker, filter, wrong), {
    instanceOf: DeadLettersChangedError,
  });
  t.like(error, { confirmed: 3, found: 2 });
  t.is(await countDeadLetters(muster.broker), 5, "nothing was dropped");
  t.is(await dropDeadLetters(muster.broker, filter, counted), 2);
  t.deepEqual(await sequencesOf(muster, {}), [token, other, later]);

  // By task alone it is one purge, which Muster's own watches do not take for one by hand.
  const all = await countToDrop(muster.broker, { task: "FullTask" });
  const newest = await put("FullTask.lhcb", "full", "e");
  t.is(await dropDeadLetters(muster.broker, { task: "FullTask" }, all), 2);
  t.deepEqual(await sequencesOf(muster, {}), [other, newest]);
  await dropDeadLetter(muster.broker, other);
  t.deepEqual(await sequencesOf(muster, {}), [newest]);
  await t.throwsAsync(dropDeadLetter(muster.broker, other), { instanceOf: UnknownDeadLetterError });
});

async function untilShown(muster: Muster, name: string, is: (record: WorkerRecord) => boolean): Promise<WorkerRecord> {
  return await until(async () => {
    const record = (await listWorkers(muster.broker)).find((each) => each.name === name);
    return record !== undefined && is(record) ? record : undefined;
  }, `the record of ${name}`);
}

test("a worker shows its version, memory and lag, and drains and ends when it is asked by its name", async (t) => {
  await using muster = await startMuster();
  const { task, letEnd } = heldTask("LongTask");
  const SiteTask = defineTask({ name: "SiteTask", per: "vo", locks: () => [siteLock.mutex("ce01")], execute() {} });
  const worker = await muster.startWorker({ tasks: [task, SiteTask], drainMs: 60_000 });
  const record = await untilShown(muster, worker.name, () => true);
  t.regex(record.version ?? "", /^\d+\.\d+\.\d+/);
  t.true((record.memory ?? 0) > 1_000_000);
  t.true((record.lagMs ?? -1) >= 0);
  t.deepEqual([record.inHand, record.draining], [{ running: 0, buffered: 0, waitingForLocks: 0 }, undefined]);

  const holder = await muster.hold("operate_test_site.ce01");
  const runs = await muster.publish(task, { vo: "lhcb" });
  const waits = await muster.publish(SiteTask, { vo: "lhcb" });
  await muster.event("started", runs.taskId);
  await muster.event("contended", waits.taskId);
  const ask = () => drainWorker(muster.broker, worker.name, { by: "ana@ui01" });
  const asked = await ask();
  t.like(asked, { worker: worker.name, wasDraining: false, running: 1 });
  t.true(asked.handedBack <= 1, "a task that asks for its locks at this moment is counted by nobody");
  t.true(worker.watcher.notes.some((note) => note.includes("ana@ui01 asked for it")));
  const draining = await untilShown(muster, worker.name, (each) => each.draining === true);
  t.is(draining.inHand?.running, 1);
  t.like(await ask(), { wasDraining: true, running: 1, handedBack: 0 });
  letEnd();
  await worker.ended;
  await muster.event("done", runs.taskId);
  await holder.letGo();
  await t.throwsAsync(ask(), { instanceOf: UnknownWorkerError });
});

test("any message on a worker's subject drains it, also an empty one without a reply", async (t) => {
  await using muster = await startMuster();
  const { task } = heldTask("AnyTask");
  const worker = await muster.startWorker({ tasks: [task] });
  await worker.broker.nc.flush(); // the server has its subscription
  muster.broker.nc.publish(`drain.${worker.name.replaceAll(".", "=2E")}`);
  await worker.ended;
  t.true(worker.watcher.notes.some((note) => note.includes("somebody asked for it")));
});
