import { atLeastOnceFactory, defineLockType } from "@muster/tasks";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { startMuster } from "../support/muster.ts";

const defineTask = atLeastOnceFactory();
const siteLock = defineLockType("hog_test_site");

test("a task that hogs the CPU for two TTLs of its lock runs once, and neither it nor its neighbour loses a lease", async (t) => {
  const HogTask = defineTask({
    name: "HogTask",
    per: "vo",
    payload: z.strictObject({ site: z.string() }),
    locks: ({ site }) => [siteLock.mutex(site)],
    async execute({ payload, signal }) {
      if (payload.site === "neighbour") return pause(4_500, undefined, { signal });
      await pause(300);
      const until = performance.now() + 4_000;
      while (performance.now() < until) Math.sqrt(until);
      signal.throwIfAborted();
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HogTask], lockTtlMs: 2_000 });
  const neighbour = await muster.publish(HogTask, { vo: "lhcb", payload: { site: "neighbour" } });
  const hog = await muster.publish(HogTask, { vo: "lhcb", payload: { site: "hog" } });
  await muster.event("done", hog.taskId);
  await muster.event("done", neighbour.taskId);
  for (const { taskId } of [hog, neighbour]) t.deepEqual(muster.events.of(taskId), ["started", "done"]);
});
