// Tested by libs/tasks/src/configuration/configuration_file_test.ts
import type { Broker } from "../broker/broker.ts";
import { isConflict } from "../streams/streams.ts";
import { baseOf, ConfigurationError, untilRestored, writeChange } from "./change_steps.ts";
import type { Configuration } from "./configuration.ts";
import { changesBetween, type ConfigurationChange } from "./configuration_changes.ts";
import { type ConfigurationFile, withFile } from "./configuration_file.ts";
import type { FoundConfiguration } from "./stored_configuration.ts";

/** What a file would change, seen from one revision. */
export interface ConfigurationPlan {
  /** The configuration in force, from which the changes are seen. */
  readonly found: FoundConfiguration;
  readonly next: Configuration;
  readonly changes: readonly ConfigurationChange[];
}

/** Somebody changed the configuration after its difference from a file was looked at. Nothing was written. */
export class ConfigurationChangedError extends ConfigurationError {
  override readonly name = "ConfigurationChangedError";
  /** The revision from which the difference was seen. */
  readonly revision: number;
  constructor(revision: number) {
    super(
      `Cannot apply the file: the configuration was changed after revision ${revision}, from which the difference was seen; nothing was written. Look at the difference again`,
    );
    this.revision = revision;
  }
}

/**
 * Finds what a file would change. It need not begin from a good configuration, since it says all that is to be in force.
 *
 * Throws {@linkcode ConfigurationError} where a newer program has written the configuration, and where nobody answers.
 */
export async function planFile(
  broker: Broker,
  file: ConfigurationFile,
  { restoredWithinMs }: { readonly restoredWithinMs?: number } = {},
): Promise<ConfigurationPlan> {
  const found = await untilRestored(broker, restoredWithinMs);
  const next = withFile(await baseOf(broker, found), file, new Date().toISOString());
  return { found, next, changes: changesBetween(found.configuration, next) };
}

/**
 * Writes what was planned, unless the configuration was changed since. Returns the revision in force. Writes nothing where nothing would
 * change.
 *
 * Throws {@linkcode ConfigurationChangedError}.
 */
export async function applyPlan(broker: Broker, { found, next, changes }: ConfigurationPlan): Promise<number> {
  if (changes.length === 0 && found.problem === undefined) return found.revision;
  try {
    return await writeChange(broker, found, next);
  } catch (error) {
    if (isConflict(error)) throw new ConfigurationChangedError(found.newest);
    throw error;
  }
}
