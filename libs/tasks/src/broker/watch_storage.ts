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

/** From one look of anybody at TASKS to the next, ms, and what chance adds to that: mostly one asks, and the others hear it. */
const LOOK_MS = 7_000;
const SPREAD_MS = 3_000;
/** Between two looks while something is amiss, ms, so that all is well again soon after it was mended. */
const AMISS_MS = 2_000;
/** Longest time without a look of one's own, ms, whatever others tell. */
const OWN_MS = 60_000;
/** Between two looks at one of the other streams, ms. */
const OTHERS_MS = 10_000;
/** Where whoever has asked TASKS tells the others: `{"by": ..., "is": "well" | "broken"}`. No task is called so. */
const TOLD = "wake._storage";

/** What another process has found; undefined: it is our own word, or nobody's that is known. */
function foundByAnother(text: string, own: string): "well" | "broken" | undefined {
  try {
    const { by, is } = JSON.parse(text) as { readonly by?: unknown; readonly is?: unknown };
    return by !== own && (is === "well" || is === "broken") ? is : undefined;
  } catch {
    return undefined;
  }
}

export interface WatchStorageOptions {
  /** From one look of anybody at TASKS to the next, ms, default 7,000. */
  readonly lookMs?: number;
  /** Most that chance adds to that, ms, default 3,000. */
  readonly spreadMs?: number;
}

/**
 * Looks whether TASKS keeps a write error, about every 8 s, until disposed of.
 *
 * On a cluster each look goes through the stream's log. So one process of all looks, and tells the others: that nothing is amiss, which
 * saves them their own look, or that something is, and then they look at once.
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
    const isWell = storage.problems().length === 0;
    timer = setTimeout(lookNow, isWell ? lookMs + Math.random() * spreadMs : AMISS_MS).unref();
  }

  function tell(): void {
    if (isOver || nc.isClosed() || nc.isDraining()) return;
    const isBroken = storage.brokenStreams().length > 0;
    // Of a silence nobody would hear.
    if (!isBroken && storage.problems().length > 0) return;
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
    if (found === undefined || storage.problems().length > 0) return;
    if (found === "broken") lookNow();
    else if (performance.now() - lookedAtMs < OWN_MS) rest();
  });
  lookNow();
  // What is asked just now is not waited for: a broker that is away does not answer, and nobody wants to know any more.
  return {
    [Symbol.dispose]() {
      isOver = true;
      clearTimeout(timer);
      listening[Symbol.dispose]();
    },
  };
}

/**
 * Looks every 10 s at one of the streams besides TASKS, until disposed of: for one process of all. Who writes there and hears nothing
 * has all of them looked at.
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

/** Stores something small for a second, and asks all streams. What comes of it shows in `broker.storage`. Throws what is none of the storage's. */
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
