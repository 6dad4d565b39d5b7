import { AckPolicy, type JetStreamClient, jetstream } from "@nats-io/jetstream";
import { nanos, TimeoutError } from "@nats-io/nats-core";
import test, { type ExecutionContext } from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { cron, every } from "../calendar/schedule.ts";
import type { Broker } from "../broker/broker.ts";
import { TASK_ID } from "../format/headers.ts";
import { TASKS } from "../streams/streams.ts";
import { countOn, type Grid, listen, periodic, startGrid } from "./_grid_test.ts";
import { publishAtomically } from "../broker/atomic_batch.ts";
import { headersFrom } from "../format/headers.ts";
import { expecting } from "../broker/marker.ts";

const tick = every({ seconds: 1 });
const VOS = Array.from({ length: 12 }, (_, number) => `vo${number}`);

/** Takes every occurrence, holds each for a while, and notes what it was given, over restarts of the server. */
async function startCounting({ broker }: Grid) {
  const copies = new Map<string, Set<number>>();
  const held = new Map<string, string>();
  const overlaps: string[] = [];
  const stopped = new AbortController();
  // An ack that the kill swallows is made up for by a redelivery.
  const settings = { ack_policy: AckPolicy.Explicit, ack_wait: nanos(3_000), filter_subjects: ["tasks.Tick.>"] };
  await broker.jsm.consumers.add(TASKS, { durable_name: "count", ...settings });

  async function takeSome(): Promise<void> {
    const consumer = await broker.js.consumers.get(TASKS, "count");
    for await (const message of await consumer.fetch({ max_messages: 50, expires: 1_000 })) {
      const taskId = message.headers?.get(TASK_ID) ?? "";
      copies.set(taskId, (copies.get(taskId) ?? new Set()).add(message.seq));
      const before = held.get(message.subject);
      if (before !== undefined && before !== taskId) overlaps.push(`${before} and ${taskId}`);
      held.set(message.subject, taskId);
      setTimeout(() => {
        held.delete(message.subject);
        message.ack();
      }, Math.random() * 1_200);
    }
  }
  const counting = (async () => {
    while (!stopped.signal.aborted) await takeSome().catch(() => pause(100)); // the server is away
  })();
  return {
    /** By task id, the sequences under which it was stored. */
    copies,
    overlaps,
    /** Resolves once so many occurrences were taken. Nobody tells. */
    async atLeast(count: number): Promise<void> {
      while (copies.size < count) await pause(20);
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await counting;
    },
  };
}

/** Each occurrence was stored once, and never two of one schedule at a time. Returns how many VOs had some. */
function assertOnce(t: ExecutionContext, { copies, overlaps }: Awaited<ReturnType<typeof startCounting>>): number {
  t.deepEqual(
    [...copies].filter(([, sequences]) => sequences.size > 1),
    [],
  );
  t.deepEqual(overlaps, []);
  return new Set(Array.from(copies.keys(), (taskId) => taskId.split("/")[1])).size;
}

test("I18, I19: two leaders at once store each occurrence once, and never two of one schedule", async (t) => {
  await using grid = await startGrid({ vos: VOS });
  await using counted = await startCounting(grid);
  await using _a = await grid.lead([periodic("Tick", tick)]);
  await using _b = await grid.lead([periodic("Tick", tick)]);
  await counted.atLeast(4 * VOS.length);
  t.is(assertOnce(t, counted), VOS.length);
});

test("I18, I19: also over kill -9 and restart of the server under them", async (t) => {
  await using grid = await startGrid({ vos: VOS });
  await using counted = await startCounting(grid);
  await using _a = await grid.lead([periodic("Tick", tick)]);
  await using _b = await grid.lead([periodic("Tick", tick)]);
  for (let round = 0; round < 3; round++) {
    // Each VO's rhythm goes on.
    await counted.atLeast(counted.copies.size + 2 * VOS.length);
    if (round === 2) break;
    await grid.killServer();
    await pause(300);
    await grid.restartServer();
  }
  t.is(assertOnce(t, counted), VOS.length);
});

