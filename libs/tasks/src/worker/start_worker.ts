// Tested by tests/src/worker/drain_test.ts
// Tested by tests/src/worker/environment_test.ts
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { NatsAccess } from "../access/nats_access.ts";
import type { AnyTask, NoDeps, TaskOver } from "../definition/task.ts";
import type { Ledger } from "../definition/ledger.ts";
import { joinMiddleware, type Middleware } from "../definition/middleware.ts";
import { openCancellations } from "../cancel/cancellations.ts";
import { type Keeper, openKeeper } from "../keeper/keeper.ts";
import type { SharedThread } from "../keeper/keeper_thread.ts";
import { openLocks } from "../locks/locks.ts";
import type { Broker } from "../broker/broker.ts";
import { tryWatching } from "../broker/try_watch.ts";
import { type ConfigurationWatch, unconfigured, watchConfiguration } from "../configuration/configuration_watch.ts";
import { limitsInForce } from "../configuration/limits_in_force.ts";
import { createTasksInForce, describeUnusable } from "../configuration/tasks_in_force.ts";
import { watchPermissions } from "../connection/permission_watch.ts";
import { watchQueuePauses } from "../queue/pauses_watch.ts";
import { watchStorage } from "../broker/watch_storage.ts";
import { watchStreams } from "../broker/watch_streams.ts";
import type { DepsInput } from "../run/attempt.ts";
import { handBackAndTell } from "../run/hand_back_dead.ts";
import { NewerPayloads, reportNewerPayloads } from "../run/newer_payloads.ts";
import { Environment } from "../run/environment.ts";
import { answerDrains } from "../presence/drain_worker.ts";
import { type ThreadOptions, ThreadPool } from "../thread/thread_pool.ts";
import { Solitude } from "./solitude.ts";
import { WholeWorker } from "./whole_worker.ts";
import { listWorkers, registerWorker } from "../presence/registration.ts";
import { Worker } from "./worker.ts";
import type { WorkerHealth, WorkerParts } from "./worker_parts.ts";

/** What a worker runs, and with what. */
export interface WorkerOptions<Transaction, Deps> {
  readonly broker: Broker;
  /** Access for the thread of heartbeats and renewals. It must lead to the broker's own server. */
  readonly nats: NatsAccess;
  /** The kind of worker, e.g. `submit-worker`. Host, process id and a random part are added to make its name. */
  readonly app: string;
  readonly tasks: readonly TaskOver<Deps>[];
  /** Required by tasks whose effect is `once`. */
  readonly ledger?: Ledger<Transaction>;
  /** Makes what one run's task may call. Called once in each run. */
  deps?(input: DepsInput<Transaction>): Deps;
  /** Runs around each run and around each child that a run spawns, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[];
  /** The highest fencing token in the database; required with a ledger whose transactions are fenced. */
  readonly highestFence?: () => Promise<number>;
  /** Largest number of tasks that run at the same time in the worker's own thread, default 20. */
  readonly permits?: number;
  /**
   * The threads in which tasks of `size` `medium` and `large` run, one in each. Nothing of the worker's own thread is there: neither `deps` nor
   * `middleware` of these options. Default: all tasks share the worker's own thread.
   */
  readonly threads?: ThreadOptions;
  /** Longest time that running tasks may go on once `signal` has aborted, ms; default 20,000. */
  readonly drainMs?: number;
  /** Time after which a holder that vanished loses its locks, ms; default 15,000. On a cluster it must not be less than that. */
  readonly lockTtlMs?: number;
  /** The thread for heartbeats and renewals, which the app has for other things too; default: one of its own. */
  readonly sharedThread?: SharedThread;
  /** Drains the worker. */
  readonly signal?: AbortSignal;
}

/** A worker under way. `await using` drains it. */
export interface RunningWorker extends AsyncDisposable {
  readonly name: string;
  /** Settles when drained. Rejects with `WorkerSpentError`, or when the heartbeats' thread has crashed: the process must be restarted. */
  readonly ended: Promise<void>;
  /** What is in hand, and why no more is taken. */
  health(): WorkerHealth;
  /** Stops taking tasks, hands back those that have not begun, and settles when the others have ended. */
  drain(): Promise<void>;
  /** Aborts the tasks that still run, once draining has begun. */
  hasten(): void;
}

/** Largest numbers of tasks that wait for locks. Beyond them tasks go back to the broker for a while. */
const WAITING_ROOM = { perProcess: 10_000, perKey: 1_000 };

/**
 * Starts a worker on an open broker. Throws the errors of connecting. Throws `TypeError` where a task with effect `once` has no ledger,
 * or a longer timeout than the ledger's transactions, and for two middlewares of one name.
 *
 * ```ts
 * await using worker = await startWorker({ broker, nats: { url }, app: "tutorial", tasks: [GreetTask] });
 * await worker.ended;
 * ```
 */
