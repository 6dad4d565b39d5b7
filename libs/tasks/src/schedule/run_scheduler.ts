import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { Middleware } from "../definition/middleware.ts";
import type { AnyTask } from "../definition/task.ts";
import type { Locks } from "../locks/locks.ts";
import type { Broker } from "../broker/broker.ts";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import { type Agenda, createAgenda } from "../due/agenda.ts";
import { createBell } from "../connection/bell.ts";
import { openBrokerClock } from "../lead/broker_clock.ts";
import { type Charges, chargesOf, choreCharge, fixedCharges, REST, whileLed } from "../lead/charges.ts";
import { createDisplay } from "./display.ts";
import { createEmptiedLook } from "./emptied_buckets.ts";
import { createElection } from "../lead/election.ts";
import { keepSchedules } from "./keep_schedules.ts";
import { watchLater } from "../later/later_watch.ts";
import { createPauseBook } from "../queue/pause_book.ts";
import { createHookGate } from "../publish/hook_gate.ts";
import { QUEUE_KEYS } from "../queue/queue_pauses.ts";
import { createPauses } from "./pauses.ts";
import { type Chore, repeat, sleepLong } from "../lead/repeat.ts";
import { createCancelledSweep } from "../sweep/sweep_cancelled.ts";
import { createGroupSweep } from "../sweep/sweep_groups.ts";
import { createLapsedSweep } from "../sweep/lapsed_sweep.ts";
import { createLeftSchedules } from "../sweep/left_schedules.ts";
import type { SweepLedger } from "../sweep/unwanted.ts";
import { createReporter, type Reporter } from "../lead/reporter.ts";
import { createSweeper, SWEEP_MS } from "../sweep/sweeper.ts";
import { lookOut } from "./watch_by_hand.ts";

/** Time from one question for the broker's time to the next, ms: the same as a renewal of a lease of 15 s. */
const CLOCK_MS = 3_000;
/** Smallest change of the clock after which everything due is looked at again, ms. */
const CLOCK_STEP_MS = 50;
const DISPLAY_MS = 10_000;
/** Time from one full reading of the pauses to the next, ms. Their bucket may have been created anew. */
const PAUSES_MS = 10_000;
/** Time from one look for buckets that were emptied by a roll-up to the next, ms. */
const EMPTIED_MS = 10_000;
/** Time from one look for entries that a broker has brought back to the next, ms. They do no harm, so nobody waits for it. */
const LAPSED_MS = 300_000;
/** Time from one reading of what was just delayed to the next, ms. Where nothing was, nothing is asked. */
const HEARD_MS = 250;
/** Time from one look for tasks that were just cancelled to the next, ms. Where none was, nothing is asked. */
const CANCELLED_MS = 250;
/** Time from one look at open groups to the next, ms. */
const GROUPS_MS = 10_000;
/** Longest wait of a scheduler for one answer, ms. */
const ANSWER_MS = 2_000;
/** Delay after a lead, or an attempt to lead, that ended by an error, ms. */
const REST_MS = 1_000;
/** Time for which a lead, or an attempt to lead, must have gone well after one that ended by an error, ms. */
const WELL_MS = 5_000;

/** `standby` from the start, and again whenever it leads nothing. */
export type SchedulerRole = "leading" | "standby";

/** What a scheduler publishes, and under which lock. */
export interface SchedulerOptions {
  readonly broker: Broker;
  /**
   * Where the lock of the leader's session is taken. Its TTL is the time that a standby waits after the leader's death.
   *
   * 5 s are enough on a single server. A cluster needs the default of 15 s: it may be silent for 8 s when its leader changes.
   */
  readonly locks: Locks;
  /** All tasks that this scheduler knows, periodic or not. Other tasks are reported as unknown. */
  readonly tasks: readonly AnyTask[];
  readonly configuration: ConfigurationWatch;
  /** The ledger that the tasks' workers have. Without it a task whose effect is once is never put away. */
  readonly ledger?: SweepLedger;
  /** This process's name, in events and in the lock's record. */
  readonly worker: string;
  /** Ends the scheduler in order. */
  readonly signal: AbortSignal;
  /** Further work of one scheduler, such as looking after the ledger. Of each name one runs at a time. */
  readonly chores?: readonly Chore[];
  /** Runs around each occurrence that it publishes, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[];
  /** Called when this scheduler begins or ceases to lead. */
  onRole?(role: SchedulerRole): void;
  /** Called with the names of the tasks that it leads: with none at first, then at each change. */
  onLead?(tasks: readonly string[]): void;
  /** Called with the reason where it cannot lead for now, and with undefined once it can again. */
  onFailure?(reason: string | undefined): void;
  /** Called with its agenda when it begins to lead, and with undefined when that has ended. */
  onAgenda?(agenda: Agenda | undefined): void;
}

