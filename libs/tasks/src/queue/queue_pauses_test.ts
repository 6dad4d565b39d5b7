import test from "ava";
import { setTimeout as wait } from "node:timers/promises";
import { openBroker } from "../lease/open_broker.ts";
import type { Broker } from "../broker/broker.ts";
import { connectNats } from "../connection/connection.ts";
import { headersFrom } from "../format/headers.ts";
import { type Grid, startGrid } from "../schedule/_grid_test.ts";
import { type PausesWatch, watchQueuePauses } from "./pauses_watch.ts";
import { listQueuePauses, pauseQueue, pausesHolding, resumeQueue } from "./queue_pauses.ts";
import { keyOfTarget, type QueueTarget, targetOfKey } from "./queue_target.ts";

interface Process extends AsyncDisposable {
  readonly broker: Broker;
  readonly alarms: string[];
  readonly pauses: PausesWatch;
}

/** A process that follows the pauses. */
async function start({ url }: Grid, lookMs = 10_000): Promise<Process> {
  const alarms: string[] = [];
  const nc = await connectNats({ url, name: "a worker" });
  const observer = { alarm: (text: string) => void alarms.push(text), note() {}, step() {} };
  const broker = await openBroker(nc, { observer });
  const pauses = await watchQueuePauses(broker, { lookMs });
  async function stop(): Promise<void> {
    pauses[Symbol.dispose]();
    await nc.close();
  }
  return { broker, alarms, pauses, [Symbol.asyncDispose]: stop };
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (const late = AbortSignal.timeout(60_000); !(await isSo()); await wait(20)) late.throwIfAborted();
}

test("a key names one target, and what names none is left out of every list", async (t) => {
  const targets: readonly QueueTarget[] = [
    { task: "MyTask" },
    { vo: "vo.cta.in2p3.fr" },
    { task: "MyTask", vo: "vo.cta.in2p3.fr" },
    { task: "MyTask", vo: "_" },
  ];
  for (const target of targets) t.deepEqual(targetOfKey(keyOfTarget(target)), target);
  for (const key of [
    "",
    "MyTask",
    "task.",
    "task.2bad",
    "vo.",
    "vo.a..b",
    "lane.MyTask",
    "lane.MyTask.",
    "lane..lhcb",
    "lane.My Task.lhcb",
  ])
    t.is(targetOfKey(key), undefined, key);
  t.throws(() => keyOfTarget({ task: "2bad" }), { message: /task name/ });
  t.throws(() => keyOfTarget({ task: "MyTask", vo: "a b" }), { message: /VO name/ });

  await using grid = await startGrid();
  await grid.broker.buckets.schedules.put("queue.nonsense", "x");
  await grid.broker.buckets.schedules.put("queue.task.MyTask", "no JSON");
  t.deepEqual(await listQueuePauses(grid.broker), [{ target: { task: "MyTask" }, note: {} }]);
});

test("a pause of a task, a VO or both holds what it names and nothing else, with who, when and why, until exactly it is taken back", async (t) => {
  await using grid = await startGrid();
  const { broker } = grid;
  await using one = await start(grid);
  const held = () =>
    (["MyTask", "Other"] as const).flatMap((task) =>
      ["lhcb", "cms", "_"].filter((vo) => one.pauses.isPaused(task, vo)).map((vo) => `${task}/${vo}`),
    );
  t.deepEqual(held(), []);
  let changes = 0;
  one.pauses.onChange(() => changes++);
  await pauseQueue(broker, { task: "MyTask", vo: "lhcb" }, { by: "ana@ui01", reason: "CE is down" });
  await until(() => held().join() === "MyTask/lhcb");
  await pauseQueue(broker, { vo: "cms" });
  await until(() => held().join() === "MyTask/lhcb,MyTask/cms,Other/cms");
  await pauseQueue(broker, { task: "MyTask" });
  await until(() => held().join() === "MyTask/lhcb,MyTask/cms,MyTask/_,Other/cms");
  t.true(changes >= 3);

  const all = await listQueuePauses(broker);
  t.deepEqual(
    all.map(({ target }) => target),
    [{ task: "MyTask", vo: "lhcb" }, { task: "MyTask" }, { vo: "cms" }],
  );
  t.like(all[0]?.note, { by: "ana@ui01", reason: "CE is down" });
  t.true(Math.abs(Date.parse(all[0]?.note.pausedAt ?? "") - Date.now()) < 600_000);
  t.is(pausesHolding(all, "MyTask", "lhcb").length, 2);
  t.is(pausesHolding(all, "Other", "lhcb").length, 0);

  t.true(await resumeQueue(broker, { task: "MyTask" }));
  t.false(await resumeQueue(broker, { task: "MyTask" }));
  await until(() => held().join() === "MyTask/lhcb,MyTask/cms,Other/cms");
  await using another = await start(grid);
  t.true(another.pauses.isPaused("MyTask", "lhcb"), "who starts later knows it from the start");
});

