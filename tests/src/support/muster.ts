import {
  type Broker,
  changeConfiguration,
  connectNats,
  createPublisher,
  deadLetters,
  type NatsAccess,
  openBroker,
  type Publisher,
  type RunningWorker,
  type StepName,
  startWorker,
  type StoredDeadLetter,
  type WorkerOptions,
  withoutVo,
  withVo,
} from "@muster/tasks";
import { AckPolicy, jetstreamManager } from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/transport-node";
import { type EventLog, openEventLog, type ToldStep } from "./event_log.ts";
import { type Holder, holdLock } from "./hold.ts";
import { startTestNats, type TestServers } from "./nats.ts";
import { until } from "./until.ts";
import { newWatcher, type Watcher } from "./watcher.ts";

/** A worker of a test, with a connection of its own. */
export interface TestWorker extends RunningWorker {
  readonly broker: Broker;
  readonly watcher: Watcher;
}

export type TestWorkerOptions<Transaction, Deps> = Omit<WorkerOptions<Transaction, Deps>, "broker" | "nats" | "app"> & {
  readonly highestFence?: () => Promise<number>;
  /** How it logs in, where it is not as the test does. */
  readonly access?: NatsAccess;
};

export interface MusterOptions {
  /** Default `lhcb`, `atlas` and `vo.cta.in2p3.fr`. */
  readonly vos?: readonly string[];
  /** Default: a server that starts and ends with the grid. */
  readonly nats?: TestServers;
  /** How to log in there; default: without. */
  readonly access?: Partial<NatsAccess>;
}

/** A real nats-server with Muster's streams, some VOs, and whatever workers a test starts. */
export interface Muster extends AsyncDisposable, Pick<Publisher, "publish" | "publishMany" | "run"> {
  readonly nats: TestServers;
  readonly broker: Broker;
  readonly watcher: Watcher;
  readonly events: EventLog;
  /** Resolves once the server that was started again answers us. */
  reconnected(): Promise<void>;
  /** Resolves with the `count`-th event of this name of this task; fails after a minute. */
  event(step: StepName, taskId: string, count?: number): Promise<ToldStep>;
  startWorker<Transaction = undefined, Deps = undefined>(
    options: TestWorkerOptions<Transaction, Deps>,
  ): Promise<TestWorker>;
  /** Creates a lane's consumer as a worker would, but with another ack wait: how soon the message of a killed worker comes back. */
  declareConsumer(task: string, vo: string, ackWaitMs: number): Promise<void>;
  addVo(vo: string): Promise<void>;
  removeVo(vo: string): Promise<void>;
  /** Takes a lock as another worker would. */
  hold(key: string, ttlMs?: number): Promise<Holder>;
  /** Messages on `tasks.>`, in flight or waiting. */
  waiting(): Promise<number>;
  /** Resolves once no task waits, runs or is delayed; fails after `ms`, default a minute. */
  settled(ms?: number): Promise<void>;
  deadLetters(): Promise<readonly StoredDeadLetter[]>;
  /** Keys of the bucket `results` that begin with `prefix`. */
  results(prefix: string): Promise<readonly string[]>;
}

/** Without a consumer, unlike the KV client's `keys`: a test that looks every few milliseconds would meet the limit of a stream. */
async function keysOf({ jsm, buckets }: Broker, prefix: string): Promise<readonly string[]> {
  const bucket = "$KV.results.";
  const { state } = await jsm.streams.info("KV_results", { subjects_filter: `${bucket}>` });
  const keys = Object.keys(state.subjects ?? {}).map((subject) => subject.slice(bucket.length));
  const entries = await Promise.all(
    keys.filter((key) => key.startsWith(prefix)).map((key) => buckets.results.get(key)),
  );
  return entries.flatMap((entry) => (entry?.operation === "PUT" ? [entry.key] : []));
}

