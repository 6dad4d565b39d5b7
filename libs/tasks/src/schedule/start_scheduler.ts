// Tested by libs/tasks/src/schedule/run_scheduler_test.ts
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { NatsAccess } from "../access/nats_access.ts";
import { checkOccurrences } from "../definition/occurrence.ts";
import { joinMiddleware, type Middleware } from "../definition/middleware.ts";
import type { AnyTask } from "../definition/task.ts";
import { openKeeper } from "../keeper/keeper.ts";
import type { SharedThread } from "../keeper/keeper_thread.ts";
import { LOCKS_STREAM } from "../lease/lock_bucket.ts";
import { openLocks } from "../locks/locks.ts";
import type { Broker } from "../broker/broker.ts";
import { unconfigured, watchConfiguration } from "../configuration/configuration_watch.ts";
import type { Agenda } from "../due/agenda.ts";
import { overdueProblems, uselessPlan } from "../due/overdue.ts";
import { watchPermissions } from "../connection/permission_watch.ts";
import { watchStorage } from "../broker/watch_storage.ts";
import type { SweepLedger } from "../sweep/unwanted.ts";
import type { Chore } from "../lead/repeat.ts";
import { runScheduler, type SchedulerRole, whenAborted } from "./run_scheduler.ts";

/** Time that a standby waits for a leader that vanished, ms. One server is never silent for long; a cluster is when its leader changes. */
const TTL_ON_ONE_SERVER_MS = 5_000;
const TTL_ON_A_CLUSTER_MS = 15_000;

/** What a scheduler publishes, and who hears of it. */
export interface StartSchedulerOptions {
  readonly broker: Broker;
  /** Where the thread that renews the leader's session connects: the broker's own server. */
  readonly nats: NatsAccess;
  /** The kind of this process, e.g. `scheduler`. Host, process and a random part are added. */
  readonly app: string;
  /** All tasks that this scheduler knows, periodic or not. A task that neither it nor a running worker knows is reported as unknown. */
  readonly tasks: readonly AnyTask[];
  /**
   * The ledger that the tasks' workers have. Give it where you have a database. A task that is put away is written there first, so that a
   * worker that has it in hand has no effect. Without it a task whose effect is once is never put away.
   */
  readonly ledger?: SweepLedger;
  /** The highest fencing token in the database. Give it where you have a database: a new lock bucket begins above it. */
  readonly highestFence?: () => Promise<number>;
  /** Time without a sign of the leader after which a standby takes over, ms; default 5,000, on a cluster 15,000 and no less. */
  readonly leaderTtlMs?: number;
  /** Further work of one scheduler, such as publishing again what the ledger says was never published. */
  readonly chores?: readonly Chore[];
  /** Runs around each occurrence that it publishes, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[];
  /** The thread for the renewals of its session, which the app has for other things too; default: one of its own. */
  readonly sharedThread?: SharedThread;
  /** Stops the scheduler. */
  readonly signal?: AbortSignal;
  /** Called at the start, and at each change. */
  onRole?(role: SchedulerRole): void;
  /** Called with the names of the tasks that it leads, at the start and at each change. */
  onLead?(tasks: readonly string[]): void;
}

/** A running scheduler. `await using` stops it. */
export interface RunningScheduler extends AsyncDisposable {
  readonly name: string;
  readonly role: SchedulerRole;
  /** The names of the tasks that it leads. */
  readonly leads: readonly string[];
  /** Why it cannot do its work, one line each; empty when it can. */
  problems(): readonly string[];
  /**
   * Resolves when stopped. Rejects when the connection was closed or the renewing thread has crashed: the process must then be restarted.
   */
  readonly ended: Promise<void>;
  /** Gives up the lead, so that a standby has it at once. */
  stop(): Promise<void>;
}

/** Longest wait for an answer of the broker after a scheduler was told to stop, ms. */
const NO_ANSWER_MS = 1_000;
/** Time between two such questions while the broker answers, ms. */
const ASK_AGAIN_MS = 500;