for (const [how, lose] of [
  [
    "a roll-up",
    ({ js }: Broker) => js.publish("$KV.schedules.next.Tick", "{}", { headers: headersFrom({ "Nats-Rollup": "all" }) }),
  ],
  ["the loss of its bucket", ({ jsm }: Broker) => jsm.streams.delete("KV_schedules")],
] as const) {
  test(`a pause that ${how} took holds on, and is stored again by whoever knows it, with an alarm; one that was taken back stays away`, async (t) => {
    await using grid = await startGrid();
    const { broker } = grid;
    await using running = await start(grid);
    await pauseQueue(broker, { vo: "lhcb" }, { reason: "audit" });
    await pauseQueue(broker, { task: "Resumed" });
    await until(() => running.pauses.isPaused("Resumed", "_"));
    await resumeQueue(broker, { task: "Resumed" });
    await until(() => !running.pauses.isPaused("Resumed", "_"));
    await lose(broker);
    await broker.declareMissing();
    // Others write there before anybody looks, so that sequences alone do not tell what was lost.
    for (let count = 0; count < 10; count++) await broker.buckets.schedules.put(`next.Task${count}`, "{}");
    t.deepEqual(await listQueuePauses(broker), []);
    await running.pauses.look();
    t.true(running.pauses.isPaused("AnyTask", "lhcb"));
    t.like(await listQueuePauses(broker), [{ target: { vo: "lhcb" }, note: { reason: "audit" } }]);
    t.true(running.alarms.some((text) => text.includes("had lost: vo.lhcb")));
    await pauseQueue(broker, { task: "New" });
    await running.pauses.look();
    await until(() => running.pauses.isPaused("New", "_"));
  });
}

test("a pause that somebody purges, or deletes by hand, is over and stays so", async (t) => {
  await using grid = await startGrid();
  const { broker } = grid;
  await using running = await start(grid, 200);
  for (const take of [
    () => broker.jsm.streams.purge("KV_schedules", { filter: "$KV.schedules.queue.vo.lhcb" }),
    () => broker.buckets.schedules.delete("queue.vo.lhcb"),
    () => broker.buckets.schedules.purge("queue.vo.lhcb"),
  ]) {
    await pauseQueue(broker, { vo: "lhcb" });
    await until(() => running.pauses.isPaused("MyTask", "lhcb"));
    await take();
    await until(() => !running.pauses.isPaused("MyTask", "lhcb"));
    await running.pauses.look();
    t.deepEqual(await listQueuePauses(broker), []);
  }
  t.deepEqual(
    running.alarms.filter((text) => text.includes("Stored pauses")),
    [],
  );
});

test("while the broker is away the known pauses hold, and after its hard end they are there again", async (t) => {
  await using grid = await startGrid();
  await using running = await start(grid, 200);
  await pauseQueue(grid.broker, { task: "MyTask", vo: "lhcb" }, { reason: "CE is down" });
  await until(() => running.pauses.isPaused("MyTask", "lhcb"));
  await grid.killServer();
  await t.throwsAsync(running.pauses.look());
  t.true(running.pauses.isPaused("MyTask", "lhcb"));
  await grid.restartServer();
  await until(async () => (await listQueuePauses(grid.broker).catch(() => [])).length === 1);
  t.true(running.pauses.isPaused("MyTask", "lhcb"));
  await until(() => resumeQueue(grid.broker, { task: "MyTask", vo: "lhcb" }).catch(() => false));
  await until(() => !running.pauses.isPaused("MyTask", "lhcb"));
});
