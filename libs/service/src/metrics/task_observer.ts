import type { Log } from "../logging/log.ts";
import { sparingly } from "../logging/sparingly.ts";
import { redactSecrets } from "../settings/redact.ts";
import { knownVos, type KnownVos } from "./known_vos.ts";
import type { Meters } from "./meters.ts";

/** What is counted of one step of a task's life. All that it has, also its id and its reason, goes to the log. */
export interface ObservedStep {
  readonly step: string;
  readonly task: string;
  readonly vo: string;
  /** Duration, ms. For `started` it is the time from stored to started; for other steps, from started to this step. */
  readonly tookMs?: number;
}

/** A line that a run has written. All that it has beside its text goes to the log too. */
export interface ObservedLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: object;
  /** Message and fields in one line. */
  readonly text: string;
}

/** What a run had of its locks. */
export interface ObservedLocks {
  readonly task: string;
  readonly lockTypes: readonly string[];
  readonly waitedMs: number;
  readonly heldMs: number;
  /** The type of the lock that was lost; absent: none. */
  readonly lost?: string;
}

/** An occurrence of a schedule that was published so late. */
export interface ObservedOccurrence {
  readonly task: string;
  readonly vo: string;
  readonly lagMs: number;
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
  /** Writes a run's own line to the log. */
  line(line: ObservedLine): void;
  /** Hides passwords in URLs, and the values of fields that are named as secrets. */
  redact(text: string): string;
  /** Counts what runs had of their locks. */
  locks(held: ObservedLocks): void;
  /** Counts how late occurrences are. */
  occurrence(published: ObservedOccurrence): void;
  /** Sets which VOs have figures of their own. */
  vos(names: readonly string[]): void;
}

/**
 * Steps that an operator wants to read one by one. The others are too many: they are counted, and logged at level
 * debug.
 */
const TOLD: ReadonlyMap<string, "info" | "warn"> = new Map([
  ["retry", "warn"],
  ["dead", "warn"],
  ["refused", "warn"],
  ["cancelled", "info"],
]);
/** Steps that an alert rule waits for. A counter of them begins at 0, since Prometheus sees no rise in the first value of a series. */
const ALERTING = ["dead", "refused"];
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

/** Counts each step once by task, VO and step, with its time. */
function countSteps(metrics: Meters, vos: KnownVos): (step: ObservedStep) => void {
  const steps = metrics.counter({
    name: "muster_task_steps_total",
    help: "Steps of tasks in this process: started, done, retry, dead and others.",
    labels: ["task", "vo", "step"],
  });
  const latency = metrics.histogram(
    { name: "muster_task_start_latency_seconds", help: "From stored to the start of execute.", labels: ["task", "vo"] },
    SECONDS,
  );
  const duration = metrics.histogram(
    {
      name: "muster_task_duration_seconds",
      help: "From the start of execute to the outcome.",
      labels: ["task", "vo", "outcome"],
    },
    SECONDS,
  );
  const metersOf = remembered((task) =>
    remembered((vo) => {
      for (const step of ALERTING) steps.of(task, vo, step);
      return remembered((step) => {
        const count = steps.of(task, vo, step);
        // Made at the first time that is told: a step without one has no histogram.
        const timer = () => (step === "started" ? latency.of(task, vo) : duration.of(task, vo, step));
        return { count, times: undefined as ReturnType<typeof timer> | undefined, timer };
      });
    }),
  );
  return ({ task, vo, step, tookMs }) => {
    const meters = metersOf(task)(vos.labelOf(vo))(step);
    meters.count.value++;
    if (tookMs === undefined) return;
    meters.times ??= meters.timer();
    meters.times.observe(tookMs / 1_000);
  };
}

function countLocks(metrics: Meters): (held: ObservedLocks) => void {
  const wait = metrics.histogram(
    {
      name: "muster_lock_wait_seconds",
      help: "From the first try to take a run's locks until it held all of them.",
      labels: ["task"],
    },
    SECONDS,
  );
  const hold = metrics.histogram(
    {
      name: "muster_lock_hold_seconds",
      help: "How long runs held a lock, by the lock's type.",
      labels: ["lock_type"],
    },
    SECONDS,
  );
  const lostLeases = metrics.counter({
    name: "muster_lock_leases_lost_total",
    help: "Runs that were abandoned since a lease of theirs was lost, by the lock's type.",
    labels: ["lock_type"],
  });
  const waitOf = remembered((task) => wait.of(task));
  const holdOf = remembered((lockType) => {
    // From 0 on, as above.
    lostLeases.of(lockType);
    return hold.of(lockType);
  });
  return ({ task, lockTypes, waitedMs, heldMs, lost }) => {
    waitOf(task).observe(waitedMs / 1_000);
    for (const lockType of lockTypes) holdOf(lockType).observe(heldMs / 1_000);
    if (lost !== undefined) lostLeases.of(lost).value++;
  };
}

function countOccurrences(metrics: Meters): (published: ObservedOccurrence) => void {
  const lag = metrics.histogram(
    {
      name: "muster_schedule_lag_seconds",
      help: "From an occurrence's due time until it was published.",
      labels: ["task"],
    },
    SECONDS,
  );
  return ({ task, lagMs }) => lag.of(task).observe(lagMs / 1_000);
}

/**
 * Writes what a framework reports to an app's log and metrics. An outage's repeated notes become a few lines.
 *
 * No label names a CE, a task id or a VO that is not configured: those come from outside. Tasks, steps and types of
 * locks are few and our own. `vos` is shared with the app's other figures.
 */
export function observeTasks(log: Log, metrics: Meters, vos: KnownVos = knownVos()): TaskObserver {
  const count = countSteps(metrics, vos);
  const alarms = metrics
    .counter({ name: "muster_alarms_total", help: "Alarms of this process: each is an error in its log." })
    .of();
  const quiet = sparingly(log);
  return {
    alarm(message, details) {
      alarms.value++;
      quiet.say("error", message, details);
    },
    note: (message, details) => quiet.say("info", message, details),
    step(told) {
      count(told);
      log[TOLD.get(told.step) ?? "debug"](told, told.step);
    },
    line({ level, message, fields, text: _text, ...run }) {
      log[level]({ ...fields, ...run }, message);
    },
    redact: redactSecrets,
    locks: countLocks(metrics),
    occurrence: countOccurrences(metrics),
    vos: (names) => vos.set(names),
  };
}
