// Tested by tests/src/worker/configuration_test.ts
// Tested by libs/tasks/src/configuration/last_good_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { wasCreatedAnew } from "../streams/created_anew.ts";
import { isConflict, TASKS } from "../streams/streams.ts";
import { checkConfiguration } from "./check_configuration.ts";
import { type Configuration, namesVos } from "./configuration.ts";
import {
  BEGIN_ANEW,
  findConfiguration,
  type FoundConfiguration,
  keepCopy,
  storeConfiguration,
} from "./stored_configuration.ts";

/** Longest wait for a running app to write back a configuration that is gone, ms. Apps do so with their reread every 5 s. */
const RESTORED_WITHIN_MS = 8_000;
/** Greatest number of attempts, each after another change came first. */
const TRIES = 50;

/** A change of the configuration cannot be written. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

export interface ChangeOptions {
  /** The base of the change. Default: the last good configuration. `nothing`: an empty one, where none is left. */
  readonly from?: "last good" | "nothing";
  /** Time that a running app may take to write back a configuration that is gone, ms; default 8,000. */
  readonly restoredWithinMs?: number;
}

/**
 * Whether only running apps may know the last good configuration: the bucket was purged, is younger than TASKS, or holds only one that no
 * command wrote.
 */
async function mayBeLost({ jsm }: Broker, { newest, revision, configuration }: FoundConfiguration): Promise<boolean> {
  if (newest !== 0) return Object.keys(configuration.vos).length === 0 && configuration.createdAt === undefined;
  if (revision !== 0) return false;
  const [bucket, tasks] = await Promise.all([jsm.streams.info("KV_config"), jsm.streams.info(TASKS)]);
  return bucket.state.last_seq > 0 || wasCreatedAnew(bucket, tasks);
}

/** Why a change would begin from nothing, though there was a configuration; undefined: it would not. */
async function whyNothingIsLeft({ jsm }: Broker, found: FoundConfiguration): Promise<string | undefined> {
  if (found.revision !== 0 || namesVos(found.configuration)) return undefined;
  if (found.problem !== undefined) return found.problem.text;
  const { state } = await jsm.streams.info("KV_config");
  if (found.newest !== 0 || state.last_seq === 0) return undefined;
  return `bucket config is empty and has held revisions up to ${state.last_seq}: somebody purged it, and no running app knows them; ${BEGIN_ANEW}`;
}

/** The present configuration. Where it is gone, waits until a running app has written it or its copy back, or nobody has in time. */
async function untilRestored(broker: Broker, withinMs: number): Promise<FoundConfiguration> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const now = await findConfiguration(broker);
    if (performance.now() > untilMs || !(await mayBeLost(broker, now))) return now;
    await pause(100);
  }
}

/** The broker's time, RFC 3339. */
async function timeOf({ jsm }: Broker): Promise<string> {
  return (await jsm.streams.info("KV_config")).ts ?? new Date().toISOString();
}

/** Returns `next`. Throws where it could not be read again. */
function checked(next: Configuration): Configuration {
  const result = checkConfiguration(JSON.stringify(next));
  if (result.kind === "good") return result.configuration;
  const { field, reason } = result;
  throw new ConfigurationError(`Cannot write the configuration: ${field}: ${reason}; nothing was changed`);
}

/**
 * Changes the configuration by compare-and-set. `change` may run several times. Returns what was written.
 *
 * The change starts from the last good configuration. A broken one is replaced, with an alarm that says what it was.
 *
 * Throws {@linkcode ConfigurationError} where a newer program has written it, and where the change makes it unreadable. It also throws
 * where no good one is left: such a change would remove all VOs but its own. `nothing` begins all the same.
 */
export async function changeConfiguration(
  broker: Broker,
  change: (now: Configuration) => Configuration,
  { from = "last good", restoredWithinMs = RESTORED_WITHIN_MS }: ChangeOptions = {},
): Promise<Configuration> {
  let found = await untilRestored(broker, restoredWithinMs);
  const nothingLeft = from === "nothing" ? undefined : await whyNothingIsLeft(broker, found);
  if (nothingLeft !== undefined) throw new ConfigurationError(`Cannot change the configuration: ${nothingLeft}`);
  for (let tries = 0; ; tries++) {
    const { problem, configuration, newest } = found;
    if (problem?.kind === "newer") throw new ConfigurationError(problem.text);
    // What waits from before it may be for VOs that only a lost configuration named.
    const isFirst = configuration.createdAt === undefined;
    const base = isFirst ? { ...configuration, createdAt: await timeOf(broker) } : configuration;
    const next = checked(change(base));
    try {
      const revision = await storeConfiguration(broker, next, newest);
      if (problem !== undefined) {
        const base = found.revision === 0 ? "from an empty one" : `from revision ${found.revision}`;
        broker.observer.alarm(`The change goes on ${base}: ${problem.text}. It was replaced by revision ${revision}`);
      }
      await keepCopy(broker, { configuration: next, revision });
      return next;
    } catch (error) {
      if (!isConflict(error) || tries >= TRIES) throw error;
      await pause(5 + Math.random() * 20);
      found = await findConfiguration(broker);
    }
  }
}
