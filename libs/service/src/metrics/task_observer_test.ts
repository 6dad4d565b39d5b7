import test from "ava";
import { logInto } from "../logging/log.ts";
import { createMeters } from "./meters.ts";
import { observeTasks } from "./task_observer.ts";

function observed() {
  const lines: Record<string, unknown>[] = [];
  const log = logInto({ write: (line) => void lines.push(JSON.parse(line)) }, "test", "info");
  const meters = createMeters();
  return { lines, meters, observer: observeTasks(log, meters) };
}

const about = { task: "MyPilotTask", vo: "lhcb", taskId: "a/1", attempt: 1 };

test("a task's steps reach the metrics, without its VO and id", (t) => {
  const { meters, observer } = observed();
  observer.step({ ...about, step: "started", tookMs: 4 });
  observer.step({ ...about, step: "done", tookMs: 2_000 });
  observer.step({ ...about, step: "contended" });
  const text = meters.text();
  for (const line of [
    'muster_task_steps_total{task="MyPilotTask",step="started"} 1',
    'muster_task_steps_total{task="MyPilotTask",step="contended"} 1',
    'muster_task_start_latency_seconds_bucket{task="MyPilotTask",le="0.005"} 1',
    'muster_task_duration_seconds_sum{task="MyPilotTask"} 2',
    'muster_task_duration_seconds_count{task="MyPilotTask"} 1',
  ]) {
    t.true(text.includes(`${line}\n`), line);
  }
  t.notRegex(text, /lhcb|a\/1/);
});

test("a task that is given up is a line of the log, with its reason; one that is done is not", (t) => {
  const { lines, observer } = observed();
  observer.step({ ...about, step: "done", tookMs: 1 });
  const dead = { ...about, step: "dead", reason: "PilotSubmissionError" };
  observer.step(dead);
  t.is(lines.length, 1);
  t.like(lines[0], { level: "warn", msg: "dead", taskId: "a/1", reason: "PilotSubmissionError" });
});

test("what an outage repeats is told once, with its cause", (t) => {
  const { lines, observer } = observed();
  for (let n = 0; n < 100; n++) observer.note("Cannot list what waits yet", { cause: new Error("timeout") });
  t.is(lines.length, 1);
  t.like(lines[0], { msg: "Cannot list what waits yet", cause: "Error: timeout" });
});
