import type { Meters } from "./meters.ts";

/**
 * What a worker or scheduler tells of its tasks, in plain calls, so that a library can be handed them without knowing what becomes of them.
 *
 * No label names a VO, a CE or a task id: tasks x VOs x outcomes x buckets would be tens of thousands of series, and a CE's name comes from
 * outside. Who wants to know per VO asks the ledger or listens to EVENTS. Task, outcome and lock type are few and ours.
 */
export interface TaskMeters {
  /** `waitedMs`: from being stored, or due, to the start of `execute`. */
  started(task: string, waitedMs: number): void;
  ended(task: string, outcome: string, ranMs: number): void;
  redelivered(task: string): void;
  published(task: string): void;
  deadLettered(task: string): void;
  lockWaited(lockType: string, waitedMs: number): void;
  leaseLost(lockType: string): void;
  /** Tasks pulled and not yet settled, running or buffered. */
  inHand(count: number): void;
  /** Permits in all, and those lost to tasks that ignore their abort. */
  permits(total: number, lost: number): void;
  /** An occurrence was published `latenessMs` after it was due. */
  occurrence(task: string, latenessMs: number): void;
  /** Whether this process is the scheduler that leads. */
  leading(leads: boolean): void;
}

/** From a millisecond to ten minutes, the default task's reach. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600];

/** The value of `key`, made by `create` when first asked for: one look in a map where the family would build the labels' text. */
function remembered<Meter>(create: (key: string) => Meter): (key: string) => Meter {
  const known = new Map<string, Meter>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const meter = create(key);
    // The families have their own bound; here a name beyond it is looked up anew each time.
    if (known.size < 1_000) known.set(key, meter);
    return meter;
  };
}

/** Registers the metrics of tasks with `meters`: `muster_tasks_started_total` and the others. */
export function taskMeters(meters: Meters): TaskMeters {
  const counter = (name: string, label: string, help: string) => {
    const family = meters.counter({ name, help, labels: [label] });
    return remembered((value) => family.of(value));
  };
  const seconds = (name: string, label: string, help: string) => {
    const family = meters.histogram({ name, help, labels: [label] }, SECONDS);
    return remembered((value) => family.of(value));
  };
  const gauge = (name: string, help: string) => meters.gauge({ name, help }).of();

  const started = counter("muster_tasks_started_total", "task", "Runs of execute that began.");
  const waited = seconds("muster_task_start_latency_seconds", "task", "From stored or due to the start of execute.");
  const endings = meters.counter({
    name: "muster_tasks_ended_total",
    help: "Runs that ended, by outcome.",
    labels: ["task", "outcome"],
  });
  const ended = remembered((task) => remembered((outcome) => endings.of(task, outcome)));
  const ran = seconds("muster_task_duration_seconds", "task", "From the start of execute to the outcome.");
  const redelivered = counter("muster_task_redeliveries_total", "task", "Messages delivered more than once.");
  const published = counter("muster_tasks_published_total", "task", "Tasks this process published.");
  const dead = counter("muster_dead_letters_total", "task", "Tasks given up.");
  const lockWait = seconds("muster_lock_wait_seconds", "lock_type", "From asking for a lock to holding it.");
  const leasesLost = counter("muster_leases_lost_total", "lock_type", "Leases that ended while their task ran.");
  const inHand = gauge("muster_tasks_in_hand", "Tasks pulled and not yet settled.");
  const permits = gauge("muster_permits", "Tasks this worker may run at once.");
  const permitsLost = gauge("muster_permits_lost", "Permits lost to tasks that ignore their abort.");
  const lateness = seconds("muster_schedule_lateness_seconds", "task", "From an occurrence's due time to its message.");
  const leading = gauge("muster_scheduler_leading", "1 while this scheduler leads, 0 while it stands by.");
  return {
    started(task, waitedMs) {
      started(task).value++;
      waited(task).observe(waitedMs / 1_000);
    },
    ended(task, outcome, ranMs) {
      ended(task)(outcome).value++;
      ran(task).observe(ranMs / 1_000);
    },
    redelivered: (task) => void redelivered(task).value++,
    published: (task) => void published(task).value++,
    deadLettered: (task) => void dead(task).value++,
    lockWaited: (lockType, waitedMs) => lockWait(lockType).observe(waitedMs / 1_000),
    leaseLost: (lockType) => void leasesLost(lockType).value++,
    inHand(count) {
      inHand.value = count;
    },
    permits(total, lost) {
      permits.value = total;
      permitsLost.value = lost;
    },
    occurrence: (task, latenessMs) => lateness(task).observe(latenessMs / 1_000),
    leading(leads) {
      leading.value = leads ? 1 : 0;
    },
  };
}
