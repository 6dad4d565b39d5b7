// Tested by tests/src/worker/configuration_test.ts
// Tested by libs/tasks/src/configuration/last_good_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { isConflict } from "../streams/streams.ts";
import { baseOf, ConfigurationError, untilRestored, writeChange } from "./change_steps.ts";
import { type Configuration, namesVos } from "./configuration.ts";
import { BEGIN_ANEW, findConfiguration, type FoundConfiguration } from "./stored_configuration.ts";

/** Greatest number of attempts, each after another change came first. */
const TRIES = 50;

/** What a change starts from. */
export interface ChangeOptions {
  /** The base of the change. Default: the last good configuration. `nothing`: an empty one, where none is left. */
  readonly from?: "last good" | "nothing";
  /** Time that a running app may take to write back a configuration that is gone, ms; default 8,000. */
  readonly restoredWithinMs?: number;
}

/** Why a change would begin from nothing, though there was a configuration; undefined: it would not. */
async function whyNothingIsLeft(broker: Broker, found: FoundConfiguration): Promise<string | undefined> {
  if (found.revision !== 0 || namesVos(found.configuration)) return undefined;
  if (found.problem !== undefined) return found.problem.text;
  const { state } = await broker.jsm.streams.info("KV_config");
  if (found.newest !== 0 || state.last_seq === 0) return undefined;
  // Somebody may have written the first one since we looked. Our write then meets a conflict, and the change begins from that one.
  if ((await findConfiguration(broker)).newest !== 0) return undefined;
  return `bucket config is empty and has held revisions up to ${state.last_seq}: somebody purged it, and no running app knows them; ${BEGIN_ANEW}`;
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
  { from = "last good", restoredWithinMs }: ChangeOptions = {},
): Promise<Configuration> {
  let found = await untilRestored(broker, restoredWithinMs);
  const nothingLeft = from === "nothing" ? undefined : await whyNothingIsLeft(broker, found);
  if (nothingLeft !== undefined) throw new ConfigurationError(`Cannot change the configuration: ${nothingLeft}`);
  for (let tries = 0; ; tries++) {
    const next = change(await baseOf(broker, found));
    try {
      await writeChange(broker, found, next);
      return next;
    } catch (error) {
      if (!isConflict(error) || tries >= TRIES) throw error;
      await pause(5 + Math.random() * 20);
      found = await findConfiguration(broker);
    }
  }
}
