import test from "ava";
import { randomUUID } from "node:crypto";
import { every } from "../calendar/schedule.ts";
import { parseMarker } from "../broker/marker.ts";
import { headersFrom } from "../format/headers.ts";
import { TASKS } from "../streams/streams.ts";
import { type Grid, listen, periodic, startGrid } from "./_grid_test.ts";

/** Batches that the server holds for one stream. */
const MOST_BATCHES = 50;

/** Longest rest of a batch between two messages, ms. The server drops it after ten seconds. */
const REST_MS = 1_000;

/** Begins as many batches as the server takes, and ends none, as a client of any VO may. */
async function holdAllBatches({ broker }: Grid): Promise<Disposable> {
  const { nc } = broker;
  const ids = Array.from({ length: MOST_BATCHES }, () => randomUUID());
  const headers = (id: string, sequence: number) =>
    headersFrom({ "Nats-Batch-Id": id, "Nats-Batch-Sequence": String(sequence) });
  for (const id of ids) await nc.request("tasks.Other.lhcb", "{}", { headers: headers(id, 1), timeout: 10_000 });
  let sequence = 1;
  const timer = setInterval(() => {
    sequence++;
    for (const id of ids) nc.publish("tasks.Other.lhcb", "{}", { headers: headers(id, sequence) });
  }, REST_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

test("schedules fire although a client has begun all batches that the server takes, each occurrence once and one at a time", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  using _held = await holdAllBatches(grid);
  const tick = periodic("Tick", every({ seconds: 1 }), "all");
  await using leader = await grid.lead([tick]);
  await using _other = await grid.lead([tick]);
  for (let count = 1; count <= 2; count++) {
    const found = await heard.atLeast(count, ({ of }) => of === "Tick/_");
    await grid.finish(found.at(-1) ?? t.fail());
  }
  t.is(new Set(heard.seen.map(({ taskId }) => taskId)).size, heard.seen.length);
  const stored = await grid.broker.jsm.streams.getMessage(TASKS, { last_by_subj: "markers.Tick._.default" });
  const marker = parseMarker(stored?.seq ?? 0, stored?.string() ?? "");
  t.true(heard.seen.some(({ sequence }) => sequence === marker.message));
  t.true(leader.alarms.some((alarm) => alarm.includes("takes up no more batches")) || _other.alarms.length > 0);
});
