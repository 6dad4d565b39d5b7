// Tested by libs/tasks/src/configuration/last_good_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { mayPublish } from "../connection/own_rights.ts";
import { orRefused, watchKeys } from "../broker/watch_keys.ts";
import { isConflict } from "../streams/streams.ts";
import { type Configuration, namesVos } from "./configuration.ts";
import {
  CURRENT_SUBJECT,
  findConfiguration,
  type FoundConfiguration,
  KEPT_SUBJECT,
  keepCopy,
  storeConfiguration,
} from "./stored_configuration.ts";

/**
 * Time from one reading of the configuration to the next, ms, also without word from the watcher. A watcher hears nothing once its bucket
 * was created anew.
 */
const REREAD_MS = 5_000;
/** Absence of the broker after which it is an alarm, ms. A restart takes less. */
const AWAY_MS = 30_000;

/** The key that is watched, and what it holds. */
const KEY = { bucket: "config", key: "current", what: "the configuration" } as const;

/** The present configuration, kept up to date until disposed of. */
export interface ConfigurationWatch extends AsyncDisposable {
  readonly current: Configuration;
  /** The same, with its revision and the problem of a newer one. */
  readonly found: FoundConfiguration;
  /** Calls `listener` after each change, until the returned function is called. */
  onChange(listener: (now: Configuration) => void): () => void;
  /** Reads it again from the stream's leader. */
  refresh(): Promise<Configuration>;
}

/** Why nothing can be done of what goes by the configuration: it is broken, and no good one was ever written. Otherwise the last good one counts. */
export function unconfigured({ problem, revision }: FoundConfiguration): readonly string[] {
  return problem !== undefined && revision === 0 ? [problem.text] : [];
}

/** Writes the last one back where the key was deleted or is gone. Otherwise processes that start now would know no VO. */
async function restore(broker: Broker, { configuration, newest }: FoundConfiguration): Promise<void> {
  try {
    await storeConfiguration(broker, configuration, newest);
  } catch (error) {
    if (isConflict(error)) return; // another process was faster
    throw error;
  }
  const text = "The configuration was deleted. Restored the last one in force";
  broker.observer.alarm(text);
  broker.keepIncident({ kind: "configuration", about: "restored", text });
}

async function findOrRestore(broker: Broker, last: FoundConfiguration | undefined): Promise<FoundConfiguration> {
  // A request that was on its way when a server died is never answered, so the wait is short.
  const brief = { jsm: broker.briefJsm };
  const found = await findConfiguration(brief, last);
  if (found.problem?.kind !== "deleted" || !namesVos(found.configuration)) return found;
  // Where our user may not write it, the scheduler does.
  if (!(await mayPublish(broker.nc, CURRENT_SUBJECT))) return found;
  await restore(broker, found);
  return await findConfiguration(brief, last);
}

/** Reports each revision that is not in force once, and the return to a good one. */
function createProblemReport({ observer, keepIncident }: Broker): (found: FoundConfiguration) => void {
  let told = "";
  return ({ problem, revision, unknown }) => {
    const text = problem?.text ?? (unknown.length === 0 ? "" : `unknown ${revision}`);
    if (text === told) return;
    if (problem !== undefined) {
      const { kind, revision: broken, field } = problem;
      observer.alarm(problem.text, { kind, revision: broken, field });
      // `muster doctor` reports the stored problem as long as it lasts, and this incident afterwards.
      keepIncident({ kind: "configuration", about: `revision ${broken}`, text: problem.text });
    } else if (unknown.length > 0) {
      const which = `fields that this version does not know: ${unknown.slice(0, 10).join(", ")}`;
      observer.note(`Key current of bucket config, revision ${revision}, has ${which}; they have no effect`, {
        unknown,
      });
    } else observer.note(`Revision ${revision} of the configuration is in force`);
    told = text;
  };
}

/** Reports a broker that does not answer: first as a note, and as an alarm once it lasts. */
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
 * Keeps a copy of each revision that comes into force. Keeps it again after a write that may have taken the copy along: a roll-up leaves
 * nothing else in the bucket.
 *
 * Where keeping fails, as on a full disk, the revision is in force all the same.
 */
function createCopies(broker: Broker): (found: FoundConfiguration) => Promise<void> {
  let kept = "";
  let isTold = false;
  return async (found) => {
    const state = `${found.revision} of ${found.newest}`;
    // Where our user may not write it, the scheduler does.
    if (state === kept || !(await mayPublish(broker.nc, KEPT_SUBJECT))) return;
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

/**
 * Follows the configuration by a watcher, and also by a reading every 5 s.
 *
 * A revision that cannot be used is reported, and the last good one stays in force. A deleted one is written back.
 *
 * Throws `WatchRefusedError` where it cannot be read or watched at first.
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
  let found = await orRefused(KEY, findOrRestore(broker, undefined));
  let text = JSON.stringify(found.configuration);
  const tellVos = () => broker.observer.vos?.(Object.keys(found.configuration.vos));
  tellVos();
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
      tellVos();
      for (const listener of listeners) listener(next.configuration);
    }
    await copy(next);
    return next.configuration;
  }

  let reading: Promise<unknown> = Promise.resolve();
  /** Reads one after the other. Otherwise an earlier reading could come into force last. */
  function refresh(): Promise<Configuration> {
    const next = reading.then(readAnew);
    reading = next.catch(() => undefined); // the caller of this refresh hears of the failure
    return next;
  }

  await copy(found);
  const failed = (cause: unknown) => {
    if (!ended.signal.aborted) silence.failed(cause);
  };
  const watcher = watchKeys(broker, KEY, () => refresh().then(() => {}, failed));
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
      // A request that is under way is not awaited: an absent broker does not answer, and nobody needs the answer any more.
      ended.abort();
      watcher[Symbol.dispose]();
    },
  };
}
