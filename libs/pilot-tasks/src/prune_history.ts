import type { ChoreContext } from "@muster/app";
import { prunePilots } from "@muster/logic";

/**
 * Drops the rows of pilots that ended longer ago than the setting `MUSTER_HISTORY_DAYS` says, in pieces of a few milliseconds. Their numbers stay.
 */
export async function pruneHistory(
  { database, log, historyMs }: Pick<ChoreContext, "database" | "log" | "historyMs">,
  signal: AbortSignal,
): Promise<void> {
  if (historyMs === Number.POSITIVE_INFINITY) return;
  let total = 0;
  for (let after: number | undefined = 0; after !== undefined && !signal.aborted; ) {
    const from: number = after;
    const { dropped, next } = await database.transaction((transaction) =>
      prunePilots(transaction, { keptForMs: historyMs, after: from }),
    );
    total += dropped;
    after = next;
  }
  if (total > 0) log.info({ dropped: total }, "dropped rows of pilots that ended long ago");
}
