import { TimeoutError } from "@nats-io/nats-core";
import { type NatsAccess, plainAccess } from "../access/nats_access.ts";
import type { Broker } from "../broker/broker.ts";
import { changeConfiguration } from "../configuration/change_configuration.ts";
import { withVo } from "../configuration/configuration.ts";
import { isPeriodic } from "../definition/recurrence.ts";
import { connectNats } from "../connection/connection.ts";
import type { StepName } from "../connection/observer.ts";
import type { NoDeps, TaskOver } from "../definition/task.ts";
import { openBroker } from "../lease/open_broker.ts";
import { createPublisher, type Publisher } from "../publish/publisher.ts";
import { type RunningScheduler, startScheduler, type StartSchedulerOptions } from "../schedule/start_scheduler.ts";
import { type RunningWorker, startWorker, type WorkerOptions } from "../worker/start_worker.ts";
import { type EventLog, openEventLog, type ToldStep } from "./event_log.ts";
import { startTestNats, type TestNats } from "./nats_program.ts";
import { until } from "./patience.ts";
import { rememberPublished } from "./stuck.ts";
import { newWatcher, type Watcher } from "./watcher.ts";

/** A worker of a test, with a connection of its own. */
export interface TestWorker extends RunningWorker {
  readonly broker: Broker;
  /** What it told its observer. */
  readonly watcher: Watcher;
}

/** What a further worker of a test runs. */
export interface TestWorkerOptions<Transaction, Deps>
  extends Omit<WorkerOptions<Transaction, Deps>, "broker" | "nats" | "app"> {
  /** How it logs in, where it is not as the system does. */
  readonly access?: NatsAccess;
}

/** A server that runs already, or how to start one of the test's own. */
export type NatsSource = NatsAccess | (() => Promise<TestNats>);

/** What a system of a test is made of. */
export interface TestSystemOptions<Transaction, Deps>
  extends Omit<WorkerOptions<Transaction, Deps>, "broker" | "nats" | "app" | "tasks"> {
  /** What its worker runs and its scheduler knows. Default none: then it has neither, and `startWorker` starts one. */
  readonly tasks?: readonly TaskOver<Deps>[];
  /** The VOs that are configured, default none. */
  readonly vos?: readonly string[];
  /** Default: {@linkcode startTestNats}. */
  readonly nats?: NatsSource;
}

/** Streams, buckets, VOs, a worker and a scheduler on a nats-server. Disposing of it drains the worker and stops what it started. */
export interface TestSystem extends AsyncDisposable, Pick<Publisher, "publish" | "publishMany" | "resultOf" | "run"> {
  readonly nats: NatsAccess;
  /** The test's own connection. */
  readonly broker: Broker;
  /** What the test's own connection was told. */
  readonly watcher: Watcher;
  /** All that was told on `EVENTS` since the start. */
  readonly events: EventLog;
  /** Undefined where the system has no tasks. */
  readonly worker: TestWorker | undefined;
  readonly scheduler: RunningScheduler | undefined;
  /** Resolves with the `count`-th event of this name of this task, default the first; rejects after two minutes. */
  until(step: StepName, taskId: string, count?: number): Promise<ToldStep>;
  /**
   * Resolves with the event that says how the task ended: `done`, `dead`, `dropped`, `refused` or `cancelled`; rejects after two minutes. Rejects
   * at once where this system published it for a VO that was never configured, or where none of its workers has such a task.
   */
  outcomeOf(taskId: string): Promise<ToldStep>;
  /** Resolves once no task waits, runs or is delayed; rejects after `ms`, default two minutes. */
  settled(ms?: number): Promise<void>;
  /** Starts one more worker, on a connection of its own. */
  startWorker<OtherTransaction = undefined, OtherDeps = NoDeps>(
    options: TestWorkerOptions<OtherTransaction, OtherDeps>,
  ): Promise<TestWorker>;
}

const ENDS: ReadonlySet<StepName> = new Set(["done", "dead", "dropped", "refused", "cancelled"]);

/** How long a test's worker lets its tasks go on when it is drained, ms, unless the test says otherwise. */
const DRAIN_MS = 2_000;

