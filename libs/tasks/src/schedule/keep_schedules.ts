import type { AnyTask } from "../definition/task.ts";
import { type Broker, streamExists } from "../broker/broker.ts";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import { isStreamGone, TASKS } from "../streams/streams.ts";
import type { Agenda, Entry } from "../due/agenda.ts";
import type { Bell } from "../connection/bell.ts";
import type { BrokerClock } from "../lead/broker_clock.ts";
import type { Charges } from "../lead/charges.ts";
import { createOccupancy } from "./occupancy.ts";
import type { Pauses } from "./pauses.ts";
import {
  endedSchedule,
  type Plan,
  type PlannedSchedule,
  planSchedules,
  SWITCHED_OFF,
} from "../due/planned_schedule.ts";
import { activeVos } from "../configuration/configuration.ts";
import { NO_VO } from "../format/names.ts";
import type { HookGate } from "../publish/hook_gate.ts";
import type { LeftSchedules, ScheduleName } from "../sweep/left_schedules.ts";
import type { SweepLedger } from "../sweep/unwanted.ts";
import type { Reporter } from "../lead/reporter.ts";
import { backoffMs, noteUnstored, type RoundContext, runRound } from "./round.ts";

/** Shortest time from one round to the next, ms. With thousands of schedules, those that are due within it share their round trips. */
const ROUND_MS = 50;

export interface KeepOptions {
  readonly broker: Broker;
  readonly worker: string;
  readonly tasks: readonly AnyTask[];
  readonly configuration: ConfigurationWatch;
  readonly clock: BrokerClock;
  /** Rung by the loop that changes the clock. */
  readonly bell: Bell;
  readonly pauses: Pauses;
  readonly report: Reporter;
  /** The ledger that the workers have. */
  readonly ledger?: SweepLedger | undefined;
  /** Schedules that earlier schedulers have left, and that are to be ended. */
  readonly left?: Pick<LeftSchedules, "all" | "onFound"> | undefined;
  /** Only schedules of tasks that are led here are kept. */
  readonly charges: Charges;
  /** Lets occurrences pass the middlewares; undefined: there is none. */
  readonly gate?: HookGate | undefined;
}

/** Whether an ended schedule needs nothing more: its marker says that it is off, or is gone. */
function isOver({ planned, stored }: Entry): boolean {
  return planned.isEnded && stored !== "unread" && (stored === undefined || stored.schedule === SWITCHED_OFF);
}

/**
 * Adds to `plan` the schedules that must be ended: those on the agenda that nobody names any more, and those that were left by schedulers
 * before this one.
 */
function withEnded(
  plan: Plan,
  agenda: Agenda,
  { tasks, configuration, left }: KeepOptions & { tasks: readonly AnyTask[] },
): Plan {
  const named = new Map(tasks.map((task) => [task.name, task]));
  const vos = new Set([...activeVos(configuration.current), NO_VO]);
  const all = new Map(plan);
  function end(name: ScheduleName, known?: PlannedSchedule): void {
    const task = named.get(name.task);
    if (task === undefined || !vos.has(name.vo)) return;
    const ended = known?.isEnded ? known : endedSchedule(task, name);
    if (!all.has(ended.key)) all.set(ended.key, ended);
  }
  for (const entry of agenda.entries) if (!isOver(entry)) end(entry.planned, entry.planned);
  for (const name of left?.all ?? []) end(name);
  return all;
}

/** Keeps the agenda in step with the configuration and with the charges, until disposed of. */
function followPlan(options: KeepOptions, agenda: Agenda): Disposable {
  const { tasks, configuration, bell, report, charges, left } = options;
  let plan: Plan = new Map();
  function replan(): void {
    const led = tasks.filter(({ name }) => charges.led.has(name));
    const unusable: string[] = [];
    plan = planSchedules({ tasks: led, configuration: configuration.current, before: plan }, (about, cause) => {
      const text = `Cannot use what the configuration says of the schedule of ${about}`;
      unusable.push(`${text}: ${cause instanceof Error ? cause.message : String(cause)}`);
      report.alarm(`plan ${about}`, `${text}; it changes nothing`, { cause });
    });
    agenda.adopt(withEnded(plan, agenda, { ...options, tasks: led }), unusable);
    bell.ring();
  }
  replan();
  const stops = [configuration.onChange(replan), charges.onChange(replan), left?.onFound(replan) ?? (() => {})];
  return {
    [Symbol.dispose]() {
      for (const stop of stops) stop();
    },
  };
}

/** The result for these entries is unknown. Has their markers read again, after a rest. */
function putBack({ agenda, clock }: RoundContext, entries: readonly Entry[], cause: unknown): void {
  for (const entry of entries) {
    if (!agenda.isOut(entry)) continue;
    noteUnstored(entry, cause);
    entry.stored = "unread";
    entry.failures++;
    agenda.put(entry, clock.now() + backoffMs(entry.failures));
  }
}

/** Declares TASKS where it is gone. Silence also means a change of leader, so the stream's own info decides. */
async function declareIfGone(broker: Broker, cause: unknown): Promise<void> {
  if (!isStreamGone(cause) && (await streamExists(broker.jsm, TASKS))) return;
  await broker.declareMissing();
}

async function attemptRound(context: RoundContext, entries: readonly Entry[]): Promise<void> {
  const { broker, report } = context;
  try {
    await runRound(context, entries);
  } catch (cause) {
    putBack(context, entries, cause);
    if (broker.nc.isClosed()) throw cause;
    report.note("round", "Cannot publish what is due yet", { cause });
    await declareIfGone(broker, cause).catch((error: unknown) =>
      report.note("declare", "Cannot look for missing streams yet", { cause: error }),
    );
  }
}

/**
 * Publishes each occurrence when it is due, until `signal` aborts. Several processes may do the same: the markers make each occurrence
 * appear once. `agenda` is for readers that show what comes next.
 *
 * Throws only when the connection is closed.
 */
export async function keepSchedules(options: KeepOptions, agenda: Agenda, signal: AbortSignal): Promise<void> {
  const { broker, worker, clock, bell, pauses, report, tasks, ledger, gate } = options;
  const onces = new Set(tasks.filter(({ effect }) => effect === "once").map(({ name }) => name));
  const custodyOf = (task: string) => (onces.has(task) ? (ledger ?? "left alone") : "none need");
  const occupancy = createOccupancy(broker);
  const context: RoundContext = { broker, worker, clock, agenda, pauses, report, occupancy, custodyOf, gate };
  using _plan = followPlan(options, agenda);
  let notBefore = 0;
  while (!signal.aborted) {
    await bell.sleep(Math.max(agenda.nextAt - clock.now(), notBefore - performance.now()), signal);
    const due = signal.aborted ? [] : agenda.take(clock.now());
    if (due.length === 0) continue;
    notBefore = performance.now() + ROUND_MS;
    await attemptRound(context, due);
  }
}