async function deadLettersIn(broker: Broker): Promise<readonly StoredDeadLetter[]> {
  const letters: StoredDeadLetter[] = [];
  for await (const letter of deadLetters(broker)) letters.push(letter);
  return letters;
}

async function waitingIn(broker: Broker): Promise<number> {
  const { state } = await broker.jsm.streams.info("TASKS", { subjects_filter: "tasks.>" });
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

async function declareConsumer(broker: Broker, address: string, ackWaitMs: number): Promise<void> {
  await broker.jsm.consumers.add("TASKS", {
    durable_name: address.replace(".", "__").replaceAll(".", "=2E"),
    filter_subjects: [`tasks.${address}`],
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    max_deliver: -1,
    max_ack_pending: -1,
    mem_storage: true,
  });
}

async function untilEmpty(broker: Broker, ms?: number): Promise<void> {
  async function isEmpty(): Promise<true | undefined> {
    // What leaves LATER is in TASKS before it has gone there, so LATER is looked at first.
    const { state } = await broker.jsm.streams.info("LATER");
    return state.messages === 0 && (await waitingIn(broker)) === 0 ? true : undefined;
  }
  await until(isEmpty, "the end of all tasks", ms);
}

/** Resolves once JetStream answers on this connection. A request that was on its way when the server died is never answered. */
async function untilAnswered(nc: NatsConnection): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: 500 });
  const ask = () =>
    jsm.getAccountInfo().then(
      () => true as const,
      () => undefined,
    );
  await until(ask, "an answer of JetStream");
}

/** Starts a grid. Disposed of, it drains its workers, closes its connections and stops its server, and fails if one did not end well. */
export async function startMuster(options: MusterOptions = {}): Promise<Muster> {
  const { vos = ["lhcb", "atlas", "vo.cta.in2p3.fr"] } = options;
  await using opened = new AsyncDisposableStack();
  const nats = options.nats ?? opened.use(await startTestNats());
  const access: NatsAccess = { url: nats.url, ...options.access };
  const nc = await connectNats({ ...access, name: "test" });
  opened.defer(() => nc.close());
  const watcher = newWatcher();
  const broker = await openBroker(nc, { observer: watcher });
  await changeConfiguration(broker, (now) => vos.reduce((configuration, vo) => withVo(configuration, vo), now));
  const events = await openEventLog(nc);
  const publisher = createPublisher(broker);
  const kept = opened.move();

  async function startTestWorker<Transaction, Deps>(
    options: TestWorkerOptions<Transaction, Deps>,
  ): Promise<TestWorker> {
    const own = newWatcher();
    const asWhom = options.access ?? access;
    const connection = await connectNats({ ...asWhom, name: "test worker" });
    const workersBroker = await openBroker(connection, { observer: own });
    const worker = await startWorker({
      drainMs: 2_000,
      ...options,
      broker: workersBroker,
      nats: asWhom,
      app: "test",
    });
    async function close(): Promise<void> {
      await worker.drain();
      await connection.close();
    }
    kept.defer(close);
    return { ...worker, broker: workersBroker, watcher: own, [Symbol.asyncDispose]: close };
  }

  return {
    ...publisher,
    nats,
    broker,
    watcher,
    events,
    event: events.event,
    reconnected: () => untilAnswered(nc),
    startWorker: startTestWorker,
    declareConsumer: (task, vo, ackWaitMs) => declareConsumer(broker, `${task}.${vo}`, ackWaitMs),
    addVo: (vo) => changeConfiguration(broker, (now) => withVo(now, vo)).then(() => {}),
    removeVo: (vo) => changeConfiguration(broker, (now) => withoutVo(now, vo)).then(() => {}),
    hold: (key, ttlMs) => holdLock(nc, key, ttlMs),
    waiting: () => waitingIn(broker),
    settled: (ms) => untilEmpty(broker, ms),
    deadLetters: () => deadLettersIn(broker),
    results: (prefix) => keysOf(broker, prefix),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