/** Messages on `tasks.>`, in flight or waiting. */
export async function countWaiting(broker: Broker): Promise<number> {
  const { state } = await broker.jsm.streams.info("TASKS", { subjects_filter: "tasks.>" });
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

async function untilSettled(broker: Broker, ms?: number): Promise<void> {
  async function isSettled(): Promise<true | undefined> {
    try {
      // What leaves LATER is in TASKS before it has gone there, so LATER is looked at first.
      const { state } = await broker.jsm.streams.info("LATER");
      return state.messages === 0 && (await countWaiting(broker)) === 0 ? true : undefined;
    } catch (error) {
      // A question that was on its way when the server was restarted is never answered.
      if (error instanceof TimeoutError) return undefined;
      throw error;
    }
  }
  await until(isSettled, "the end of all tasks", ms);
}

/** A connection of one more process. Disposing of it closes it. */
interface Connected extends AsyncDisposable {
  readonly broker: Broker;
  readonly watcher: Watcher;
}

async function connect(access: NatsAccess, name: string): Promise<Connected> {
  const watcher = newWatcher();
  await using opened = new AsyncDisposableStack();
  const nc = await connectNats({ ...access, name });
  opened.defer(() => nc.close());
  const broker = await openBroker(nc, { observer: watcher });
  const kept = opened.move();
  return { broker, watcher, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function startTestWorker<Transaction, Deps>(
  nats: NatsAccess,
  { access = nats, ...options }: TestWorkerOptions<Transaction, Deps>,
): Promise<TestWorker> {
  await using opened = new AsyncDisposableStack();
  const { broker, watcher } = opened.use(await connect(access, "test worker"));
  const worker = opened.use(await startWorker({ drainMs: DRAIN_MS, ...options, broker, nats: access, app: "test" }));
  const kept = opened.move();
  return { ...worker, broker, watcher, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function startTestScheduler(
  nats: NatsAccess,
  parts: Pick<StartSchedulerOptions, "tasks" | "ledger" | "highestFence">,
): Promise<RunningScheduler> {
  await using opened = new AsyncDisposableStack();
  const { broker } = opened.use(await connect(nats, "test scheduler"));
  const scheduler = opened.use(await startScheduler({ ...parts, broker, nats, app: "test-scheduler" }));
  const kept = opened.move();
  return Object.assign(Object.create(scheduler), { [Symbol.asyncDispose]: () => kept.disposeAsync() });
}

/**
 * Starts a whole system for one test, in this process: streams, buckets, VOs, a worker, and a scheduler where a task has a schedule.
 *
 * Its time is real: schedules and retries come when they are due by the server's clock. Give tasks of tests small delays, or use
 * {@linkcode runTaskToEnd}, whose clock a test moves. Throws what starting or connecting throws.
 *
 * ```ts
 * await using system = await startTestSystem({ tasks: [GreetTask] });
 * const { taskId } = await system.publish(GreetTask, { payload: { name: "world" } });
 * await system.until("done", taskId);
 * ```
 */
export async function startTestSystem<Transaction = undefined, Deps = NoDeps>(
  options: TestSystemOptions<Transaction, Deps> = {},
): Promise<TestSystem> {
  const { tasks = [], vos = [], nats: source = startTestNats, ...forWorker } = options;
  await using opened = new AsyncDisposableStack();
  const nats = plainAccess(typeof source === "function" ? opened.use(await source()) : source);
  const { broker, watcher } = opened.use(await connect(nats, "test"));
  if (vos.length > 0) await changeConfiguration(broker, (now) => vos.reduce((before, vo) => withVo(before, vo), now));
  const events = await openEventLog(broker.nc);
  const worker = tasks.length === 0 ? undefined : await startTestWorker(nats, { ...forWorker, tasks });
  if (worker !== undefined) opened.use(worker);
  const { ledger, highestFence } = forWorker;
  const parts = { tasks, ...(ledger && { ledger }), ...(highestFence && { highestFence }) };
  const scheduler = tasks.some(isPeriodic) ? opened.use(await startTestScheduler(nats, parts)) : undefined;
  const kept = opened.move();
  const { run, ...publisher } = createPublisher(broker);
  const { publish, publishMany, whyStuck } = rememberPublished(broker, publisher);
  const { resultOf } = publisher;
  const known = new Set(tasks.map(({ name }) => name));

  async function outcomeOf(taskId: string): Promise<ToldStep> {
    const why = events.of(taskId).length > 0 ? undefined : await whyStuck(taskId, known);
    if (why !== undefined) throw new Error(`Cannot await the outcome of ${taskId}: ${why}`);
    return await events.find((told) => told.taskId === taskId && ENDS.has(told.step), `the outcome of ${taskId}`);
  }

  return {
    ...{ publish, publishMany, resultOf, run, nats, broker, watcher, events, worker, scheduler, outcomeOf },
    until: events.event,
    settled: (ms) => untilSettled(broker, ms),
    async startWorker(more) {
      for (const { name } of more.tasks) known.add(name);
      return kept.use(await startTestWorker(nats, more));
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