/** A broker whose every third answer to a batch is lost, the batch itself stored or not. */
function distorted(broker: Broker): Broker {
  let publishes = 0;
  const real = jetstream(broker.nc);
  const publish: JetStreamClient["publish"] = async (subject, payload, options) => {
    const number = publishes++;
    // A batch whose last message never arrives is not stored at all.
    if (number % 3 === 1) throw new TimeoutError();
    const ack = await real.publish(subject, payload, options);
    if (number % 3 === 0) throw new TimeoutError();
    return ack;
  };
  return { ...broker, js: Object.assign(Object.create(real), { publish }) };
}

test("I18: an answer that is lost leaves it to the marker whether the occurrence was stored", async (t) => {
  await using grid = await startGrid({ vos: VOS.slice(0, 4) });
  await using counted = await startCounting(grid);
  await using leader = await grid.lead([periodic("Tick", tick)], { distort: distorted });
  await counted.atLeast(16);
  t.is(assertOnce(t, counted), 4);
  t.deepEqual(leader.alarms, []);
});

test("I18: the second of two leaders that saw the same marker is refused, also after kill -9 of the server", async (t) => {
  await using grid = await startGrid();
  const batch = (dueAt: string) => [
    { subject: "markers.Tick.lhcb.default", headers: headersFrom(expecting(0)), body: dueAt },
    { subject: "tasks.Tick.lhcb", headers: headersFrom({}), body: "{}" },
  ];
  t.is(await publishAtomically(grid.broker, batch("first")), 1);
  await t.throwsAsync(publishAtomically(grid.broker, batch("second")), { message: /wrong last sequence/ });
  await grid.killServer();
  await grid.restartServer();
  await t.throwsAsync(publishAtomically(grid.broker, batch("third")), { message: /wrong last sequence/ });
  t.deepEqual(await countOn(grid, ">"), { "markers.Tick.lhcb.default": 1, "tasks.Tick.lhcb": 1 });
});

/** A broker that hears of its first batch, which is stored, that another writer was faster. Counts the batches. */
function outrun(broker: Broker, batches: string[]): Broker {
  const real = jetstream(broker.nc);
  const publish: JetStreamClient["publish"] = async (subject, payload, options) => {
    batches.push(subject);
    const ack = await real.publish(subject, payload, options);
    if (batches.length > 1) return ack;
    return await real.publish("markers.Tick.vo0.default", "", { headers: headersFrom(expecting(0)) });
  };
  return { ...broker, js: Object.assign(Object.create(real), { publish }) };
}

test("schedules that lost a race for their first markers are written together again when they are due", async (t) => {
  await using grid = await startGrid({ vos: VOS });
  const heard = listen(grid.broker.nc);
  const batches: string[] = [];
  // Time enough for the race to be over before.
  const dueAt = new Date(Date.now() + 5_000);
  const tasks = [periodic("Tick", cron(`${dueAt.getUTCSeconds()} * * * * *`))];
  await using leader = await grid.lead(tasks, { distort: (broker) => outrun(broker, batches) });
  await heard.atLeast(VOS.length);
  t.is(batches.length, 2, "one for all markers, one for all occurrences");
  t.deepEqual(leader.alarms, []);
});

test("one schedule whose writes are refused does not hold up those that share its batch", async (t) => {
  await using grid = await startGrid({ vos: ["atlas", "lhcb"] });
  const heard = listen(grid.broker.nc);
  // Somebody else's marker appears under the leader's feet again and again.
  await using leader = await grid.lead([periodic("Tick", tick)]);
  const stopped = new AbortController();
  const disturbing = (async () => {
    while (!stopped.signal.aborted) {
      await grid.broker.js.publish("markers.Tick.lhcb.default", JSON.stringify({ dueAt: new Date().toISOString() }));
      await pause(5);
    }
  })();
  for (let round = 1; round <= 3; round++) {
    const found = await heard.atLeast(round, ({ of }) => of === "Tick/atlas");
    await grid.finish(found.at(-1) ?? t.fail());
  }
  stopped.abort();
  await disturbing;
  await heard.atLeast(1, ({ of }) => of === "Tick/lhcb");
  t.deepEqual(leader.alarms, []);
});
