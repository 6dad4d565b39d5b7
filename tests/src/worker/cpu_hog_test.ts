import { atLeastOnceFactory, defineLockType } from "@muster/tasks";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { startMuster } from "../support/muster.ts";

const defineTask = atLeastOnceFactory();
const siteLock = defineLockType("hog_test_site");

/** The lock's, ms: a machine that stands still for two seconds loses no lease. */
const TTL_MS = 4_000;

test("a task that holds up its thread for two TTLs of its locks, a mutex and parts of two others, runs once, and neither it nor its neighbour loses a lease", async (t) => {
  const HogTask = defineTask({
    name: "HogTask",
    per: "vo",
    payload: z.strictObject({ site: z.string() }),
    locks: ({ site }) => [siteLock.mutex(site), siteLock.shared("all"), siteLock.concurrency("all", 2)],
    async execute({ payload, signal }) {
      if (payload.site === "neighbour") return pause(2 * TTL_MS + 500, undefined, { signal });
      await pause(300);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * TTL_MS);
      signal.throwIfAborted();
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HogTask], lockTtlMs: TTL_MS });
  const neighbour = await muster.publish(HogTask, { vo: "lhcb", payload: { site: "neighbour" } });
  const hog = await muster.publish(HogTask, { vo: "lhcb", payload: { site: "hog" } });
  await muster.event("done", hog.taskId);
  await muster.event("done", neighbour.taskId);
  for (const { taskId } of [hog, neighbour]) t.deepEqual(muster.events.of(taskId), ["started", "done"]);
});

test("a task that ended just before another hogs the CPU is under heartbeat until its ack can be sent", async (t) => {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  const ended = Promise.withResolvers<void>();
  const PairTask = defineTask({
    name: "PairTask",
    per: "vo",
    payload: z.strictObject({ hogMs: z.int() }),
    async execute({ payload }) {
      if (payload.hogMs === 0) {
        await pause(100); // till then the worker has no more to ask for, which would take the ack along
        ended.resolve();
        return;
      }
      await ended.promise;
      // The other run ends in these turns of the microtask queue. No timer runs that could send its ack.
      for (let turn = 0; turn < 200; turn++) await null;
      Atomics.wait(nothing, 0, 0, payload.hogMs);
    },
  });
  await using muster = await startMuster();
  const told: string[] = [];
  muster.broker.nc.subscribe("$JS.ACK.TASKS.PairTask__lhcb.>", {
    callback: (_, message) => void told.push(`${message.subject.split(".")[5]} ${message.string()}`),
  });
  await muster.startWorker({ tasks: [PairTask], permits: 2 });
  const quick = await muster.publish(PairTask, { vo: "lhcb", payload: { hogMs: 0 } });
  const slow = await muster.publish(PairTask, { vo: "lhcb", payload: { hogMs: 6_500 } });
  for (const { taskId } of [quick, slow]) await muster.event("done", taskId);
  await muster.settled();
  t.true(told.includes("1 +WPI"), told.join());
});