export async function startWorker<Transaction = undefined, Deps = NoDeps>(
  options: WorkerOptions<Transaction, Deps>,
): Promise<RunningWorker> {
  const { broker, app, tasks, ledger, highestFence, permits = 20, drainMs = 20_000, lockTtlMs, signal } = options;
  const middleware = joinMiddleware(options.middleware);
  const name = `${app}-${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
  await using opened = new AsyncDisposableStack();
  const permissions = opened.use(watchPermissions(broker.nc, broker.observer));
  // The locks are watched only while a task waits for one. Whether that may be done is tried now.
  opened.use(tryWatching(broker, { bucket: "locks", key: ">" }));
  const keeper = opened.use(await keeperFor(name, options));
  const configuration = opened.use(await watchConfiguration(broker));
  const limits = limitsInForce(configuration);
  const locks = opened.use(
    await openLocks({
      broker,
      keeper,
      worker: name,
      limits,
      room: WAITING_ROOM,
      ...(lockTtlMs === undefined ? {} : { ttlMs: lockTtlMs }),
      ...(highestFence === undefined ? {} : { highestFence }),
    }),
  );
  const cancellations = opened.use(await openCancellations(broker));
  const pauses = opened.use(await watchQueuePauses(broker));
  opened.use(watchStreams(broker));
  opened.use(watchStorage(broker));
  const newerPayloads = new NewerPayloads(() => listWorkers(broker));
  opened.use(reportNewerPayloads(broker, newerPayloads));
  // The worker passes each run's transaction from the ledger to the deps, and never reads it.
  const anyLedger = ledger as Ledger<unknown> | undefined;
  const environment = new Environment({ broker, ledger: anyLedger, onChange: () => worker.environmentChanged() });
  opened.defer(() => environment.close());
  const solitude = new Solitude();
  opened.defer(() => solitude.close());
  const pool = options.threads && opened.use(new ThreadPool({ ...options.threads, tasks, observer: broker.observer }));
  const worker = new WholeWorker(
    partsOf(
      {
        ...{ broker, keeper, locks, configuration, cancellations, limits, pauses, name, tasks, newerPayloads },
        ...{ environment, solitude, middleware, permits, drainMs, ledger: anyLedger },
        deps: (input) => options.deps?.(input as DepsInput<Transaction>),
      },
      pool,
    ),
  );
  const byVos = () => (tasks.some(({ per }) => per === "vo") ? unconfigured(configuration.found) : []);
  const problems = () => [...worker.health().problems, ...byVos(), ...permissions.problems()];
  void followConnection(broker, worker);
  void handBackAndTell(broker);
  const registration = opened.use(
    registerWorker(broker, {
      ...{ name, permits, tasks: tasks.map((task) => task.name) },
      payloadVersions: Object.fromEntries(tasks.map((task) => [task.name, task.payloadVersion])),
      newerPayloads: () => newerPayloads.list(),
      lockLines: () => locks.longestLines(),
      hands: () => worker.health(),
      problems,
      unusable: unusableSettings(configuration, tasks, anyLedger),
    }),
  );
  const drain = () => void running.drain();
  opened.use(answerDrains(broker, { name, health: () => worker.health(), drain }));
  const kept = opened.move();

  const running = runningWorker(worker, {
    ...{ name, crashed: keeper.signal },
    onDrain: () => registration.show(),
    dispose: () => kept.disposeAsync(),
  });
  signal?.addEventListener("abort", drain, { once: true });
  if (signal?.aborted) drain();
  return {
    ...running,
    health() {
      const health = worker.health();
      return { ...health, problems: problems(), ...(pool && { threads: pool.counts() }) };
    },
  };
}

/** Returns what the configuration says of the tasks and cannot be in force in this worker. */
function unusableSettings(
  configuration: Pick<ConfigurationWatch, "current">,
  tasks: readonly AnyTask[],
  ledger: Ledger<unknown> | undefined,
): () => readonly string[] {
  const longestMs = ledger?.transactionTimeoutMs;
  const inForce = createTasksInForce({ configuration: () => configuration.current, longestMs, onUnusable() {} });
  return () => inForce.unusable(tasks).map(describeUnusable);
}

function keeperFor(
  name: string,
  { broker, nats, sharedThread }: Pick<WorkerOptions<never, never>, "broker" | "nats" | "sharedThread">,
): Promise<Keeper> {
  const { observer } = broker;
  return openKeeper({ access: nats, name: `${name} keeper`, observer, thread: sharedThread });
}

/** The part for tasks in the worker's own thread, and the part for those in threads of their own, where there are any. */
function partsOf(parts: WorkerParts, pool: ThreadPool | undefined): readonly Worker[] {
  const away = pool === undefined ? [] : parts.tasks.filter(({ size }) => size !== "small");
  if (pool === undefined || away.length === 0) return [new Worker(parts)];
  const here = parts.tasks.filter(({ size }) => size === "small");
  const inThreads = new Worker({ ...parts, tasks: away, permits: pool.limit, threads: pool });
  return here.length === 0 ? [inThreads] : [new Worker({ ...parts, tasks: here }), inThreads];
}

interface Surroundings {
  readonly name: string;
  /** Aborts where the heartbeats' thread has crashed. */
  readonly crashed: AbortSignal;
  /** Is called when draining has begun. */
  onDrain(): void;
  /** Disposes of all that the worker used. */
  dispose(): Promise<void>;
}

/** A worker and what it used, as one thing that is drained once. */
function runningWorker(worker: WholeWorker, { name, crashed, onDrain, dispose }: Surroundings): RunningWorker {
  let closing: Promise<void> | undefined;
  async function drainAndDispose(): Promise<void> {
    const drained = worker.drain();
    onDrain();
    await drained;
    await dispose();
  }
  const close = () => {
    closing ??= drainAndDispose();
    return closing;
  };
  const ended = (async () => {
    try {
      await Promise.race([worker.ended, crashOf(crashed)]);
    } finally {
      await close();
    }
  })();
  return {
    name,
    ended,
    health: () => worker.health(),
    drain: close,
    hasten: () => worker.hasten(),
    [Symbol.asyncDispose]: close,
  };
}

function crashOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

async function followConnection(broker: Broker, worker: WholeWorker): Promise<void> {
  for await (const status of broker.nc.status()) {
    if (status.type === "reconnect") worker.reconnected();
    if (status.type !== "disconnect") continue;
    const explanation = broker.loop.explanation();
    const why = explanation === undefined ? "" : `: ${explanation}`;
    broker.observer.note(`The connection to NATS is lost${why}; it is being opened again`);
  }
}
