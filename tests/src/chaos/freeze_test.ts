import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { SiteTask } from "./site_task.ts";
import { startGrid } from "./grid.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** Time limit of leases and of idle transactions, ms. A machine may stand still for three seconds without losing one. */
const TTL_MS = 5_000;
/** Pause of a run before or after its write, ms: long enough to freeze the run there. */
const LONG_MS = 3_000;
/** Pause before a write that must not come before the worker is frozen, ms. This process may hear late that the pause has begun. */
const BEFORE_FREEZE_MS = 12_000;

test("a worker is killed in the middle of a task, and the task completes elsewhere with its effect once", async (t) => {
  await using grid = await startGrid(server);
  const { muster, database } = grid;
  await muster.declareConsumer("SiteTask", "lhcb", 2_500);
  const first = await grid.startWorker({ ttlMs: TTL_MS });
  const payload = { site: "ce01", beforeMs: 0, afterMs: LONG_MS };
  const { taskId } = await muster.publish(SiteTask, { vo: "lhcb", payload });
  await first.line(new RegExp(`^after ${taskId}$`)); // it has written and not committed
  first.kill("SIGKILL");
  const second = await grid.startWorker({ ttlMs: TTL_MS });
  t.is((await muster.event("done", taskId)).attempt, 1);
  await second.line(new RegExp(`^after ${taskId}$`));
  t.is(await database.effects(taskId), 1);
  await muster.settled();
});

test("I9: a worker that is frozen past its lease before it writes: it writes nothing on waking, says so once, and goes on with others", async (t) => {
  await using grid = await startGrid(server);
  const { muster, database } = grid;
  const frozen = await grid.startWorker({ ttlMs: TTL_MS });
  const slow = { site: "ce01", beforeMs: BEFORE_FREEZE_MS, afterMs: 0 };
  const stale = await muster.publish(SiteTask, { vo: "lhcb", payload: slow });
  await frozen.line(new RegExp(`^before ${stale.taskId}$`));
  frozen.kill("SIGSTOP");
  const other = await grid.startWorker({ ttlMs: TTL_MS });
  const fresh = await muster.publish(SiteTask, { vo: "atlas", payload: { ...slow, beforeMs: 0 } });
  await muster.event("done", fresh.taskId);
  t.is(await database.effects(stale.taskId), 0);
  frozen.kill("SIGCONT");
  t.regex((await muster.event("abandoned", stale.taskId)).reason ?? "", /LeaseLostError/);
  t.is((await muster.event("done", stale.taskId)).attempt, 1);
  t.is(await database.effects(stale.taskId), 1);
  t.is(muster.events.of(stale.taskId).filter((step) => step === "abandoned").length, 1);
  const writes = await database.sql<{ task_id: string }>("select task_id from effect order by ctid");
  t.deepEqual(
    writes.map((row) => row.task_id),
    [fresh.taskId, stale.taskId],
  );
  other.kill("SIGTERM");
  await other.exited;
  const next = await muster.publish(SiteTask, { vo: "lhcb", payload: { ...slow, beforeMs: 0 } });
  await muster.event("done", next.taskId);
});

test("I11: a worker that is frozen inside its transaction holds its CE up no longer than its lease and the idle timeout", async (t) => {
  await using grid = await startGrid(server);
  const { muster, database } = grid;
  const workers = await Promise.all([grid.startWorker({ ttlMs: TTL_MS }), grid.startWorker({ ttlMs: TTL_MS })]);
  const payload = { site: "ce01", beforeMs: 0, afterMs: LONG_MS };
  const stale = await muster.publish(SiteTask, { vo: "lhcb", payload });
  const isInside = new RegExp(`^after ${stale.taskId}$`);
  const frozen = await Promise.race(workers.map((worker) => worker.line(isInside).then(() => worker)));
  frozen.kill("SIGSTOP");
  const frozenAtMs = performance.now();
  const fresh = await muster.publish(SiteTask, { vo: "atlas", payload: { ...payload, afterMs: 0 } });
  const { heardAtMs } = await muster.event("done", fresh.taskId);
  t.log(`done ${Math.round(heardAtMs - frozenAtMs)} ms after the freeze`);
  t.true(heardAtMs - frozenAtMs < 2 * TTL_MS + 20_000);
  frozen.kill("SIGCONT");
  await muster.event("abandoned", stale.taskId);
  t.is((await muster.event("done", stale.taskId)).attempt, 1);
  t.is(await database.effects(stale.taskId), 1);
  t.is(await database.effects(fresh.taskId), 1);
});
