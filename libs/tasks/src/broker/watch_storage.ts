import { headers as newHeaders } from "@nats-io/nats-core";
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "./broker.ts";
import { MESSAGE_TTL } from "../format/headers.ts";
import { isSilence } from "./publish_surely.ts";
import { StorageLimitError } from "../streams/storage_errors.ts";

/** Between two looks, ms; while something is amiss, so that all is well again soon after it was mended. */
const LOOK_MS = 10_000;
const AMISS_MS = 2_000;

/** Looks at the streams' stores every 10 s, with one request where only `TASKS` is asked, until disposed of. */
export function watchStorage({ storage, nc, observer }: Broker, extent: "TASKS" | "all"): Disposable {
  const ended = new AbortController();
  const failed = (cause: unknown) => {
    if (!ended.signal.aborted) observer.note("Cannot look at the streams' stores yet", { cause });
  };
  async function lookOn(): Promise<void> {
    while (!ended.signal.aborted) {
      if (!nc.isClosed()) await storage.look(extent).catch(failed);
      const restMs = storage.problems().length === 0 ? LOOK_MS : AMISS_MS;
      // Only our own abort rejects the pause.
      await pause(restMs, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);
    }
  }
  void lookOn();
  // What is asked just now is not waited for: a broker that is away does not answer, and nobody wants to know any more.
  return { [Symbol.dispose]: () => ended.abort() };
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
  await storage.look("all");
}
