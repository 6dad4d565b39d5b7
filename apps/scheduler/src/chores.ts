import { type Database, dropLostRequests, listUnpublished, pruneLedger } from "@muster/logic";
import { MyPilotTask } from "@muster/pilot-tasks";
import type { Log } from "@muster/service";
import { type Broker, type Chore, listDelayed, listWaiting, publishSpawned, readConfiguration } from "@muster/tasks";

const MINUTE_MS = 60_000;
/** Rows that one statement deletes: small enough that no task waits for its locks. */
const PRUNED_AT_ONCE = 10_000;
/** Rows whose children are published in one go. */
const REPUBLISHED_AT_ONCE = 100;

export interface ChoreContext {
  readonly broker: Broker;
  readonly database: Database;
  readonly log: Pick<Log, "info" | "warn">;
}

/**
 * Publishes children that the ledger lists and nobody has marked as published for five minutes, as when a worker died after its
 * commit and its message was lost with a stream. The same ids go out again, so those that did arrive have no second effect.
 */
export async function republishChildren({ broker, database, log }: ChoreContext): Promise<void> {
  for (;;) {
    const rows = await database.transaction((transaction) => listUnpublished(transaction, REPUBLISHED_AT_ONCE));
    for (const { taskId, task, vo, spawned } of rows) {
      await publishSpawned(broker, taskId, spawned);
      await database.unitOfWork.markPublished(taskId);
      log.warn({ task, vo, taskId, spawned: spawned.length }, "published the children of a task that had not been");
    }
    if (rows.length < REPUBLISHED_AT_ONCE) return;
  }
}

/** Delayed tasks that are looked at to find requests whose messages are not among them. */
const MAX_DELAYED = 10_000;

/**
 * Forgets pilots that were asked for ten minutes ago and whose message no stream holds any more, as after the loss of a stream: their
 * slots would count as taken for ever.
 */
export async function forgetLostRequests({ broker, database, log }: ChoreContext): Promise<void> {
  const { vos } = await readConfiguration(broker);
  const delayed = await listDelayed(broker, MAX_DELAYED);
  // There are more than can be told from one another, or one's time has come a moment ago: the next round sees.
  if (delayed.tasks.length < delayed.total) return;
  const ids = delayed.tasks.filter(({ task }) => task === MyPilotTask.name).map(({ taskId }) => taskId);
  const waiting = (await listWaiting(broker, MyPilotTask.name)).filter(({ ready }) => ready > 0);
  const busyVos = new Set(waiting.map(({ vo }) => vo));
  const emptyVos = Object.keys(vos).filter((vo) => !busyVos.has(vo));
  const dropped = await database.transaction((transaction) => dropLostRequests(transaction, emptyVos, ids));
  if (dropped > 0) log.warn({ dropped }, "forgot pilots that were asked for and whose messages are lost");
}

/** Drops the ledger's rows of tasks that were settled thirty days ago. */
export async function pruneOldOutcomes({ database, log }: ChoreContext, signal: AbortSignal): Promise<void> {
  for (let total = 0; !signal.aborted; ) {
    const dropped = await database.transaction((transaction) => pruneLedger(transaction, PRUNED_AT_ONCE));
    total += dropped;
    if (dropped === PRUNED_AT_ONCE) continue;
    if (total > 0) log.info({ dropped: total }, "dropped old rows of the ledger");
    return;
  }
}

/** What the leading scheduler looks after in the database. */
export function createChores(context: ChoreContext): readonly Chore[] {
  return [
    { name: "publishing forgotten children", everyMs: MINUTE_MS, run: () => republishChildren(context) },
    { name: "forgetting lost requests", everyMs: MINUTE_MS, run: () => forgetLostRequests(context) },
    { name: "pruning the ledger", everyMs: 60 * MINUTE_MS, run: (signal) => pruneOldOutcomes(context, signal) },
  ];
}