/** Settles once `signal` has aborted and the broker does not answer. Requests under way then never end, or have no effect. */
async function untilStoppedInSilence({ nc }: Broker, signal: AbortSignal, over: AbortSignal): Promise<void> {
  await Promise.race([whenAborted(signal), whenAborted(over)]);
  while (!over.aborted) {
    const asked = nc.rtt().then(
      () => "answered" as const,
      () => "silent" as const,
    );
    const answer = await Promise.race([asked, pause(NO_ANSWER_MS, "silent" as const, { ref: false })]);
    if (answer === "silent") return;
    await Promise.race([whenAborted(over), pause(ASK_AGAIN_MS, undefined, { ref: false })]);
  }
}

async function leaderTtlMs({ jsm }: Broker): Promise<number> {
  const { config } = await jsm.streams.info(LOCKS_STREAM);
  return config.num_replicas > 1 ? TTL_ON_A_CLUSTER_MS : TTL_ON_ONE_SERVER_MS;
}

/**
 * Starts a scheduler on an open broker. Any number may run, of one application or of several: each task is led by one of those that know
 * it, the others stand by.
 *
 * Throws what connecting throws, and `PeriodicPayloadError` where the asynchronous schema of a periodic task refuses the empty object. Throws
 * `TypeError` for two middlewares of one name.
 *
 * ```ts
 * await using scheduler = await startScheduler({ broker, nats: { url }, app: "scheduler", tasks: [MyCheckPilotsTask] });
 * await scheduler.ended;
 * ```
 */
export async function startScheduler(options: StartSchedulerOptions): Promise<RunningScheduler> {
  const { broker, nats, app, tasks, ledger, highestFence, chores = [], signal, onRole, onLead } = options;
  const { middleware = [] } = options;
  await checkOccurrences(tasks);
  joinMiddleware(middleware); // throws here, and not where it leads
  const name = `${app}-${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
  await using opened = new AsyncDisposableStack();
  const permissions = opened.use(watchPermissions(broker.nc, broker.observer));
  const keeper = opened.use(
    await openKeeper({ access: nats, name: `${name} keeper`, observer: broker.observer, thread: options.sharedThread }),
  );
  const ttlMs = options.leaderTtlMs ?? (await leaderTtlMs(broker));
  const fence = highestFence === undefined ? {} : { highestFence };
  const locks = opened.use(await openLocks({ broker, keeper, worker: name, ttlMs, ...fence }));
  const configuration = opened.use(await watchConfiguration(broker));
  opened.use(watchStorage(broker));
  const kept = opened.move();

  const stopped = new AbortController();
  const signals = [stopped.signal, keeper.signal, ...(signal === undefined ? [] : [signal])];
  let role: SchedulerRole = "standby";
  let leads: readonly string[] = [];
  let failure: string | undefined;
  let agenda: Agenda | undefined;
  const ended = (async () => {
    const [until, over] = [AbortSignal.any(signals), new AbortController()];
    try {
      const running = runScheduler({
        ...{ broker, locks, tasks, configuration, worker: name, chores, middleware, signal: until },
        ...(ledger === undefined ? {} : { ledger }),
        onRole(next) {
          role = next;
          onRole?.(next);
        },
        onLead(next) {
          leads = next;
          onLead?.(next);
        },
        onFailure(text) {
          failure = text;
        },
        onAgenda(led) {
          agenda = led;
        },
      });
      await Promise.race([running, untilStoppedInSilence(broker, until, over.signal)]);
      if (keeper.signal.aborted) throw keeper.signal.reason;
    } finally {
      over.abort();
      await kept.disposeAsync();
    }
  })();
  // The caller hears of the failure from `ended`; `stop` does not repeat it.
  const settled = ended.catch(() => undefined);

  async function stop(): Promise<void> {
    stopped.abort();
    await settled;
  }
  return {
    name,
    get role() {
      return role;
    },
    get leads() {
      return leads;
    },
    problems() {
      const failed = failure === undefined ? [] : [failure];
      const late = agenda === undefined ? [] : [...overdueProblems(agenda.entries), ...uselessPlan(agenda)];
      return [...unconfigured(configuration.found), ...failed, ...permissions.problems(), ...late];
    },
    ended,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
