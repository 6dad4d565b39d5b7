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

test("a task's steps reach the metrics with its VO, and those of VOs that are not configured together", (t) => {
  const { meters, observer } = observed();
  observer.vos(["lhcb"]);
  observer.step({ ...about, step: "started", tookMs: 4 });
  observer.step({ ...about, step: "done", tookMs: 2_000 });
  observer.step({ ...about, step: "contended" });
  observer.step({ ...about, vo: "_", step: "done", tookMs: 1 });
  for (const vo of ["atlas", "x".repeat(100)]) observer.step({ ...about, vo, step: "done", tookMs: 1 });
  const text = meters.text();
  for (const line of [
    'muster_task_steps_total{task="MyPilotTask",vo="lhcb",step="started"} 1',
    'muster_task_steps_total{task="MyPilotTask",vo="lhcb",step="contended"} 1',
    'muster_task_steps_total{task="MyPilotTask",vo="_",step="done"} 1',
    'muster_task_steps_total{task="MyPilotTask",vo="other",step="done"} 2',
    'muster_task_start_latency_seconds_bucket{task="MyPilotTask",vo="lhcb",le="0.005"} 1',
    'muster_task_duration_seconds_sum{task="MyPilotTask",vo="lhcb",outcome="done"} 2',
    'muster_task_duration_seconds_count{task="MyPilotTask",vo="other",outcome="done"} 2',
  ]) {
    t.true(text.includes(`${line}\n`), `${line} in\n${text}`);
  }
  t.notRegex(text, /atlas|xxx|a\/1|contended.*le=/);
});

test("what alert rules wait for is counted from 0 on, since Prometheus sees no rise in the first value of a series", (t) => {
  const { meters, observer } = observed();
  observer.vos(["lhcb"]);
  observer.step({ ...about, step: "started", tookMs: 4 });
  observer.locks({ task: "MyPilotTask", lockTypes: ["my_pilot"], waitedMs: 0, heldMs: 1 });
  const text = meters.text();
  for (const line of [
    'muster_task_steps_total{task="MyPilotTask",vo="lhcb",step="dead"} 0',
    'muster_task_steps_total{task="MyPilotTask",vo="lhcb",step="refused"} 0',
    'muster_lock_leases_lost_total{lock_type="my_pilot"} 0',
  ]) {
    t.true(text.includes(`${line}\n`), `${line} in\n${text}`);
  }
});

test("locks, lost leases, late occurrences and alarms reach the metrics", (t) => {
  const { meters, observer } = observed();
  observer.locks({ task: "MyPilotTask", lockTypes: ["my_pilot", "_task"], waitedMs: 3, heldMs: 20 });
  observer.locks({ task: "MyPilotTask", lockTypes: ["my_pilot"], waitedMs: 0, heldMs: 16_000, lost: "my_pilot" });
  observer.occurrence({ task: "MyCheckPilotsTask", vo: "lhcb", lagMs: 40 });
  observer.alarm("Cannot store");
  observer.alarm("Cannot store");
  const text = meters.text();
  for (const line of [
    'muster_lock_wait_seconds_count{task="MyPilotTask"} 2',
    'muster_lock_hold_seconds_sum{lock_type="my_pilot"} 16.02',
    'muster_lock_hold_seconds_count{lock_type="_task"} 1',
    'muster_lock_leases_lost_total{lock_type="my_pilot"} 1',
    'muster_schedule_lag_seconds_bucket{task="MyCheckPilotsTask",le="0.05"} 1',
    "muster_alarms_total 2",
  ]) {
    t.true(text.includes(`${line}\n`), `${line} in\n${text}`);
  }
});

test("a line that a run writes is a line of the log with all that is known of the run", (t) => {
  const { lines, observer } = observed();
  const line = {
    ...about,
    level: "warn",
    message: "asked",
    fields: { slots: 3, task: "other" },
    text: "asked",
  } as const;
  observer.line(line);
  t.like(lines[0], {
    level: "warn",
    msg: "asked",
    slots: 3,
    task: "MyPilotTask",
    vo: "lhcb",
    taskId: "a/1",
    attempt: 1,
  });
  t.false("text" in (lines[0] ?? {}));
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