/** What the work of a leader needs. Without `charges` it leads everything. */
export type LeadOptions = Omit<SchedulerOptions, "locks" | "onRole" | "onLead" | "onFailure"> & {
  readonly charges?: Charges;
};

/** Runs `parts` until all have ended. The first failure, or `signal`, ends the others. */
async function together(
  signal: AbortSignal,
  parts: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const ended = await Promise.allSettled(
    parts.map((part) =>
      part(both).catch((cause: unknown) => {
        failed.abort();
        throw cause;
      }),
    ),
  );
  const first = ended.find((end) => end.status === "rejected");
  if (first !== undefined) throw first.reason;
}

/** Resolves when `signal` aborts, or at once where it has: an aborted signal calls no new listener. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

async function throwWhenClosed({ nc }: Broker, signal: AbortSignal): Promise<void> {
  const cause = await Promise.race([nc.closed(), whenAborted(signal)]);
  if (!signal.aborted)
    throw new Error("Cannot go on scheduling: the connection to NATS was closed; start anew", { cause });
}

/**
 * Does the work of a leader until `signal` aborts: occurrences, sweeps, display and chores. Others may lead the same.
 *
 * Throws when the broker does not state the time at the start, and when the connection is closed.
 */
export async function lead(options: LeadOptions, report: Reporter): Promise<void> {
  const { broker, worker, tasks, configuration, chores = [], signal } = options;
  const { charges = fixedCharges(chargesOf(options)), onAgenda = () => {} } = options;
  const [agenda, bell, pauses] = [createAgenda(), createBell(), createPauses(broker)];
  // Workers go by them. They are read here to be stored again where the bucket is lost while no worker runs.
  const queues = createPauseBook(broker, QUEUE_KEYS);
  const clock = await openBrokerClock(broker);
  const { ledger } = options;
  // The leader of the rest looks after what belongs to no task.
  const leadsRest = () => charges.led.has(REST);
  using later = watchLater({ broker, clock, report, isLed: leadsRest });
  const left = createLeftSchedules();
  const sweeping = { broker, worker, tasks, configuration, clock, report, ledger, charges, later, left };
  const sweeper = createSweeper(sweeping);
  await using cancelled = createCancelledSweep(sweeping);
  const openGroups = createGroupSweep(sweeping);
  const lapsed = createLapsedSweep(broker, report);
  const lookForEmptied = createEmptiedLook(broker, clock, report);
  const own: readonly Chore[] = [
    {
      name: "asking for the broker's time",
      everyMs: CLOCK_MS,
      async run() {
        if (Math.abs(await clock.sync()) > CLOCK_STEP_MS) bell.ring();
      },
    },
    { name: "sweeping", everyMs: SWEEP_MS, run: (until) => sweeper.sweep(until) },
    { name: "putting cancelled tasks away", everyMs: CANCELLED_MS, run: () => cancelled.pass() },
    { name: "looking after groups", everyMs: GROUPS_MS, run: () => openGroups.pass() },
    { name: "reading what was just delayed", everyMs: HEARD_MS, run: () => later.readHeard() },
    { name: "looking after LATER", everyMs: SWEEP_MS, run: () => later.look() },
    {
      name: "deleting lapsed entries",
      everyMs: LAPSED_MS,
      async run() {
        if (leadsRest()) await lapsed.pass();
      },
    },
    { name: "showing what comes next", everyMs: DISPLAY_MS, run: createDisplay({ broker, agenda, pauses }) },
    {
      name: "reading all pauses",
      everyMs: PAUSES_MS,
      async run() {
        const again = [...(await pauses.reread()), ...(await queues.reread()).map((key) => QUEUE_KEYS + key)];
        if (again.length === 0) return;
        const text = `Stored pauses again that the bucket schedules had lost: ${again.join(", ")}`;
        report.alarm("pauses restored", text, { count: again.length });
        broker.keepIncident({ kind: "restored", about: "KV_schedules", text, isLoss: false });
      },
    },
    {
      name: "looking for emptied buckets",
      everyMs: EMPTIED_MS,
      async run() {
        if (leadsRest()) await lookForEmptied();
      },
    },
  ];
  const gate = createHookGate(options.middleware ?? []);
  const keeping = { broker, worker, tasks, configuration, clock, bell, pauses, report, charges, ledger, left, gate };
  onAgenda(agenda);
  using opened = new DisposableStack();
  opened.defer(() => onAgenda(undefined));
  await together(signal, [
    (until) => throwWhenClosed(broker, until),
    (until) => keepSchedules(keeping, agenda, until),
    (until) => whileLed(charges, { isLed: leadsRest, work: (led) => lookOut(broker, report, led) }, until),
    ...own.map((chore) => (until: AbortSignal) => repeat(chore, report, until)),
    ...chores.map((chore) => {
      const isLed = () => charges.led.has(choreCharge(chore.name));
      const work = (until: AbortSignal) => repeat(chore, report, until);
      return (until: AbortSignal) => whileLed(charges, { isLed, work }, until);
    }),
  ]);
}

