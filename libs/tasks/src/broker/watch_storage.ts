// Tested by libs/tasks/src/streams/storage_test.ts
// Tested by tests/src/worker/storage_test.ts
import { headers as newHeaders } from "@nats-io/nats-core";
import { newInbox } from "../connection/connection.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import { MESSAGE_TTL } from "../format/headers.ts";
import { StorageLimitError } from "../streams/storage_errors.ts";
import { STREAM_NAMES, TASKS } from "../streams/stream_needs.ts";
import type { Broker } from "./broker.ts";
import { isSilence } from "./publish_surely.ts";

/**
 * Time from one look of any process at TASKS to the next, ms, and the most that chance adds. Usually one process asks, and the others are
 * told.
 */
const LOOK_MS = 7_000;
const SPREAD_MS = 3_000;
/** Time between two looks while there is a problem or a doubt, ms, so that its end is noticed soon. */
const AMISS_MS = 2_000;
/** Longest time without a look of our own, ms, whatever others report. */
const OWN_MS = 60_000;
/** Time between two looks at one of the other streams, ms. */
const OTHERS_MS = 10_000;
/** Subject on which a process that has asked TASKS tells the others: `{"by": ..., "is": "well" | "broken"}`. No task has this name. */
const TOLD = "wake._storage";

/** What another process has found; undefined: the message is our own, or cannot be read. */
function foundByAnother(text: string, own: string): "well" | "broken" | undefined {
  try {
    const { by, is } = JSON.parse(text) as { readonly by?: unknown; readonly is?: unknown };
    return by !== own && (is === "well" || is === "broken") ? is : undefined;
  } catch {
    return undefined;
  }
}

export interface WatchStorageOptions {
  /** Time from one look of any process at TASKS to the next, ms, default 7,000. */
  readonly lookMs?: number;
  /** Most that chance adds to that, ms, default 3,000. */
  readonly spreadMs?: number;
}

/**
 * Looks whether TASKS keeps a write error, about every 8 s, until disposed of.
 *
 * On a cluster each look goes through the stream's log. So one process looks for all, and tells the others. "Well" spares them their own
 * look. "Broken" makes them look at once.
 */
export function watchStorage(
  { storage, nc, observer }: Broker,
  { lookMs = LOOK_MS, spreadMs = SPREAD_MS }: WatchStorageOptions = {},
): Disposable {
  const own = newInbox(nc);
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  function rest(): void {
    clearTimeout(timer);
    if (isOver) return;
    const isWell = storage.problems().length === 0 && !storage.isInDoubt();
    timer = setTimeout(lookNow, isWell ? lookMs + Math.random() * spreadMs : AMISS_MS).unref();
  }

  function tell(): void {
    if (isOver || nc.isClosed() || nc.isDraining()) return;
    const isBroken = storage.brokenStreams().length > 0;
    // JetStream or a stream is silent. Others notice that by themselves.
    if (!isBroken && (storage.problems().length > 0 || storage.isInDoubt())) return;
    nc.publish(TOLD, JSON.stringify({ by: own, is: isBroken ? "broken" : "well" }));
  }

  function lookNow(): void {
    if (isOver || looking !== undefined) return;
    clearTimeout(timer);
    if (nc.isClosed()) return;
    lookedAtMs = performance.now();
    looking = storage
      .look([TASKS])
      .then(tell)
      .catch((cause: unknown) => {
        if (!isOver) observer.note("Cannot look at the streams' stores yet", { cause });
      })
      .finally(() => {
        looking = undefined;
        rest();
      });
  }

  const listening = subscribeLasting(nc, { subject: TOLD }, (message) => {
    const found = foundByAnother(message.string(), own);
    if (found === undefined || storage.problems().length > 0 || storage.isInDoubt()) return;
    if (found === "broken") lookNow();
    else if (performance.now() - lookedAtMs < OWN_MS) rest();
  });
  lookNow();
  // A request that is under way is not awaited. A broker that does not answer would delay the end, and the answer is no longer needed.
  return {
    [Symbol.dispose]() {
      isOver = true;
      clearTimeout(timer);
      listening[Symbol.dispose]();
    },
  };
}

/**
 * Looks every 10 s at one of the streams besides TASKS, until disposed of. One process does it for all.
 *
 * When a publisher gets no answer, all streams are looked at.
 */
export function watchOtherStores({ storage, nc, observer }: Broker): Disposable {
  const others = STREAM_NAMES.filter((name) => name !== TASKS);
  let turn = 0;
  const timer = setInterval(() => {
    const stream = others[turn++ % others.length];
    if (stream === undefined || nc.isClosed()) return;
    storage
      .look([stream])
      .catch((cause: unknown) => observer.note(`Cannot look at the store of ${stream} yet`, { cause }));
  }, OTHERS_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * Stores a small message for a second, and asks all streams. The result shows in `broker.storage`. Throws errors that are not about
 * storage.
 */
export async function tryToStore({ requests, storage }: Pick<Broker, "requests" | "storage">): Promise<void> {
  const headers = newHeaders();
  headers.set(MESSAGE_TTL, "1s");
  try {
    await requests.store({ subject: "$KV.results.probe.storage", body: "", headers });
  } catch (error) {
    if (!(error instanceof StorageLimitError) && !isSilence(error)) throw error;
  }
  await storage.look(STREAM_NAMES);
}
