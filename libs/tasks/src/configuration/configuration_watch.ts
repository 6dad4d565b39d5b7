// Tested by libs/tasks/src/configuration/last_good_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { isConflict } from "../streams/streams.ts";
import { type Configuration, namesVos } from "./configuration.ts";
import { findConfiguration, type FoundConfiguration, keepCopy, storeConfiguration } from "./stored_configuration.ts";

/** How often the configuration is read even though the watcher said nothing: a watcher stays mute once its bucket was re-created. */
const REREAD_MS = 5_000;
/** A broker that is away for so long is told as an alarm, ms; one that restarts is not. */
const AWAY_MS = 30_000;

/** The configuration as it is now, kept up to date until disposed of. */
export interface ConfigurationWatch extends AsyncDisposable {
  readonly current: Configuration;
  /** The same, with its revision and what is wrong with a newer one. */
  readonly found: FoundConfiguration;
  /** Calls `listener` after each change, until the returned function is called. */
  onChange(listener: (now: Configuration) => void): () => void;
  /** Reads it anew from the stream's leader. */
  refresh(): Promise<Configuration>;
}

/** Writes the last one back where the key has gone or was deleted, or every VO would be unknown to whoever starts now. */
async function restore(broker: Broker, { configuration, newest }: FoundConfiguration): Promise<void> {
  try {
    await storeConfiguration(broker, configuration, newest);
  } catch (error) {
    if (isConflict(error)) return; // another process was faster
    throw error;
  }
  const text = "The configuration had gone; the one that was last in force was written again";
  broker.observer.alarm(text);
  broker.keepIncident("configuration", "restored", text);
}

async function findOrRestore(broker: Broker, last: FoundConfiguration | undefined): Promise<FoundConfiguration> {
  // What was on its way when a server died is never answered, so it is not waited for long.
  const brief = { jsm: broker.briefJsm };
  const found = await findConfiguration(brief, last);
  if (found.problem?.kind !== "deleted" || !namesVos(found.configuration)) return found;
  await restore(broker, found);
  return await findConfiguration(brief, last);
}

/** Tells once of each revision that is not in force, and when all is well again. */
function createProblemReport({ observer, keepIncident }: Broker): (found: FoundConfiguration) => void {
  let told = "";
  return ({ problem, revision, unknown }) => {
    const text = problem?.text ?? (unknown.length === 0 ? "" : `unknown ${revision}`);
    if (text === told) return;
    if (problem !== undefined) {
      const { kind, revision: broken, field } = problem;
      observer.alarm(problem.text, { kind, revision: broken, field });
      // Told by `muster doctor` from what is stored as long as it lasts, and by this afterwards.
      keepIncident("configuration", `revision ${broken}`, problem.text);
    } else if (unknown.length > 0) {
      const which = `fields that this version does not know: ${unknown.slice(0, 10).join(", ")}`;
      observer.note(`Key current of bucket config, revision ${revision}, has ${which}; they have no effect`, {
        unknown,
      });
    } else observer.note(`Revision ${revision} of the configuration is in force`);
    told = text;
  };
}

/** Tells of a broker that does not answer: at first as a note, as an alarm once it lasts. */
function createSilenceReport({ observer }: Broker, awayMs: number) {
  let since: number | undefined;
  let isAlarmed = false;
  return {
    heard(): void {
      since = undefined;
      isAlarmed = false;
    },
    failed(cause: unknown): void {
      if (since === undefined) {
        since = performance.now();
        observer.note("Cannot read the configuration for now; the last one stays in force", { cause });
      } else if (!isAlarmed && performance.now() - since >= awayMs) {
        isAlarmed = true;
        const seconds = awayMs / 1_000;
        observer.alarm(`Cannot refresh the configuration for ${seconds} s; the last one stays in force`, { cause });
      }
    },
  };
}

/**
 * Keeps a copy of each revision that comes in force, and anew where a write that replaced it may have taken the copy along: a roll-up leaves
 * nothing else in the bucket. Where that fails, as on a full disk, it is in force all the same.
 */
