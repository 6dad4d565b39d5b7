import { listUnpublished, pruneLedger } from "@muster/ledger";
import type { Chore } from "@muster/tasks";
import { publishSpawned } from "@muster/tasks/operate";
import type { Composition } from "../extension/compose_extensions.ts";
import type { ChoreServers } from "./chore_servers.ts";
import { republishRetries } from "./lost_retries.ts";
import { comparingChore } from "./compare_stores.ts";
import { outboxChore } from "./outbox_relay.ts";

const MINUTE_MS = 60_000;
/**
 * Time between two looks for lost retries, ms. So a lost one is noticed within a minute, also if it was due a moment
 * ago.
 */
const RETRIES_MS = 20_000;
/** Most rows that one statement deletes: few enough that no task waits for its locks. */
const PRUNED_AT_ONCE = 10_000;
/** How long history is kept where nothing else is said, ms. */
const HISTORY_MS = 30 * 24 * 60 * MINUTE_MS;
/** Most rows that are read at once to publish their children. */
const REPUBLISHED_AT_ONCE = 100;

/**
 * Publishes children that the ledger lists and that nobody has marked as published for five minutes. This happens when
 * a worker died after its commit and its message was lost with a stream.
 *
 * The same ids go out again, so those that did arrive have no second effect.
 */
export async function republishChildren({ broker, database, log }: ChoreServers): Promise<void> {
  for (;;) {
    const rows = await database.transaction((transaction) => listUnpublished(transaction, REPUBLISHED_AT_ONCE));
    for (const { taskId, task, vo, spawned } of rows) {
      await publishSpawned(broker, taskId, spawned);
      await database.ledger.markPublished(taskId);
      log.warn({ task, vo, taskId, spawned: spawned.length }, "published the children of a task that had not been");
    }
    if (rows.length < REPUBLISHED_AT_ONCE) return;
  }
}

/** Drops the ledger's rows of tasks that were settled thirty days ago. */
export async function pruneOldOutcomes({ database, log }: ChoreServers, signal: AbortSignal): Promise<void> {
  for (let total = 0; !signal.aborted; ) {
    const dropped = await database.transaction((transaction) => pruneLedger(transaction, PRUNED_AT_ONCE));
    total += dropped;
    if (dropped === PRUNED_AT_ONCE) continue;
    if (total > 0) log.info({ dropped: total }, "dropped old rows of the ledger");
    return;
  }
}

/** The extensions' part in the chores. */
export interface ChoreParts extends Pick<Composition, "chores" | "middleware"> {
  /** How long rows of what has ended are kept as history, ms; default 30 days. Infinite: for ever. */
  readonly historyMs?: number;
}

/** The chores of the leading scheduler: those of the ledger, and those of the extensions. */
export function createChores(
  servers: ChoreServers,
  { chores, middleware, historyMs = HISTORY_MS }: ChoreParts,
): readonly Chore[] {
  const toldRetries = new Set<string>();
  return [
    { name: "publishing forgotten children", everyMs: MINUTE_MS, run: () => republishChildren(servers) },
    {
      name: "publishing lost retries",
      everyMs: RETRIES_MS,
      run: (signal) => republishRetries(servers, signal, toldRetries),
    },
    { name: "pruning the ledger", everyMs: 60 * MINUTE_MS, run: (signal) => pruneOldOutcomes(servers, signal) },
    outboxChore(servers, { middleware }),
    comparingChore(servers),
    ...chores({ ...servers, historyMs, publishForgottenChildren: () => republishChildren(servers) }),
  ];
}
