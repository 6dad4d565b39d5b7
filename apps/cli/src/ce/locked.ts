// Tested by tests/src/cli/pilot_test.ts
import type { CeOverview } from "@muster/logic";
import { listLocks, type ShownLock } from "@muster/tasks/operate";
import { tableText } from "../print/output.ts";
import { complain, describeFailure } from "../run/failure.ts";
import { withBroker } from "../run/servers.ts";
import { rowOf, showCes, TITLES } from "./table.ts";

/** Who submits to a CE now. */
export interface CeLock {
  readonly key: string;
  readonly worker: string;
  readonly taskId: string;
  /** Since when, RFC 3339. */
  readonly since: string;
  /** Time after which it is free if nobody renews it, ms. */
  readonly leftMs: number;
  /** Tasks that wait for it, as their workers told it in the last ten seconds. */
  readonly waiting: number;
}

/** A CE, and who holds its lock; null: nobody, undefined: NATS does not tell. */
export interface LockedCe extends CeOverview {
  readonly lock?: CeLock | null;
}

function lockIn(locks: ReadonlyMap<string, ShownLock>, key: string): CeLock | null {
  const lock = locks.get(key);
  const lease = lock?.leases[0];
  if (lock === undefined || lease === undefined) return null;
  const { worker, taskId, since, leftMs } = lease;
  return { key, worker, taskId, since, leftMs, waiting: lock.waiting.reduce((sum, { count }) => sum + count, 0) };
}

/** Adds to each CE who holds its lock. Where NATS cannot be asked, that is told on standard error, and the CEs come without it. */
export async function withLocks(ces: readonly CeOverview[]): Promise<readonly LockedCe[]> {
  if (ces.length === 0) return ces;
  try {
    const { myPilotLock } = await import("@muster/pilot-tasks");
    const locks = new Map((await withBroker(listLocks)).map((lock) => [lock.key, lock]));
    return ces.map((ce) => ({ ...ce, lock: lockIn(locks, myPilotLock.mutex(ce.name).key) }));
  } catch (error) {
    complain(`Cannot tell who holds the CEs' locks: ${describeFailure(error)}`);
    return ces;
  }
}

/** CEs as a table, with who holds their locks. */
export function showLocked(ces: readonly LockedCe[]): string {
  if (ces.length === 0) return showCes([]);
  return tableText(
    [...TITLES, "LOCK HELD BY", "#LEFT", "+FOR TASK", "+#WAIT"],
    ces.map((ce) => {
      const { lock } = ce;
      if (lock === undefined) return [...rowOf(ce), "?", "", "", ""];
      if (lock === null) return [...rowOf(ce), "-", "", "", ""];
      return [
        ...[...rowOf(ce), lock.worker, `${(lock.leftMs / 1_000).toFixed(1)} s`],
        ...[lock.taskId, String(lock.waiting)],
      ];
    }),
  );
}
