// Tested by tests/src/worker/by_hand_test.ts
import type { Msg } from "@nats-io/nats-core";
import type { ConsumerInfo } from "@nats-io/jetstream";
import { mendAndTell } from "../pull/lane_consumer.ts";
import { laneOf } from "../pull/lane_needs.ts";
import type { Broker } from "../broker/broker.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import { isOwnRequest } from "../connection/own_requests.ts";
import type { Happened } from "../broker/incidents.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { STREAM_NAMES } from "../streams/stream_needs.ts";
import { isStreamGone, LATER, TASKS } from "../streams/streams.ts";
import { isLiteralSubject } from "../format/subject.ts";
import { watchOtherStores } from "../broker/watch_storage.ts";
import { watchStreams } from "../broker/watch_streams.ts";
import { repeat } from "../lead/repeat.ts";
import type { Reporter } from "../lead/reporter.ts";

/** Time from one look at all consumers to the next, ms. It finds changes made while nobody listened. */
const LANES_MS = 60_000;
/** Time in which the server does what was asked for, ms. */
const DONE_MS = 200;

/** An operator's requests that we listen for. The server passes each to its subscribers. */
const CONSUMER_CHANGES = [
  `$JS.API.CONSUMER.CREATE.${TASKS}.>`,
  `$JS.API.CONSUMER.DURABLE.CREATE.${TASKS}.*`,
  `$JS.API.CONSUMER.PAUSE.${TASKS}.*`,
];
const CONSUMER_DELETED = `$JS.API.CONSUMER.DELETE.${TASKS}.*`;
const STREAM_PURGED = "$JS.API.STREAM.PURGE.*";

/** What a purge may state besides the stream. */
interface PurgeRequest {
  readonly filter: unknown;
  readonly seq: unknown;
}

/** The markers of one task, all or some. */
const MARKERS_OF_A_TASK = /^markers\.[^.*>]+\./;

/** Whether the request loses no task: a how-to tells operators to send it, or Muster does so itself. */
function isNoLoss(stream: string, request: Partial<PurgeRequest>): boolean {
  const filter = typeof request.filter === "string" ? request.filter : "";
  // One delayed task is cancelled.
  if (stream === LATER) return isLiteralSubject(filter);
  // The leftovers of a removed task are cleared.
  if (stream === TASKS) return MARKERS_OF_A_TASK.test(filter);
  // The bucket is raised. The process that raises it reports that.
  return stream === "KV_locks" && request.seq !== undefined;
}

const token = (subject: string, index: number) => subject.split(".")[index] ?? "";

async function mendOne(broker: Broker, info: ConsumerInfo): Promise<void> {
  const lane = laneOf(info);
  if (lane !== undefined) await mendAndTell(broker, lane, info);
}

/** Sets back all lanes' consumers that were changed by hand, with an alarm for each. */
async function mendConsumers(broker: Broker): Promise<void> {
  try {
    for await (const info of broker.briefJsm.consumers.list(TASKS)) await mendOne(broker, info);
  } catch (error) {
    // The watch for streams declares it again.
    if (!isStreamGone(error)) throw error;
  }
}

function readBody<Body extends object>(message: Msg): Partial<Body> {
  try {
    const value: unknown = message.data.length === 0 ? {} : message.json();
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {}; // the server refuses it as well
  }
}

/**
 * Listens for what is done by hand to the streams and to the lanes' consumers, until disposed of.
 *
 * A changed or paused consumer is set back. Purges and deleted consumers raise an alarm, and are kept for `muster doctor`.
 */
function watchByHand(broker: Broker): Disposable {
  const { nc, observer } = broker;
  const timers = new Set<NodeJS.Timeout>();
  const awaited = new Set<string>();

  function soon(consumer: string): void {
    if (awaited.has(consumer)) return;
    awaited.add(consumer);
    const timer = setTimeout(() => {
      timers.delete(timer);
      awaited.delete(consumer);
      if (nc.isClosed()) return;
      broker.briefJsm.consumers
        .info(TASKS, consumer)
        .then((info) => mendOne(broker, info))
        .catch((cause: unknown) => {
          // A consumer that is gone again needs no look. All are looked at again later.
          if (!isSilence(cause)) observer.note(`Cannot look at consumer ${consumer} yet`, { cause });
        });
    }, DONE_MS);
    timers.add(timer.unref());
  }

  function onChange(message: Msg): void {
    if (isOwnRequest(message)) return;
    const isDurable = message.subject.includes(".DURABLE.");
    const consumer = token(message.subject, isDurable ? 6 : 5);
    const { action, config } = readBody<{ action: string; config: ConsumerInfo["config"] }>(message);
    // A worker that creates its consumer asks for the right settings.
    const isCreated = action === "create" && config?.metadata !== undefined;
    if (!isCreated) soon(consumer);
  }

  /** Reports after the request is done: otherwise a purge of the bucket `results` would take the kept incident with it. */
  function tell(happened: Happened): void {
    observer.alarm(happened.text, { about: happened.about });
    const timer = setTimeout(() => {
      timers.delete(timer);
      broker.keepIncident(happened);
    }, DONE_MS);
    timers.add(timer.unref());
  }

  function onConsumerDeleted(message: Msg): void {
    if (isOwnRequest(message)) return;
    const consumer = token(message.subject, 5);
    const text = `Somebody deleted consumer ${consumer} of ${TASKS}: what it had delivered is delivered again`;
    tell({ kind: "deleted", about: `consumer ${consumer}`, text });
  }

  function onPurged(message: Msg): void {
    const stream = token(message.subject, 4);
    const request = readBody<PurgeRequest>(message);
    if (!STREAM_NAMES.includes(stream) || isOwnRequest(message) || isNoLoss(stream, request)) return;
    const part = message.data.length === 0 ? "" : ` (${JSON.stringify(request).slice(0, 200)})`;
    const text = `Somebody purged ${stream}${part}: what it held is lost; publish it again where it is needed`;
    tell({ kind: "purged", about: stream, text, isLoss: true });
  }

  const listeners: readonly (readonly [string, (message: Msg) => void])[] = [
    ...CONSUMER_CHANGES.map((subject) => [subject, onChange] as const),
    [CONSUMER_DELETED, onConsumerDeleted],
    [STREAM_PURGED, onPurged],
  ];
  const listening = new DisposableStack();
  for (const [subject, hear] of listeners) listening.use(subscribeLasting(nc, { subject }, hear));
  return {
    [Symbol.dispose]() {
      listening.dispose();
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

/** Looks after streams and consumers until `signal` aborts. Reports what is done to them by hand, and sets back what can be set back. */
export async function lookOut(broker: Broker, report: Reporter, signal: AbortSignal): Promise<void> {
  using _streams = watchStreams(broker);
  using _byHand = watchByHand(broker);
  using _storage = watchOtherStores(broker);
  const look = { name: "looking at the lanes' consumers", everyMs: LANES_MS, run: () => mendConsumers(broker) };
  await repeat(look, report, signal);
}
