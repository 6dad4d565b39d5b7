import test from "ava";
import { createReporter } from "../lead/reporter.ts";
import { openBrokerClock } from "../lead/broker_clock.ts";
import { headersFrom, ROLLUP } from "../format/headers.ts";
import { BUCKET_NAMES } from "../streams/stream_needs.ts";
import { createEmptiedLook } from "./emptied_buckets.ts";
import { startGrid } from "./_grid_test.ts";
import { createPauses, pauseSchedule, resumeSchedule } from "./pauses.ts";

const ALL = headersFrom({ [ROLLUP]: "all" });
const HELD = { task: "Held" };

test("a bucket that a roll-up emptied is told with subject and effect, once, and the pauses that it took hold on and are stored again", async (t) => {
  await using grid = await startGrid();
  const { broker } = grid;
  const pauses = createPauses(broker);
  await pauseSchedule(broker, HELD, { reason: "site down" });
  await pauseSchedule(broker, { task: "Resumed" });
  t.deepEqual(await pauses.reread(), []);
  await resumeSchedule(broker, { task: "Resumed" });
  await pauses.refresh();
  const look = createEmptiedLook(broker, await openBrokerClock(broker), createReporter(broker.observer));
  await look();
  t.deepEqual(grid.alarms, []);
  for (const bucket of BUCKET_NAMES) await broker.js.publish(`$KV.${bucket}.x`, "y", { headers: ALL });
  await pauses.refresh();
  t.true(pauses.isPaused(HELD));
  t.deepEqual(await pauses.reread(), ["Held"]);
  t.is(pauses.find(HELD)?.reason, "site down");
  const fresh = createPauses(broker);
  await fresh.refresh();
  t.deepEqual([fresh.isPaused(HELD), fresh.isPaused({ task: "Resumed" })], [true, false]);
  await look();
  await look();
  t.is(grid.alarms.length, BUCKET_NAMES.length, grid.alarms.join("\n"));
  for (const [index, bucket] of BUCKET_NAMES.entries())
    t.true(grid.alarms[index]?.startsWith(`Somebody published a message on $KV.${bucket}.x with the header`));
});

test("a pause that somebody purges stays away, also in a bucket that a roll-up emptied earlier, and so does a refused roll-up's", async (t) => {
  await using grid = await startGrid();
  const { broker } = grid;
  const pauses = createPauses(broker);
  await broker.js.publish("$KV.schedules.x", "y", { headers: ALL });
  await pauseSchedule(broker, HELD);
  await pauses.reread();
  const refused = headersFrom({ [ROLLUP]: "all", "Nats-Expected-Last-Subject-Sequence": "77" });
  await t.throwsAsync(broker.js.publish("$KV.schedules.z", "y", { headers: refused }));
  await broker.jsm.streams.purge("KV_schedules", { filter: "$KV.schedules.pause.Held" });
  t.deepEqual(await pauses.reread(), []);
  t.false(pauses.isPaused(HELD));
});
