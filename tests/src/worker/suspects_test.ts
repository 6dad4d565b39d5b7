import { atLeastOnceFactory } from "@muster/tasks";
import type { JsMsg } from "@nats-io/jetstream";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import type { ToldStep } from "@muster/tasks/testing";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();
const Ms = z.strictObject({ ms: z.number() });
const SuspectTask = defineTask({
  name: "SuspectTask",
  per: "vo",
  payload: Ms,
  execute: ({ payload, signal, taskId }) => run(taskId, payload.ms, signal),
});
const OtherTask = defineTask({
  name: "OtherTask",
  per: "vo",
  payload: Ms,
  execute: ({ payload, signal, taskId }) => run(taskId, payload.ms, signal),
});

/** When each task began and ended, by `performance.now()`. An event is heard later, and on a busy machine not always by as much. */
const begunAtMs = new Map<string, number>();
const endedAtMs = new Map<string, number>();

async function run(taskId: string, ms: number, signal: AbortSignal): Promise<void> {
  begunAtMs.set(taskId, performance.now());
  await pause(ms, undefined, { signal });
  endedAtMs.set(taskId, performance.now());
}

interface Past {
  /** How long it runs this time. */
  readonly ms: number;
  readonly attempt?: number;
  readonly unended: number;
  readonly alone?: number;
}

interface Suspects {
  readonly ids: readonly string[];
  /** Lets workers have them. */
  come(): void;
}

/** Publishes tasks that have been delivered before, with these counts of runs without an end. They wait for `come`. */
async function publishSuspects(muster: Muster, pasts: readonly Past[]): Promise<Suspects> {
  const { js, buckets } = muster.broker;
  await muster.declareConsumer(SuspectTask.name, "lhcb", 20_000);
  const ids: string[] = [];
  for (const { ms, attempt = 1, unended, alone = 0 } of pasts) {
    const { taskId } = await muster.publish(SuspectTask, { vo: "lhcb", payload: { ms } });
    await buckets.results.put(`starts.${taskId}`, JSON.stringify({ attempt, unended, alone }));
    ids.push(taskId);
  }
  const consumer = await js.consumers.get("TASKS", `${SuspectTask.name}__lhcb`);
  const messages: JsMsg[] = [];
  for await (const message of await consumer.fetch({ max_messages: pasts.length })) messages.push(message);
  return {
    ids,
    come() {
      for (const message of messages) message.nak();
    },
  };
}

/** When each of these steps was told, ms. */
function timesOf(muster: Muster, step: string, taskId?: string): number[] {
  return muster.events.steps
    .filter(
      (told) => told.step === step && (taskId === undefined ? told.task === OtherTask.name : told.taskId === taskId),
    )
    .map(({ heardAtMs }) => heardAtMs);
}

test("a task of several runs without an end waits until nothing else runs, and others have at once what its worker would begin", async (t) => {
  await using muster = await startMuster();
  const runMs = 3_000;
  const {
    ids: [suspect = ""],
    come,
  } = await publishSuspects(muster, [{ ms: runMs, unended: 3 }]);
  const gate = Promise.withResolvers<void>();
  const LongTask = defineTask({ name: "LongTask", per: "vo", execute: () => gate.promise });
  const own = await muster.startWorker({ tasks: [OtherTask, SuspectTask, LongTask] });
  const long = await muster.publish(LongTask, { vo: "lhcb" });
  await muster.event("started", long.taskId);
  come();
  await until(
    async () => (own.watcher.notes.some((note) => note.includes(`${suspect} runs alone`)) ? true : undefined),
    "its claim",
  );
  const other = await muster.startWorker({ tasks: [OtherTask] });
  const begun: ToldStep[] = [];
  while (!muster.events.of(suspect).includes("done")) {
    const { taskId } = await muster.publish(OtherTask, { vo: "lhcb", payload: { ms: 1 } });
    begun.push(await muster.event("started", taskId));
    if (begun.length === 5) gate.resolve(); // until then nothing but the other worker could begin them
    await pause(50);
  }
  const [startedAtMs = 0] = timesOf(muster, "started", suspect);
  const [longEndedAtMs = 0] = timesOf(muster, "done", long.taskId);
  t.true(startedAtMs >= longEndedAtMs);
  const suspectEndedAtMs = endedAtMs.get(suspect) ?? 0;
  const meanwhile = begun.filter(({ taskId }) => (begunAtMs.get(taskId) ?? Number.NaN) < suspectEndedAtMs);
  t.true(meanwhile.length >= 5);
  for (const { worker } of meanwhile) t.is(worker, other.name);
  await muster.settled();
  t.deepEqual(await muster.results("starts."), []);
});