/**
 * The same broker with a short wait for each answer.
 *
 * The client loses what is sent while it reconnects, and still waits for the answer. A longer wait would delay all schedules by that much
 * once NATS is back. A missing answer costs nothing here: markers are read again.
 */
export async function impatient(broker: Broker): Promise<Broker> {
  const { nc } = broker;
  const jsm = await jetstreamManager(nc, { timeout: ANSWER_MS, checkAPI: false });
  return { ...broker, js: jetstream(nc, { timeout: ANSWER_MS }), jsm };
}

/** Reports the role and the led tasks, now and at each change. */
function tellLead(charges: Charges, { tasks, onRole = () => {}, onLead = () => {} }: SchedulerOptions): Disposable {
  let told: string | undefined;
  let role: SchedulerRole | undefined;
  function tell(): void {
    const next = charges.led.size > 0 ? "leading" : "standby";
    const led = tasks.map(({ name }) => name).filter((name) => charges.led.has(name));
    if (next !== role) onRole(next);
    if (led.join() !== told) onLead(led);
    role = next;
    told = led.join();
  }
  tell();
  return { [Symbol.dispose]: charges.onChange(tell) };
}

/**
 * Runs a scheduler until `signal` aborts: leads those of its tasks that no other running scheduler leads, and publishes what is due.
 *
 * Throws when the connection is closed; anything less is reported and tried again.
 *
 * ```ts
 * await runScheduler({ broker, locks, configuration, worker: "scheduler-1", tasks: [MyCheckPilotsTask], signal });
 * ```
 */
export async function runScheduler(options: SchedulerOptions): Promise<void> {
  const { locks, worker, signal, onFailure } = options;
  const broker = await impatient(options.broker);
  const report = createReporter(broker.observer);
  const { charges, run } = createElection({ broker, locks, worker, wanted: chargesOf(options), report });
  using _telling = tellLead(charges, options);
  const isLed = () => charges.led.size > 0;
  const work = (until: AbortSignal) => lead({ ...options, broker, charges, signal: until }, report);
  async function take(): Promise<void> {
    const well = setTimeout(() => onFailure?.(undefined), WELL_MS).unref();
    try {
      await together(signal, [run, (until) => whileLed(charges, { isLed, work }, until)]);
    } finally {
      clearTimeout(well);
    }
  }
  while (!signal.aborted) {
    try {
      await take();
    } catch (cause) {
      if (broker.nc.isClosed()) throw cause;
      report.alarm("lead", "Cannot lead as scheduler for now; trying again", { cause });
      onFailure?.(
        `cannot lead for now: ${cause instanceof Error ? cause.message : String(cause)}; its log has the rest`,
      );
      await sleepLong(REST_MS, signal);
    }
  }
}
