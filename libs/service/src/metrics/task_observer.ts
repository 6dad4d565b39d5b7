import type { Log } from "../logging/log.ts";
import { sparingly } from "../logging/sparingly.ts";
import type { Counter, Meters } from "./meters.ts";

/** What is counted of one step of a task's life. All that it has, also its VO and its reason, goes to the log. */
export interface ObservedStep {
  readonly step: string;
  readonly task: string;
  /** Duration, ms. For `started` it is the time from stored to started; for other steps, from started to this step. */
  readonly tookMs?: number;
}

type Say = (message: string, details?: Readonly<Record<string, unknown>>) => void;

/** Takes what a framework reports. It fits the `Observer` of @muster/tasks, which this library does not know. */
export interface TaskObserver {
  /** Writes an error to the log, and counts it. */
  alarm: Say;
  /** Writes a line to the log. */
  note: Say;
  /** Counts a step of a task. */
  step(step: ObservedStep): void;
}

/**
 * Steps that an operator wants to read one by one. The others are too many: they are counted, and logged at level
 * debug.
 */
const TOLD: ReadonlySet<string> = new Set(["retry", "dead", "refused"]);
/** Upper ends of the buckets, s: from a millisecond to the hour that a large task may take. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 3600];

/**
 * Keeps the values that `create` makes, by key. A look into a map is cheaper than the labels' text that a family
 * builds.
 */
function remembered<Value>(create: (key: string) => Value): (key: string) => Value {
  const known = new Map<string, Value>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const value = create(key);
    // Further keys are not kept: each call looks them up anew, and the families count them under `other`.
    if (known.size < 1_000) known.set(key, value);
    return value;
  };
}

/**
 * Writes what a framework reports to an app's log and metrics. An outage's repeated notes become a few lines.
 *
 * No label names a VO, a CE or a task id. Tasks x VOs x steps x buckets would be tens of thousands of series, and a
 * CE's name comes from outside. For numbers of one VO, ask the ledger or listen to EVENTS. Tasks and steps are few and
 * our own.
 */
export function observeTasks(log: Log, metrics: Meters): TaskObserver {
  const steps = metrics.counter({
    name: "muster_task_steps_total",
    help: "Steps of tasks in this process: started, done, retry, dead and others.",
    labels: ["task", "step"],
  });
  const latency = metrics.histogram(
    { name: "muster_task_start_latency_seconds", help: "From stored to the start of execute.", labels: ["task"] },
    SECONDS,
  );
  const duration = metrics.histogram(
    { name: "muster_task_duration_seconds", help: "From the start of execute to the outcome.", labels: ["task"] },
    SECONDS,
  );
  const counterOf = remembered((task) => remembered((step): Counter => steps.of(task, step)));
  const latencyOf = remembered((task) => latency.of(task));
  const durationOf = remembered((task) => duration.of(task));
  const quiet = sparingly(log);
  return {
    alarm: (message, details) => quiet.say("error", message, details),
    note: (message, details) => quiet.say("info", message, details),
    step(told) {
      const { task, step, tookMs } = told;
      counterOf(task)(step).value++;
      if (tookMs !== undefined) (step === "started" ? latencyOf : durationOf)(task).observe(tookMs / 1_000);
      if (TOLD.has(step)) log.warn(told, step);
      else log.debug(told, step);
    },
  };
}
