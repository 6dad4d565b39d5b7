import test from "ava";
import { startBundled } from "../support/child_process.ts";
import { startMuster } from "../support/muster.ts";
import { ReaderTask, TTL_MS, WriterTask } from "./limited_task.ts";

const WORKER = new URL("./limited_main.ts", import.meta.url);
/** Longer than any test. */
const LONG_MS = 600_000;

test("I30: a killed worker's readers free a waiting writer, and its parts of a limit are free, a second after the time to live", async (t) => {
  await using muster = await startMuster();
  // The killed worker's messages come back to nobody while this test lasts.
  await muster.declareConsumer("ReaderTask", "lhcb", LONG_MS);
  await using worker = await startBundled(WORKER, { NATS_URL: muster.nats.url });
  const killed = await Promise.all(
    [LONG_MS, LONG_MS].map((ms) => muster.publish(ReaderTask, { vo: "lhcb", payload: { ms } })),
  );
  for (const { taskId } of killed) await muster.event("started", taskId);
  await muster.startWorker({ tasks: [ReaderTask, WriterTask], lockTtlMs: TTL_MS });
  const writer = await muster.publish(WriterTask, { vo: "lhcb", payload: {} });
  await muster.event("contended", writer.taskId);
  t.deepEqual(muster.events.of(writer.taskId), ["contended"]);

  const killedAtMs = performance.now();
  worker.kill("SIGKILL");
  await worker.exited;
  const reader = await muster.publish(ReaderTask, { vo: "lhcb", payload: { ms: 0 } });
  await muster.event("contended", reader.taskId);
  const { heardAtMs } = await muster.event("done", writer.taskId);
  await muster.event("done", reader.taskId);
  t.log(`the writer was done ${Math.round(heardAtMs - killedAtMs)} ms after the kill`);
  t.true(heardAtMs - killedAtMs < 10 * (TTL_MS + 1_000));
});
