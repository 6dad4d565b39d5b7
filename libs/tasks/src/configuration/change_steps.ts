// Tested by tests/src/worker/configuration_test.ts
// Tested by libs/tasks/src/configuration/last_good_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { wasCreatedAnew } from "../streams/created_anew.ts";
import { TASKS } from "../streams/streams.ts";
import { checkConfiguration } from "./check_configuration.ts";
import type { Configuration } from "./configuration.ts";
import { findConfiguration, type FoundConfiguration, keepCopy, storeConfiguration } from "./stored_configuration.ts";

/** Longest wait for a running app to write back a configuration that is gone, ms. Apps do so with their reread every 5 s. */
const RESTORED_WITHIN_MS = 8_000;

/** A change of the configuration cannot be written. */
export class ConfigurationError extends Error {
  override readonly name: string = "ConfigurationError";
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

/** The present configuration. Where it is gone, waits until a running app has written it or its copy back, or nobody has in time. */
export async function untilRestored(broker: Broker, withinMs = RESTORED_WITHIN_MS): Promise<FoundConfiguration> {
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

/** The configuration from which a change begins. Throws {@linkcode ConfigurationError} where a newer program has written a newer one. */
export async function baseOf(broker: Broker, { problem, configuration }: FoundConfiguration): Promise<Configuration> {
  if (problem?.kind === "newer") throw new ConfigurationError(problem.text);
  if (configuration.createdAt !== undefined) return configuration;
  // What waits from before the first one may be for VOs that only a lost configuration named.
  return { ...configuration, createdAt: await timeOf(broker) };
}

/** Returns `next`. Throws where it could not be stored, or not be read again. */
function checked({ nc }: Broker, next: Configuration): Configuration {
  const text = JSON.stringify(next);
  const [bytes, largest] = [Buffer.byteLength(text), nc.info?.max_payload ?? Number.POSITIVE_INFINITY];
  if (bytes > largest) {
    const problem = `it would have ${bytes} bytes, and max_payload of the server is ${largest}`;
    throw new ConfigurationError(`Cannot write the configuration: ${problem}; nothing was changed`);
  }
  const result = checkConfiguration(text);
  if (result.kind === "good") return result.configuration;
  const { field, reason } = result;
  throw new ConfigurationError(`Cannot write the configuration: ${field}: ${reason}; nothing was changed`);
}

/**
 * Writes `next` where what was found is still the newest, and returns its revision. Throws what JetStream reports, also a conflict, and
 * {@linkcode ConfigurationError} where `next` could not be read again.
 */
export async function writeChange(broker: Broker, found: FoundConfiguration, next: Configuration): Promise<number> {
  const { problem, newest } = found;
  const revision = await storeConfiguration(broker, checked(broker, next), newest);
  if (problem !== undefined) {
    const base = found.revision === 0 ? "from an empty one" : `from revision ${found.revision}`;
    broker.observer.alarm(`The change goes on ${base}: ${problem.text}. It was replaced by revision ${revision}`);
  }
  await keepCopy(broker, { configuration: next, revision });
  return revision;
}
