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
import { type NatsConnection, TimeoutError } from "@nats-io/nats-core";
import { openJetStream } from "../connection/jetstream_off.ts";
import { type BrokerTime, openBrokerTime } from "../connection/broker_time.ts";
import { fairObserver } from "../connection/fair_observer.ts";
import { type LoopWatch, watchLoop } from "../connection/loop_watch.ts";
import { type Observer, silentObserver } from "../connection/observer.ts";
import { mayChangeStreams } from "../connection/own_rights.ts";
import { openOutbox, type Outbox } from "../connection/outbox.ts";
import { openRequests, type Requests } from "./requests.ts";
import { createKeepCopies } from "./keep_copies.ts";
import { createMessageIds, type MessageIds } from "./message_ids.ts";
import { createSourceRenewal, type SourceRenewal } from "./source_renewal.ts";
import { type CopiesSeen, copiesWanted, createCopiesSeen } from "../streams/copies.ts";
import { createDeviationReport } from "../streams/deviations.ts";
import { type Happened, keepIncident } from "./incidents.ts";
import { createStorage, type Storage } from "../streams/storage.ts";
import { BUCKET_NAMES, type BucketName, neededStreams, STREAM_NAMES, topologyOf } from "../streams/stream_needs.ts";
import { declareStreams, isAsNeeded, isStreamGone, mendSettings, type StreamName, TASKS } from "../streams/streams.ts";

export type { BucketName } from "../streams/stream_needs.ts";

/** Number of times that the server is looked for before missing streams are declared. Each is waited for 2 s, and a machine may stand still for one. */
const MOST_LOOKS = 3;
/** Longest wait for the acknowledgement of a stored message, ms. */
const ANSWER_MS = 5_000;

export interface BareBrokerOptions {
  readonly observer?: Observer;
  /** Least number of copies of each stream and bucket; default 3 on a cluster that has the servers, otherwise 1. */
  readonly replicas?: number;
  /** Whether streams that have fewer copies get more; default `raised`. */
  readonly fewerCopies?: "raised" | "left";
  /**
   * Runs after the `locks` bucket was created, before anyone takes a lock in it. The bucket's revisions begin at 1 again. They must be
   * raised above every fencing token given out so far (PROTOCOL 3).
   */
  raiseLocks?(broker: Broker): Promise<void>;
}

/** One connection, with the streams and buckets of Muster behind it. */
export interface Broker {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  /** For frequent requests. Each waits at most 5 s for its answer. */
  readonly requests: Requests;
  /** For messages whose answer nobody waits for. */
  readonly outbox: Outbox;
  readonly jsm: JetStreamManager;
  /**
   * Like `jsm`, but gives up after 2 s. It is for requests that are repeated anyway.
   *
   * A request that was on its way when a server died is never answered.
   */
  readonly briefJsm: JetStreamManager;
  readonly buckets: Readonly<Record<BucketName, KV>>;
  /** Tells which entries have lapsed in the buckets whose entries have a TTL. */
  readonly time: BrokerTime;
  readonly observer: Observer;
  /** Tells whether this process itself was the cause of a silence. */
  readonly loop: LoopWatch;
  /** Whether messages can be stored, by the answers to our own writes and by the streams' infos. */
  readonly storage: Storage;
  /** Names of the streams that Muster needs, with those of the buckets. */
  readonly streams: readonly string[];
  /**
   * Declares missing streams and buckets, with an alarm, since their content is lost. Returns their names. One run at a time.
   *
   * Call it when a stream's info says 10059, and for no other failure: "no responders" also means a change of leader.
   */
  declareMissing(): Promise<readonly string[]>;
  /** Compares these streams' settings with what Muster needs. Sets wrong ones back and raises an alarm. */
  mendSettings(found: readonly StreamInfo[]): Promise<void>;
  /** Keeps an incident for `muster doctor`. Returns at once. */
  keepIncident(happened: Happened): void;
  /** Looks after the source of TASKS. */
  readonly source: SourceRenewal;
  /** The number of copies of each stream, as this process last saw it. */
  readonly copies: CopiesSeen;
  /** By what the broker tells a repeat of our messages on TASKS and LATER. */
  readonly messageIds: Pick<MessageIds, "of">;
}

interface Creation {
  readonly created: readonly string[];
  readonly observer: Observer;
  keep(happened: Happened): void;
}

function tellCreated({ created, observer, keep }: Creation): void {
  if (created.length === 0) return;
  observer.alarm(`${created.join(", ")} had gone and was declared again; what it held is lost`, { created });
  for (const what of created) {
    keep({
      kind: "gone",
      about: what,
      text: `${what} had gone and was declared again; what it held is lost`,
      isLoss: true,
    });
  }
}