function createCopies(broker: Broker): (found: FoundConfiguration) => Promise<void> {
  let kept = "";
  let isTold = false;
  return async (found) => {
    const state = `${found.revision} of ${found.newest}`;
    if (state === kept) return;
    try {
      await keepCopy(broker, found);
      kept = state;
      isTold = false;
    } catch (cause) {
      if (!isTold) broker.observer.note("Cannot keep a copy of the configuration yet; it is in force", { cause });
      isTold = true;
    }
  };
}

interface KeyWatcher extends Disposable {
  /** Throws where the broker does not let it be opened. */
  openIfEnded(): Promise<void>;
}

/** Calls `onEntry` for each write of the key. The client's watcher ends for good where the server refuses its inbox. */
function createKeyWatcher({ buckets, observer }: Broker, onEntry: () => Promise<void>): KeyWatcher {
  const watch = () => buckets.config.watch({ key: "current" });
  let watcher: Awaited<ReturnType<typeof watch>> | undefined;
  let isOver = false;

  async function follow(entries: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const _entry of entries) await onEntry();
    } catch (cause) {
      observer.note("The watcher of the configuration has ended; it is opened anew", { cause });
    }
    watcher = undefined;
  }

  return {
    async openIfEnded() {
      if (watcher !== undefined) return;
      const opened = await watch();
      if (isOver) return opened.stop();
      watcher = opened;
      void follow(opened);
    },
    [Symbol.dispose]() {
      isOver = true;
      watcher?.stop();
    },
  };
}

/**
 * Follows the configuration by a watcher, and by a read every 5 s besides.
 *
 * One that cannot be used is reported, and the last good one stays in force; one that was deleted is written back.
 */
export async function watchConfiguration(
  broker: Broker,
  { awayMs = AWAY_MS }: { readonly awayMs?: number } = {},
): Promise<ConfigurationWatch> {
  const listeners = new Set<(now: Configuration) => void>();
  const ended = new AbortController();
  const reportProblem = createProblemReport(broker);
  const silence = createSilenceReport(broker, awayMs);
  const copy = createCopies(broker);
  let found = await findOrRestore(broker, undefined);
  let text = JSON.stringify(found.configuration);
  if (found.problem !== undefined || found.unknown.length > 0) reportProblem(found);

  async function readAnew(): Promise<Configuration> {
    const next = await findOrRestore(broker, found);
    if (ended.signal.aborted) return found.configuration;
    silence.heard();
    reportProblem(next);
    found = next;
    const nextText = JSON.stringify(next.configuration);
    if (nextText !== text) {
      text = nextText;
      for (const listener of listeners) listener(next.configuration);
    }
    await copy(next);
    return next.configuration;
  }

  let reading: Promise<unknown> = Promise.resolve();
  /** One after the other, so that what was read first is not in force last. */
  function refresh(): Promise<Configuration> {
    const next = reading.then(readAnew);
    reading = next.catch(() => undefined); // whoever asked hears of it
    return next;
  }

  await copy(found);
  const failed = (cause: unknown) => {
    if (!ended.signal.aborted) silence.failed(cause);
  };
  const watcher = createKeyWatcher(broker, () => refresh().then(() => {}, failed));
  async function reread(): Promise<void> {
    while (!ended.signal.aborted) {
      // Only our own abort rejects the pause.
      await pause(REREAD_MS, undefined, { signal: ended.signal }).catch(() => undefined);
      if (ended.signal.aborted || broker.nc.isClosed()) continue;
      await refresh().then(watcher.openIfEnded).catch(failed);
    }
  }
  await watcher.openIfEnded();
  void reread();

  return {
    get current() {
      return found.configuration;
    },
    get found() {
      return found;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    refresh,
    async [Symbol.asyncDispose]() {
      // What is asked just now is not waited for: a broker that is away does not answer, and nobody wants to know any more.
      ended.abort();
      watcher[Symbol.dispose]();
    },
  };
}
