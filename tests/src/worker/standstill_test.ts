// Alone in its file, and so in its process: it stands still.
import { atLeastOnceFactory } from "@muster/tasks";
import test from "ava";
import { setImmediate } from "node:timers/promises";
import { startMuster } from "../support/muster.ts";

const defineTask = atLeastOnceFactory();

test("what a process does not hear because it stood still is not put down to NATS, in the log or in its health", async (t) => {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  const problems: string[] = [];
  const StillTask = defineTask({
    name: "StillTask",
    per: "vo",
    async execute() {
      // A request that is sent in these turns of the event loop waits through the whole next standstill.
      for (const ms of [2_200, 2_200, 15_200]) {
        await setImmediate();
        Atomics.wait(nothing, 0, 0, ms);
      }
      problems.push(...worker.health().problems);
    },
  });
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [StillTask] });
  const { taskId } = await muster.publish(StillTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  t.deepEqual(problems, []);
  const { notes, alarms } = worker.watcher;
  t.deepEqual(alarms, []);
  t.true(
    notes.some((note) => /^This process stood still for \d+\.\d s/.test(note)),
    notes.join("\n"),
  );
  for (const note of notes) t.regex(note, /stood still/);
});
