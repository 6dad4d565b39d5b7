import type { AnyTask } from "../definition/task.ts";
import type { Ledger } from "../definition/ledger.ts";

/**
 * Throws `TypeError` for a task whose effect is `once` and that cannot work with the ledger. That is so where there is no ledger, or
 * where the database ends transactions before the task's own timeout. Such an end is no failure of the task, so the task would be run
 * and cut off for ever.
 */
export function checkLedger(
  tasks: readonly Pick<AnyTask, "name" | "effect" | "timeoutMs">[],
  ledger: Ledger<unknown> | undefined,
): void {
  const longestMs = ledger?.transactionTimeoutMs ?? Number.POSITIVE_INFINITY;
  for (const { name, effect, timeoutMs } of tasks) {
    if (effect !== "once") continue;
    if (ledger === undefined) throw new TypeError(`Cannot run ${name}: its effect is "once"; give a ledger`);
    if (timeoutMs <= longestMs) continue;
    throw new TypeError(
      `Cannot run ${name}: its timeout is ${timeoutMs} ms, and the database ends every transaction after ${longestMs} ms; open the database with a transactionTimeoutMs of ${timeoutMs}`,
    );
  }
}
