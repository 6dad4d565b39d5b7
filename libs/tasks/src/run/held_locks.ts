import type { Broker } from "../broker/broker.ts";
import type { Lock } from "../definition/lock_type.ts";
import { LeaseLostError } from "../lease/lease.ts";
import type { Turn } from "../locks/turns.ts";
import { lockTypeIn } from "../tally/tally.ts";
import type { AttemptEnd } from "./attempt.ts";
import type { PreparedTask } from "./identify.ts";

/** The locks of a run. */
export interface Held {
  readonly turns: readonly Turn[];
  /** From the first try until all were held, ms. */
  readonly waitedMs: number;
  /** By `performance.now()`. */
  readonly takenAtMs: number;
}

/** The locks of a run that needs none. */
export const NO_LOCKS: Held = { turns: [], waitedMs: 0, takenAtMs: 0 };

/** Reports what a run that has just ended had of its locks. */
export function tellLocks(
  { observer }: Pick<Broker, "observer">,
  { received }: PreparedTask,
  { turns, waitedMs, takenAtMs, end }: Held & { readonly end: AttemptEnd },
): void {
  if (turns.length === 0) return;
  const lost = end.kind === "abandoned" && end.error instanceof LeaseLostError ? end.error.key : undefined;
  observer.locks?.({
    task: received.definition.name,
    lockTypes: turns.map(({ key }) => lockTypeIn(key)),
    waitedMs,
    heldMs: performance.now() - takenAtMs,
    ...(lost === undefined ? {} : { lost: lockTypeIn(lost) }),
  });
}

/** Makes the span of a run's wait for its locks, which is over. */
export function traceWait(
  { observer }: Pick<Broker, "observer">,
  { received, taskId, attempt }: PreparedTask,
  { locks, beganAtMs }: { readonly locks: readonly Lock[]; readonly beganAtMs: number },
): void {
  if (observer.tracing === undefined) return;
  const keys = locks.map(({ key }) => key);
  const { definition, vo } = received;
  observer.tracing.begin({ kind: "locks", task: definition.name, vo, taskId, attempt, keys, beganAtMs }).end();
}
