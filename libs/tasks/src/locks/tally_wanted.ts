// Tested by libs/tasks/src/locks/tallies_test.ts
import type { Lock } from "../definition/lock_type.ts";
import type { Limit } from "../tally/plan.ts";
import type { Mode } from "../tally/tally.ts";

/** A read-write lock or a limiter, with the limit in force for it. */
export interface TallyWanted {
  readonly lock: Exclude<Lock, { readonly kind: "mutex" }>;
  readonly limit: Limit;
}

/** How a lease of the lock has its part. */
export function modeOf({ kind }: TallyWanted["lock"]): Mode {
  return kind === "exclusive" || kind === "shared" ? kind : "one";
}

/** Whether it is a read-write lock and no limiter. */
export function isReadWrite({ lock: { kind } }: TallyWanted): boolean {
  return kind === "exclusive" || kind === "shared";
}