/** Resolves when the server has answered. Looks again where a look had no answer in its time. */
async function lookFor(briefJsm: JetStreamManager): Promise<void> {
  for (let looks = 1; ; looks++) {
    try {
      await briefJsm.getAccountInfo();
      return;
    } catch (error) {
      if (!(error instanceof TimeoutError) || looks === MOST_LOOKS) throw error;
    }
  }
}

/**
 * Declares missing streams and buckets first, so that nobody publishes before they exist.
 *
 * The connection stays the caller's. Throws `JetStreamOffError`, and what JetStream reports.
 */
export async function openBareBroker(nc: NatsConnection, options: BareBrokerOptions = {}): Promise<Broker> {
  const { observer: given = silentObserver, replicas, fewerCopies = "raised" } = options;
  const loop = watchLoop(nc, given);
  const observer = fairObserver(given, loop);
  const jsm = await openJetStream(nc, { timeout: 10_000 });
  const briefJsm = await jetstreamManager(nc, { checkAPI: false, timeout: 2_000 });
  const js = jetstream(nc, { timeout: ANSWER_MS });

  /**
   * Looks with a short wait first. A request that is sent while the server does not answer is lost. With a long wait it would still be
   * waited for after the server's return.
   */
  async function lookAndDeclare(): Promise<readonly string[]> {
    await lookFor(briefJsm);
    const created: string[] = [];
    try {
      await declare((what) => void created.push(what));
    } finally {
      // Report it also where a later step fails: the next look finds everything there, and has nothing to report.
      tellCreated({ created, observer, keep });
    }
    return created;
  }

  const wanted = () => copiesWanted(nc, replicas);
  const copies = createCopiesSeen();
  const messageIds = createMessageIds();
  const keepCopies = createKeepCopies({ nc, jsm, seen: copies, observer, fewer: fewerCopies, wanted, keep });

  async function declare(onCreated = (_what: string) => {}): Promise<void> {
    const { deviations } = await declareStreams(jsm, {
      ...topologyOf(nc),
      copies: wanted(),
      mayChange: () => mayChangeStreams(nc),
      async onFound(need, info) {
        messageIds.note(info);
        await keepCopies(need, info);
      },
      async onCreated({ name, bucket }, made) {
        messageIds.note(made);
        copies.note(made);
        onCreated(bucket === undefined ? name : `bucket ${bucket}`);
        if (bucket === "locks") await options.raiseLocks?.(broker);
      },
    });
    for (const deviation of deviations) reportDeviation(deviation);
  }

  async function mend(found: readonly StreamInfo[]): Promise<void> {
    const needs = new Map(neededStreams(topologyOf(nc)).map((need) => [need.name, need]));
    for (const info of found) {
      const need = needs.get(info.config.name);
      if (need === undefined) continue;
      messageIds.note(info);
      await keepCopies(need, info);
      if (isAsNeeded(need, info.config) || !(await mayChangeStreams(nc))) continue;
      // Another process may have set it back in the meantime. Only one of them reports it.
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

  function keep(happened: Happened): void {
    void keepIncident(broker, happened).catch((cause: unknown) =>
      observer.note("Cannot keep for `muster doctor` what has happened", { cause, text: happened.text }),
    );
  }

  const storage = createStorage(nc, observer, { loop });
  const kvm = new Kvm(nc);
  const outbox = openOutbox(nc, () => copies.of(TASKS) > 1);
  const buckets = {} as Record<BucketName, KV>;
  const broker: Broker = {
    ...{ nc, js, jsm, briefJsm, buckets, outbox, observer, loop, storage, copies, messageIds },
    requests: openRequests(nc, { timeoutMs: ANSWER_MS, outbox, storage }),
    time: openBrokerTime(briefJsm, "KV_locks"),
    streams: STREAM_NAMES,
    declareMissing,
    mendSettings: mend,
    keepIncident: keep,
    source: createSourceRenewal({ nc, jsm, briefJsm, observer }),
  };
  const reportDeviation = createDeviationReport(observer, keep);
  for (const name of BUCKET_NAMES) buckets[name] = await kvm.open(name, { allow_direct: false });
  await declare();
  return broker;
}

/** Whether JetStream says that `stream` exists. Throws when nobody answers. */
export async function streamExists(jsm: JetStreamManager, stream: StreamName | `KV_${BucketName}`): Promise<boolean> {
  try {
    await jsm.streams.info(stream);
    return true;
  } catch (error) {
    if (isStreamGone(error)) return false;
    throw error;
  }
}
