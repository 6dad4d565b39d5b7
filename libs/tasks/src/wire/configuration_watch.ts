import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "./broker.ts";
import { type Configuration, findConfiguration, readConfiguration, restoreConfiguration } from "./configuration.ts";

/** How often the configuration is read even though the watcher said nothing: a watcher stays mute once its bucket was re-created. */
const REREAD_MS = 5_000;

/** The configuration as it is now, kept up to date until disposed of. */
export interface ConfigurationWatch extends AsyncDisposable {
  readonly current: Configuration;
  /** Calls `listener` after each change, until the returned function is called. */
  onChange(listener: (now: Configuration) => void): () => void;
  /** Reads it anew from the stream's leader. */
  refresh(): Promise<Configuration>;
}

/**
 * Follows the configuration by a watcher, and by a read every 5 s besides.
 *
 * One that cannot be parsed is reported, and the last good one stays in force.
 */
export async function watchConfiguration(broker: Broker): Promise<ConfigurationWatch> {
  const listeners = new Set<(now: Configuration) => void>();
  const ended = new AbortController();
  let current = await readConfiguration(broker);
  let text = JSON.stringify(current);

  /** What is written; where the bucket was created anew, what was known before is written again, or every VO would be unknown. */
  async function read(): Promise<Configuration> {
    const found = await findConfiguration(broker);
    if (found !== undefined) return found;
    if (Object.keys(current.vos).length > 0) {
      await restoreConfiguration(broker, current);
      broker.observer.alarm("The configuration had gone; the one that was last in force was written again");
    }
    return readConfiguration(broker);
  }

  async function refresh(): Promise<Configuration> {
    const next = await read();
    const nextText = JSON.stringify(next);
    if (nextText !== text) {
      current = next;
      text = nextText;
      for (const listener of listeners) listener(next);
    }
    return next;
  }

  const report = (cause: unknown) =>
    broker.observer.alarm("Cannot refresh the configuration; the last one stays in force", { cause });

  const watcher = await broker.buckets.config.watch({ key: "current" });
  const following = (async () => {
    for await (const _entry of watcher) await refresh().catch(report);
  })();
  const rereading = (async () => {
    while (!ended.signal.aborted) {
      // Only our own abort rejects the pause.
      await pause(REREAD_MS, undefined, { signal: ended.signal }).catch(() => undefined);
      if (!ended.signal.aborted && !broker.nc.isClosed()) await refresh().catch(report);
    }
  })();

  return {
    get current() {
      return current;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    refresh,
    async [Symbol.asyncDispose]() {
      ended.abort();
      watcher.stop();
      await Promise.all([following, rereading]);
    },
  };
}
