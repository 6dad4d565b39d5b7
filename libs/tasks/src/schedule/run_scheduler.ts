import type { AnyTask } from "../definition/task.ts";
import type { Locks } from "../locks/locks.ts";
import type { Broker } from "../broker/broker.ts";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import { createAgenda } from "../due/agenda.ts";
import { createBell } from "../connection/bell.ts";
import { openBrokerClock } from "../lead/broker_clock.ts";
import { type Charges, chargesOf, choreCharge, fixedCharges, REST, whileLed } from "../lead/charges.ts";
import { createDisplay } from "./display.ts";
import { createElection } from "../lead/election.ts";
import { impatient } from "../lead/impatient_broker.ts";
import { keepSchedules } from "./keep_schedules.ts";
import { watchLater } from "../later/later_watch.ts";
import { createPauses } from "./pauses.ts";
import { type Chore, repeat, sleepLong } from "../lead/repeat.ts";
import { createLapsedSweep } from "../sweep/lapsed_sweep.ts";
import type { SweepLedger } from "../sweep/unwanted.ts";
import { createReporter, type Reporter } from "../lead/reporter.ts";
import { createSweeper, SWEEP_MS } from "../sweep/sweeper.ts";
import { lookOut } from "./watch_by_hand.ts";
import { whenAborted } from "../lead/when_aborted.ts";

/** How often the leader asks for the broker's time, ms: as often as a lease of 15 s is renewed. */
const CLOCK_MS = 3_000;
/** The clock moved by so much, ms: what is due is looked at anew. */
const CLOCK_STEP_MS = 50;
const DISPLAY_MS = 10_000;
/** Pauses are read from the beginning so often, ms, should their bucket have been re-created. */
const PAUSES_MS = 10_000;
/** From one look for entries that a broker has brought back to the next, ms: they do no harm, so nobody waits for it. */
const LAPSED_MS = 300_000;
/** After a lead or a try for it that ended by an error, ms. */
const REST_MS = 1_000;

/** `standby` from the start, and again when it leads nothing any more. */
export type SchedulerRole = "leading" | "standby";

export interface SchedulerOptions {
  readonly broker: Broker;
  /**
   * The lock of the leader's session comes from here. Its TTL is how long a standby waits after the leader's death: 5 s do on a single
   * server, a cluster needs the default 15 s, since it may be silent for 8 s when its leader changes.
   */
  readonly locks: Locks;
  /** All tasks that this scheduler knows, periodic or not: what is not among them is reported as unknown. */
  readonly tasks: readonly AnyTask[];
  readonly configuration: ConfigurationWatch;
  /** The ledger that the tasks' workers have. Without it a task whose effect is once is never put away. */
  readonly ledger?: SweepLedger;
  /** This process's name, in events and in the lock's record. */
  readonly worker: string;
  /** Ends the scheduler in order. */
  readonly signal: AbortSignal;
  /** What one scheduler alone does besides, such as looking after the ledger; of each name one runs at a time. */
  readonly chores?: readonly Chore[];
  onRole?(role: SchedulerRole): void;
  /** Told of the names of the tasks that it leads: none at first, then at each change. */
  onLead?(tasks: readonly string[]): void;
}

/** What the work of a leader needs. Without `charges` it leads everything. */
export type LeadOptions = Omit<SchedulerOptions, "locks" | "onRole" | "onLead"> & { readonly charges?: Charges };

/** Runs `parts` until all have ended; the first one that fails, or `signal`, ends the others. */
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

async function throwWhenClosed({ nc }: Broker, signal: AbortSignal): Promise<void> {
  const cause = await Promise.race([nc.closed(), whenAborted(signal)]);
  if (!signal.aborted)
    throw new Error("Cannot go on scheduling: the connection to NATS was closed; start anew", { cause });
}

/**
 * Does what a leading scheduler does until `signal` aborts, whether others lead the same or not: occurrences, sweeping, display, chores.
 *
 * Throws when the broker does not tell the time at the start, and when the connection is closed.
 */
export async function lead(options: LeadOptions, report: Reporter): Promise<void> {
  const { broker, worker, tasks, configuration, chores = [], signal } = options;
  const { charges = fixedCharges(chargesOf(options)) } = options;
  const [agenda, bell, pauses] = [createAgenda(), createBell(), createPauses(broker)];
  const clock = await openBrokerClock(broker);
  const { ledger } = options;
  // What belongs to no task is looked after by whoever leads the rest.
  const leadsRest = () => charges.led.has(REST);
  using later = watchLater({ broker, clock, report, isLed: leadsRest });
  const sweeper = createSweeper({ broker, worker, tasks, configuration, clock, report, ledger, charges, later });
  const lapsed = createLapsedSweep(broker, report);
  const own: readonly Chore[] = [
    {
      name: "asking for the broker's time",
      everyMs: CLOCK_MS,
      async run() {
        if (Math.abs(await clock.sync()) > CLOCK_STEP_MS) bell.ring();
      },
    },
    { name: "sweeping", everyMs: SWEEP_MS, run: (until) => sweeper.sweep(until) },
    { name: "looking after LATER", everyMs: SWEEP_MS, run: () => later.look() },
    {
      name: "deleting lapsed entries",
      everyMs: LAPSED_MS,
      async run() {
        if (leadsRest()) await lapsed.pass();
      },
    },
    { name: "showing what comes next", everyMs: DISPLAY_MS, run: createDisplay({ broker, agenda, pauses }) },
    { name: "reading all pauses", everyMs: PAUSES_MS, run: () => pauses.reread() },
  ];
  const keeping = { broker, worker, tasks, configuration, clock, bell, pauses, report, charges, ledger };
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

/** Tells the role and the tasks that are led, now and at each change. */
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
  const { locks, worker, signal } = options;
  const broker = await impatient(options.broker);
  const report = createReporter(broker.observer);
  const { charges, run } = createElection({ broker, locks, worker, wanted: chargesOf(options), report });
  using _telling = tellLead(charges, options);
  const isLed = () => charges.led.size > 0;
  const work = (until: AbortSignal) => lead({ ...options, broker, charges, signal: until }, report);
  while (!signal.aborted) {
    try {
      await together(signal, [run, (until) => whileLed(charges, { isLed, work }, until)]);
    } catch (cause) {
      if (broker.nc.isClosed()) throw cause;
      report.alarm("lead", "Cannot lead as scheduler for now; trying again", { cause });
      await sleepLong(REST_MS, signal);
    }
  }
}
