// Tested by libs/tasks/src/broker/declare_missing_test.ts
// Tested by tests/src/worker/broker_loss_test.ts
import {
  jetstream,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/nats-core";
import { openJetStream } from "../connection/jetstream_off.ts";
import { type BrokerTime, openBrokerTime } from "../connection/broker_time.ts";
import { fairObserver } from "../connection/fair_observer.ts";
import { type LoopWatch, watchLoop } from "../connection/loop_watch.ts";
import { type Observer, silentObserver } from "../connection/observer.ts";
import { openOutbox, type Outbox } from "../connection/outbox.ts";
import { openRequests, type Requests } from "./requests.ts";
import { createDeviationReport } from "../streams/deviations.ts";
import { keepIncident } from "./incidents.ts";
import { createStorage, type Storage } from "../streams/storage.ts";
import { BUCKET_NAMES, type BucketName, maxPayloadOf, neededStreams, STREAM_NAMES } from "../streams/stream_needs.ts";
import {
  declareStreams,
  isAsNeeded,
  isStreamGone,
  mendSettings,
  renewSource,
  type StreamName,
} from "../streams/streams.ts";

export type { BucketName } from "../streams/stream_needs.ts";

/** TASKS is made to look for its source at most this often, ms: it takes a moment until it is heard of. */
const RENEW_SOURCE_MS = 5_000;
/** How long a stored message's acknowledgement is waited for, ms. */
const ANSWER_MS = 5_000;

export interface BareBrokerOptions {
  readonly observer?: Observer;
  /** Copies of each stream and bucket, default 1. */
  readonly replicas?: number;
  /**
   * Runs when the `locks` bucket was just created, before anyone takes a lock in it: its revisions begin at 1 again and must be
   * raised above every fencing token given out so far (PROTOCOL 3).
   */
  raiseLocks?(broker: Broker): Promise<void>;
}

/** One connection with the streams and buckets of Muster behind it. */
export interface Broker {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  /** For what is asked often; each waits 5 s. */
  readonly requests: Requests;
  /** For what nobody waits for. */
  readonly outbox: Outbox;
  readonly jsm: JetStreamManager;
  /** Like `jsm`, but gives up after 2 s: for what is asked again anyway. What was on its way when a server died is never answered. */
  readonly briefJsm: JetStreamManager;
  readonly buckets: Readonly<Record<BucketName, KV>>;
  /** Tells what has lapsed in the buckets whose entries have a TTL. */
  readonly time: BrokerTime;
  readonly observer: Observer;
  /** Whether this process itself was the cause of a silence. */
  readonly loop: LoopWatch;
  /** Whether messages can be stored, by what became of ours and by the streams' own word. */
  readonly storage: Storage;
  /** Names of the streams that there must be, those under the buckets too. */
  readonly streams: readonly string[];
  /**
   * Declares whatever stream or bucket is missing, with an alarm: what it held is lost. One run at a time. Returns what was missing.
   *
   * Call it when a stream's info says 10059, and for no other failure: "no responders" also means a change of leader.
   */
  declareMissing(): Promise<readonly string[]>;
  /** Compares these streams' settings with what Muster needs, sets back what can be set back, and tells by an alarm. */
  mendSettings(found: readonly StreamInfo[]): Promise<void>;
  /** Keeps for `muster doctor` that something has happened: of one kind about one thing, the newest. Returns at once. */
  keepIncident(kind: string, about: string, text: string): void;
  /** Makes TASKS look for its source at once; call it when that has fallen silent. At most once in five seconds. */
  renewSource(): Promise<void>;
}

interface Creation {
  readonly created: readonly string[];
  readonly observer: Observer;
  keep(kind: string, about: string, text: string): void;
}

function tellCreated({ created, observer, keep }: Creation): void {
  if (created.length === 0) return;
  observer.alarm(`${created.join(", ")} had gone and was declared again; what it held is lost`, { created });
  for (const what of created) keep("gone", what, `${what} had gone and was declared again; what it held is lost`);
}

/**
 * Declares the streams and buckets where they are missing, so that nobody publishes before they exist.
 *
 * The connection stays the caller's. Throws `JetStreamOffError`, and what JetStream reports.
 */
export async function openBareBroker(nc: NatsConnection, options: BareBrokerOptions = {}): Promise<Broker> {
  const { observer: given = silentObserver, replicas = 1 } = options;
  const loop = watchLoop(nc, given);
  const observer = fairObserver(given, loop);
  const jsm = await openJetStream(nc, { timeout: 10_000 });
  const briefJsm = await jetstreamManager(nc, { checkAPI: false, timeout: 2_000 });
  const js = jetstream(nc, { timeout: ANSWER_MS });

  /** Asks briefly first: what is asked for while the server is away is lost, and would be waited for long after its return. */
  async function lookAndDeclare(): Promise<readonly string[]> {
    await briefJsm.getAccountInfo();
    const created: string[] = [];
    try {
      await declare((what) => void created.push(what));
    } finally {
      // Also where a later step fails: whoever looks next finds all there, and has nothing to tell.
      tellCreated({ created, observer, keep });
    }
    return created;
  }

  const topology = () => ({ replicas, maxPayload: maxPayloadOf(nc) });

  async function declare(onCreated = (_what: string) => {}): Promise<void> {
    const { deviations } = await declareStreams(jsm, {
      ...topology(),
      async onCreated({ name, bucket }) {
        onCreated(bucket === undefined ? name : `bucket ${bucket}`);
        if (bucket === "locks") await options.raiseLocks?.(broker);
      },
    });
    for (const deviation of deviations) reportDeviation(deviation);
  }

  async function mend(found: readonly StreamInfo[]): Promise<void> {
    const needs = new Map(neededStreams(topology()).map((need) => [need.name, need]));
    for (const info of found) {
      const need = needs.get(info.config.name);
      if (need === undefined || isAsNeeded(need, info.config)) continue;
      // Another process may have set it back since: only one is to tell.
      const deviation = await mendSettings(briefJsm, need, await briefJsm.streams.info(need.name));
      if (deviation !== undefined) reportDeviation(deviation);
    }
  }

  let underWay: Promise<readonly string[]> | undefined;
  function declareMissing(): Promise<readonly string[]> {
    underWay ??= lookAndDeclare().finally(() => {
      underWay = undefined;
    });
    return underWay;
  }

  let renewedAtMs = Number.NEGATIVE_INFINITY;
  async function renewTasksSource(): Promise<void> {
    if (performance.now() - renewedAtMs < RENEW_SOURCE_MS) return;
    renewedAtMs = performance.now();
    await renewSource(jsm);
    observer.note(
      "TASKS had lost its source LATER, as after a restart of the server; it was made to look for it again",
    );
  }

  function keep(kind: string, about: string, text: string): void {
    void keepIncident(broker, { kind, about, text }).catch((cause: unknown) =>
      observer.note("Cannot keep for `muster doctor` what has happened", { cause, text }),
    );
  }

  const storage = createStorage(nc, observer);
  const kvm = new Kvm(nc);
  const outbox = openOutbox(nc);
  const buckets = {} as Record<BucketName, KV>;
  const broker: Broker = {
    nc,
    js,
    requests: openRequests(nc, { timeoutMs: ANSWER_MS, outbox, storage }),
    outbox,
    jsm,
    briefJsm,
    buckets,
    time: openBrokerTime(briefJsm, "KV_locks"),
    observer,
    loop,
    storage,
    streams: STREAM_NAMES,
    declareMissing,
    mendSettings: mend,
    keepIncident: keep,
    renewSource: renewTasksSource,
  };
  const reportDeviation = createDeviationReport(observer, keep);
  for (const name of BUCKET_NAMES) buckets[name] = await kvm.open(name, { allow_direct: false });
  await declare();
  return broker;
}

/** Whether `stream` exists by JetStream's own word; throws when nobody answers. */
export async function streamExists(jsm: JetStreamManager, stream: StreamName | `KV_${BucketName}`): Promise<boolean> {
  try {
    await jsm.streams.info(stream);
    return true;
  } catch (error) {
    if (isStreamGone(error)) return false;
    throw error;
  }
}
