import type { Broker, NatsAccess, StepName } from "@muster/tasks";
import { changeConfiguration, deadLetters, type StoredDeadLetter, withoutVo, withVo } from "@muster/tasks/operate";
import {
  countWaiting,
  startTestSystem,
  type TestSystem,
  type TestWorker,
  type TestWorkerOptions,
  type ToldStep,
  until,
} from "@muster/tasks/testing";
import { AckPolicy, jetstreamManager } from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/transport-node";
import { type Holder, holdLock } from "./hold.ts";
import { startTestNats, type TestServers } from "./nats.ts";

export type { TestWorker, TestWorkerOptions };

export interface MusterOptions {
  /** Default `lhcb`, `atlas` and `vo.cta.in2p3.fr`. */
  readonly vos?: readonly string[];
  /** Default: a server that starts and ends with this system. */
  readonly nats?: TestServers;
  /** How to log in to the server; default: without a login. */
  readonly access?: Partial<NatsAccess>;
}

/** A real nats-server with Muster's streams, some VOs, and the workers that a test starts. */
export interface Muster extends Omit<TestSystem, "nats" | "worker" | "scheduler"> {
  readonly nats: TestServers;
  /** Resolves when the server answers us again after its new start. */
  reconnected(): Promise<void>;
  /** Resolves with the `count`-th event of this name of this task. Fails after two minutes. */
  event(step: StepName, taskId: string, count?: number): Promise<ToldStep>;
  /**
   * Creates a lane's consumer like a worker, but with another ack wait. The ack wait is the time after which a killed worker's message
   * comes back.
   */
  declareConsumer(task: string, vo: string, ackWaitMs: number): Promise<void>;
  addVo(vo: string): Promise<void>;
  removeVo(vo: string): Promise<void>;
  /** Takes a lock like another worker. */
  hold(key: string, ttlMs?: number): Promise<Holder>;
  /** Number of messages on `tasks.>`, in flight or waiting. */
  waiting(): Promise<number>;
  deadLetters(): Promise<readonly StoredDeadLetter[]>;
  /** Keys of the bucket `results` that begin with `prefix`. */
  results(prefix: string): Promise<readonly string[]>;
}

/**
 * Lists keys without a consumer, which the KV client's `keys` creates. A test that lists every few milliseconds would reach the limit of
 * consumers.
 */
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

/** Resolves when JetStream answers on this connection. A request that was on its way when the server died is never answered. */
async function untilAnswered(nc: NatsConnection): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: 500 });
  const ask = () =>
    jsm.getAccountInfo().then(
      () => true as const,
      () => undefined,
    );
  await until(ask, "an answer of JetStream");
}

/**
 * Starts the system. Disposing of it drains its workers, closes its connections and stops its server. It then fails if one of them ended
 * badly.
 */
export async function startMuster(options: MusterOptions = {}): Promise<Muster> {
  const { vos = ["lhcb", "atlas", "vo.cta.in2p3.fr"] } = options;
  await using opened = new AsyncDisposableStack();
  const nats = options.nats ?? opened.use(await startTestNats());
  const system = opened.use(await startTestSystem({ vos, nats: { url: nats.url, ...options.access } }));
  const { broker } = system;
  const kept = opened.move();
  return {
    ...system,
    nats,
    event: system.until,
    reconnected: () => untilAnswered(broker.nc),
    declareConsumer: (task, vo, ackWaitMs) => declareConsumer(broker, `${task}.${vo}`, ackWaitMs),
    addVo: (vo) => changeConfiguration(broker, (now) => withVo(now, vo)).then(() => {}),
    removeVo: (vo) => changeConfiguration(broker, (now) => withoutVo(now, vo)).then(() => {}),
    hold: (key, ttlMs) => holdLock(broker.nc, key, ttlMs),
    waiting: () => countWaiting(broker),
    deadLetters: () => deadLettersIn(broker),
    results: (prefix) => keysOf(broker, prefix),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
