import type { Lock } from "../definition/lock_type.ts";
import type { PreparedTask } from "./identify.ts";
import type { RunContext, Waiting } from "./run_task.ts";

/** The locks that the definition names, and then the limiters of the configuration. */
export function locksOf(
  context: Pick<RunContext, "limitersOf">,
  { received: { definition, vo }, payload }: PreparedTask,
): readonly Lock[] {
  const own = definition.locks(payload as never, vo);
  const limiters = context.limitersOf(definition.name, vo);
  return limiters.length === 0 ? own : [...own, ...limiters];
}

/**
 * Returns the lock for which too many tasks wait here already. Such a task goes back before it asks the ledger or the broker, since
 * otherwise each task of a crowd would ask.
 */
export function fullLine(
  context: Pick<RunContext, "locks" | "limitersOf">,
  task: PreparedTask,
  { waiter }: Pick<Waiting, "waiter">,
): string | undefined {
  try {
    return context.locks.fullAt(
      locksOf(context, task).map(({ key }) => key),
      waiter,
    );
  } catch {
    return undefined; // `takeLocks` meets the same error and records it as the attempt's failure
  }
}
