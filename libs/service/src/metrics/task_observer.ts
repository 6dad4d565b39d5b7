import type { Log } from "../logging/log.ts";
import { sparingly } from "../logging/sparingly.ts";
import type { Counter, Meters } from "./meters.ts";

/** One step of a task's life, as a framework tells it. */
export interface ObservedStep {
  readonly step: string;
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  /** One line on why, where there is a why. */
  readonly reason?: string;
  /** From stored to started for `started`, from started to this step for the others; ms. */
  readonly tookMs?: number;
}

/** Where a framework tells what it sees. It fits the `Observer` of @muster/tasks, which this library does not know. */
export interface TaskObserver {
  alarm(message: string, details?: Readonly<Record<string, unknown>>): void;
  note(message: string, details?: Readonly<Record<string, unknown>>): void;
  step(step: ObservedStep): void;
}

/** Steps that an operator wants to read one by one; the others are too many and are counted, or logged at level debug. */
const TOLD: ReadonlySet<string> = new Set(["retry", "dead", "refused"]);
/** Buckets, s: from a millisecond to the hour that a large task may take. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 3600];

/** The value of `key`, made by `create` when first asked for: one look in a map where the family would build the labels' text. */
function remembered<Value>(create: (key: string) => Value): (key: string) => Value {
  const known = new Map<string, Value>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const value = create(key);
    // The families fold what is too much; here it is merely looked up anew each time.
    if (known.size < 1_000) known.set(key, value);
    return value;
  };
}

/**
 * Joins what a framework tells to an app's log and metrics. An outage's repeated notes become a few lines.
 *
 * No label names a VO, a CE or a task id: tasks x VOs x steps x buckets would be tens of thousands of series, and a CE's name comes from
 * outside. Who wants to know per VO asks the ledger or listens to EVENTS. Tasks and steps are few and ours.
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
