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

/** Whoever runs writes a configuration back that has gone, within its reread of 5 s; so long it is waited for, ms. */
const RESTORED_WITHIN_MS = 8_000;
/** Changes that came first, before it is given up. */
const TRIES = 50;

/** A change of the configuration cannot be written. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

export interface ChangeOptions {
  /** What the change goes on from. Default: the last good one. `nothing`, where none is left: an empty one. */
  readonly from?: "last good" | "nothing";
  /** How long a running app may take to write one back that has gone, ms; default 8,000. */
  readonly restoredWithinMs?: number;
}

/**
 * Whether the last good one may be known to running apps alone: the bucket was purged, is younger than TASKS, or holds nothing but one that
 * no command wrote.
 */
async function mayBeLost({ jsm }: Broker, { newest, revision, configuration }: FoundConfiguration): Promise<boolean> {
  if (newest !== 0) return Object.keys(configuration.vos).length === 0 && configuration.createdAt === undefined;
  if (revision !== 0) return false;
  const [bucket, tasks] = await Promise.all([jsm.streams.info("KV_config"), jsm.streams.info(TASKS)]);
  return bucket.state.last_seq > 0 || wasCreatedAnew(bucket, tasks);
}

/** Why a change would begin from nothing, though there was something; undefined: it would not. */
async function whyNothingIsLeft({ jsm }: Broker, found: FoundConfiguration): Promise<string | undefined> {
  if (found.revision !== 0 || namesVos(found.configuration)) return undefined;
  if (found.problem !== undefined) return found.problem.text;
  const { state } = await jsm.streams.info("KV_config");
  if (found.newest !== 0 || state.last_seq === 0) return undefined;
  return `bucket config is empty and has held revisions up to ${state.last_seq}: somebody purged it, and no running app knows them; ${BEGIN_ANEW}`;
}

/** As it is now; where it has gone, after a running app has written it or its copy back, or nobody has. */
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

/** Throws where it could not be read again. */
function checked(next: Configuration): Configuration {
  const result = checkConfiguration(JSON.stringify(next));
  if (result.kind === "good") return result.configuration;
  const { field, reason } = result;
  throw new ConfigurationError(`Cannot write the configuration: ${field}: ${reason}; nothing was changed`);
}

/**
 * Changes the configuration by compare-and-set; `change` may run several times. Returns what was written.
 *
 * Goes on from the last good one: what is broken is replaced, with an alarm that says what it was. Throws
 * {@linkcode ConfigurationError} where a newer program has written it, where the change makes it unreadable, and where none is left that
 * was ever good: a change would take all VOs but its own away. `nothing` begins all the same.
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
    // What waits from before it may be for VOs that only a lost one named.
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
