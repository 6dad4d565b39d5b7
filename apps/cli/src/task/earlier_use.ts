// Tested by tests/src/cli/repeat_test.ts
import type { Broker, JsonObject, Published } from "@muster/tasks";
import { findStored, payloadHash } from "@muster/tasks/operate";
import { withDatabaseIfKnown } from "../run/servers.ts";

/** The task that was to be published. */
export interface AskedFor {
  /** As it is shown: `MyPilotTask of lhcb`. */
  readonly what: string;
  readonly task: string;
  readonly vo: string;
  readonly payload: JsonObject;
}

/** The earlier use of an id, by the same task. */
export interface EarlierUse {
  readonly task: string;
  readonly vo: string;
  /** As the ledger has it; absent: the task waits or runs. */
  readonly outcome?: string;
}

/** What is known of an earlier use. `payloadHash` is empty or absent where nobody has kept it. */
interface Found extends EarlierUse {
  readonly payloadHash?: string | undefined;
}

/** Throws unless the id was used for what is asked for now. A repeat is what was asked for; another task under the id never runs. */
function checkIsRepeat(taskId: string, found: Found, { what, payload, ...asked }: AskedFor): EarlierUse {
  const { task, vo, outcome, payloadHash: hash } = found;
  const isSameTask = task === asked.task && vo === asked.vo;
  if (isSameTask && (!hash || hash === payloadHash(payload))) return { task, vo, ...(outcome && { outcome }) };
  const by = isSameTask ? "another payload" : `${task} of ${vo}`;
  throw new Error(`Cannot publish ${what} as ${taskId}: the id is used by ${by}; publish it under another id`);
}

/**
 * The earlier use of an id as the ledger has it; undefined: none, or no database is known. A task that is published then has no effect.
 *
 * Throws where the id was used for something else.
 */
export async function earlierInLedger(
  id: string | undefined,
  asked: AskedFor,
): Promise<(EarlierUse & { readonly taskId: string }) | undefined> {
  if (id === undefined) return undefined;
  const row = await withDatabaseIfKnown(async (database) => database?.ledger.recall(id));
  return row === undefined ? undefined : { taskId: id, ...checkIsRepeat(id, row, asked) };
}

/**
 * The earlier use of an id that the broker has told of; undefined: there was none, or its message is gone.
 *
 * Throws where the id was used for something else.
 */
export async function earlierInStream(
  broker: Broker,
  published: Published,
  asked: AskedFor,
): Promise<EarlierUse | undefined> {
  if (!published.duplicate || published.duplicateOf !== undefined) return undefined;
  const found = await findStored(broker, published);
  return found === undefined ? undefined : checkIsRepeat(published.taskId, found, asked);
}

/** Says that a task was published before, and what became of it. The text is not escaped. */
export function tellRepeat(taskId: string, earlier: EarlierUse | null): string {
  if (earlier === null) return `already published as ${taskId}, some minutes ago at most; nothing was stored`;
  const { task, vo, outcome } = earlier;
  const was =
    outcome === undefined ? "" : outcome === "retry" ? ", which waits for its retry" : `, which is ${outcome}`;
  const more = outcome === "dead" ? "; `muster dead list` shows it, and `muster dead requeue` runs it again" : "";
  return `already published as ${taskId}: ${task} of ${vo}${was}; nothing was stored${more}`;
}
