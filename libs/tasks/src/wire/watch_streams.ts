import type { Broker } from "./broker.ts";
import { isSilence } from "./publish_surely.ts";

/** Between two looks, ms: what was deleted is there again well within ten seconds. */
const LOOK_MS = 4_000;

/**
 * Looks every 4 s, with one request, whether a stream or bucket was deleted, and declares it again with an alarm.
 *
 * Who publishes to TASKS or takes a lock finds out for himself; an event, a retry or a look at what is remembered would only fail.
 */
export function watchStreams(broker: Broker): Disposable {
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    const found = new Set<string>();
    for await (const name of broker.briefJsm.streams.names()) found.add(name);
    if (broker.streams.some((name) => !found.has(name))) await broker.declareMissing();
  }

  const timer = setInterval(() => {
    if (looking !== undefined || broker.nc.isClosed()) return;
    looking = look()
      .catch((cause: unknown) => {
        // A broker that is away is told of by others.
        if (!isSilence(cause)) broker.observer.note("Cannot look for missing streams yet", { cause });
      })
      .finally(() => {
        looking = undefined;
      });
  }, LOOK_MS).unref();

  return {
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}