test("a task of one run without an end begins when all else has run for three seconds, and for three seconds nothing begins beside it", async (t) => {
  await using muster = await startMuster();
  const {
    ids: [suspect = ""],
    come,
  } = await publishSuspects(muster, [{ ms: 60_000, unended: 1 }]);
  await muster.startWorker({ tasks: [OtherTask, SuspectTask] });
  const long = await muster.publish(OtherTask, { vo: "lhcb", payload: { ms: 60_000 } });
  await muster.event("started", long.taskId);
  come();
  await muster.event("started", suspect);
  const later = await muster.publish(OtherTask, { vo: "lhcb", payload: { ms: 1 } });
  await muster.event("done", later.taskId);
  const [longAtMs = 0, suspectAtMs = 0, laterAtMs = 0] = [long.taskId, suspect, later.taskId].map((id) =>
    begunAtMs.get(id),
  );
  const gaps = [suspectAtMs - longAtMs, laterAtMs - suspectAtMs];
  t.log(gaps.map(Math.round).join(", "));
  // Without the rule a gap is a few ms.
  for (const gap of gaps) t.true(gap > 2_000 && gap < 30_000, `${gap} ms`);
  for (const taskId of [long.taskId, suspect]) t.deepEqual(muster.events.of(taskId), ["started"], "it still runs");
});

test("suspects and other work share their only worker, and neither waits for the end of the other", async (t) => {
  await using muster = await startMuster();
  const past = { ms: 1_200, unended: 4, alone: 1 };
  const { ids: suspects, come } = await publishSuspects(muster, [past, past, past]);
  come();
  const published = await muster.publishMany(
    OtherTask,
    Array.from({ length: 3_000 }, () => ({ vo: "lhcb", payload: { ms: 8 } })),
  );
  const worker = await muster.startWorker({ tasks: [OtherTask, SuspectTask], permits: 4 });
  for (const taskId of suspects) await muster.event("done", taskId);
  t.true(timesOf(muster, "done").length < 3_000, "suspects came last");
  const inTurn = suspects.toSorted((a, b) => (begunAtMs.get(a) ?? 0) - (begunAtMs.get(b) ?? 0));
  let others = 0;
  for (const [index, taskId] of inTurn.entries()) {
    const [began = 0, ended = 0, next = 0] = [
      begunAtMs.get(taskId),
      endedAtMs.get(taskId),
      begunAtMs.get(inTurn[index + 1] ?? ""),
    ];
    const between = (from: number, to: number) =>
      published.filter(({ taskId: other }) => {
        const at = begunAtMs.get(other) ?? Number.NaN;
        return at > from && at < to;
      }).length;
    t.is(between(began, ended), 0, "something began beside it");
    if (index === inTurn.length - 1) continue;
    // Others have as long as the suspect had. A process that stands still meanwhile begins few of them.
    t.true(next - ended > past.ms - 200, `the next one came after ${next - ended} ms`);
    others += between(ended, next);
  }
  // More than a single round of the permits each time. On a quiet machine it is over two hundred.
  t.true(others > 4 * (inTurn.length - 1), `${others} others had their turns`);
  t.is(worker.watcher.alarms.length, 0);
});

test("runs alone without an end make a dead letter of the attempt that they were of, and of no later one", async (t) => {
  await using muster = await startMuster();
  const past = { ms: 1, unended: 5, alone: 2 };
  const {
    ids: [poison = "", innocent = ""],
    come,
  } = await publishSuspects(muster, [past, { ...past, attempt: 7 }]);
  come();
  await muster.startWorker({ tasks: [SuspectTask] });
  t.regex((await muster.event("dead", poison)).reason ?? "", /killed its worker/);
  t.deepEqual(muster.events.of(poison), ["dead"]);
  await muster.event("done", innocent);
  await muster.settled();
  t.deepEqual(
    (await muster.deadLetters()).map(({ taskId }) => taskId),
    [poison],
  );
});
