import { startNatsServer } from "@muster/local";
import { atLeastOnceFactory } from "@muster/tasks";
import { listWorkers, measureClock } from "@muster/tasks/operate";
import { startTestSystem, type TestSystem, until } from "@muster/tasks/testing";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { examineWaiting } from "./untaken.ts";

const defineTask = atLeastOnceFactory();

async function startSystem() {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-doctor-")));
  const server = await startNatsServer({ dataDir: folder.path });
  opened.defer(() => server.stop());
  const system = opened.use(await startTestSystem({ vos: ["lhcb"], nats: { url: server.url } }));
  const kept = opened.move();
  return { ...system, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** What the doctor says when nothing has changed for a minute more. */
const aMinuteLater = ({ broker }: TestSystem) =>
  examineWaiting(broker, async () => Date.now() - (await measureClock(broker)) + 61_000);

/** The same, once it is so. A worker tells what it has in hand every ten seconds. */
async function untilSaid(muster: TestSystem, state: string, pattern: RegExp): Promise<string> {
  return await until(async () => {
    const [first] = await aMinuteLater(muster);
    return first?.state === state && pattern.test(first.text) ? first.text : undefined;
  }, `${state} ${pattern}`);
}

test("tasks that wait for a minute while a worker with room takes none are bad, with the worker's name, and no more once it takes them", async (t) => {
  await using muster = await startSystem();
  const QuietTask = defineTask({ name: "QuietTask", per: "vo", execute() {} });
  const worker = await muster.startWorker({ tasks: [QuietTask] });
  const { taskId } = await muster.publish(QuietTask, { vo: "lhcb" });
  await muster.until("done", taskId);
  t.like(await aMinuteLater(muster), [{ state: "good" }]);
  // JetStream gives nothing to anybody, and no scheduler runs that would set it right.
  const { jsm } = muster.broker;
  await jsm.consumers.pause("TASKS", "QuietTask__lhcb", new Date(Date.now() + 3_600_000));
  const later = await muster.publish(QuietTask, { vo: "lhcb" });
  const [shown] = await listWorkers(muster.broker);
  const text = await untilSaid(muster, "bad", /^1 task QuietTask of VO lhcb waits, the oldest for 1m/);
  t.true(text.includes(`nobody has taken one for a minute: ${shown?.name} could; see its log`), text);
  t.like(await examineWaiting(muster.broker), [{ state: "good" }], "it waits for less than a minute");
  await jsm.consumers.resume("TASKS", "QuietTask__lhcb");
  await muster.until("done", later.taskId);
  t.like(await aMinuteLater(muster), [{ state: "good" }]);
  t.deepEqual(worker.watcher.alarms, []);
});

test("tasks that wait because the workers are full are a warning that says to start more", async (t) => {
  await using muster = await startSystem();
  const goOn = Promise.withResolvers<void>();
  const LongTask = defineTask({ name: "LongTask", per: "vo", execute: () => goOn.promise });
  const OtherTask = defineTask({ name: "OtherTask", per: "vo", execute() {} });
  await muster.startWorker({ tasks: [LongTask, OtherTask], permits: 1 });
  const { taskId } = await muster.publish(LongTask, { vo: "lhcb" });
  await muster.until("started", taskId);
  const waiting = await muster.publishMany(
    OtherTask,
    Array.from({ length: 50 }, () => ({ vo: "lhcb" })),
  );
  t.is(waiting.length, 50);
  t.regex(
    await untilSaid(muster, "warning", /tasks OtherTask/),
    /nobody has taken one for a minute: (all permits of \S+ are taken; start more workers|\d+ are in hand)/,
  );
  goOn.resolve();
  await untilSaid(muster, "good", /^no task has waited for a minute/);
});
