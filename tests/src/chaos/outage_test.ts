import { createDatabase, startPostgres } from "@muster/local";
import { migrate } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import { MyCheckPilotsTask, MySubmitPilotsTask } from "@muster/pilot-tasks";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "../support/until.ts";
import { startGrid } from "./grid.ts";
import { CAPACITIES, VOS } from "./storm.ts";

/** A wait for a lease to lapse takes far longer than half of the TTL, on a busy machine too. */
const TTL_MS = 90_000;

test("nats-server and then PostgreSQL are killed: each VO's rounds and pilots go on within ten seconds of their return", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-outage-"));
  const first = await startPostgres({ dataDir: folder.path });
  const url = await createDatabase(first, "outage");
  await migrate(url, { tables: [pilotTables] });
  await using grid = await startGrid({ createUrl: async () => url }, CAPACITIES);
  const { muster, database } = grid;
  await grid.startWorker({ ttlMs: TTL_MS });
  const publishRounds = () =>
    Promise.all(
      VOS.flatMap((vo) => [muster.publish(MySubmitPilotsTask, { vo }), muster.publish(MyCheckPilotsTask, { vo })]),
    );
  // An older message that stays in the bucket's file makes the server forget the releases after it.
  await muster.hold("held.for.long", TTL_MS);
  for (const { taskId } of await publishRounds()) await muster.event("done", taskId);
  await muster.settled();
  await pause(1_500); // the shortest life of a released lock's mark is a second

  await muster.nats.kill();
  await muster.nats.start();
  first.kill("SIGKILL");
  await first.exited;
  await muster.reconnected();
  const rounds = await publishRounds();
  await using _second = await startPostgres({ dataDir: folder.path, port: first.port });
  const backAtMs = performance.now();
  const ids = rounds.map(({ taskId }) => `'${taskId}'`).join();
  const areDone = async () => {
    const done = await database.sql(`select from task_outcome where outcome = 'done' and task_id in (${ids})`);
    return done.length === rounds.length || undefined;
  };
  await until(areDone, "the end of all rounds");
  await muster.settled();
  const tookMs = performance.now() - backAtMs;
  t.log(`all done ${Math.round(tookMs)} ms after both were back`);
  t.true(tookMs < TTL_MS / 2, `it took ${tookMs} ms`);
});
