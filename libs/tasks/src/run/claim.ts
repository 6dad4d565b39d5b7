import type { Claim, Fence } from "../definition/ledger.ts";
import { isOfSettings } from "../tally/tally.ts";
import type { AttemptInput, AttemptLease } from "./attempt.ts";

/** A run that wants to write. */
type ClaimingRun = Pick<AttemptInput<unknown>, "taskId" | "definition" | "vo" | "attempt" | "leases">;

/** The leases of the task's own locks, without those of limiters from the settings. */
export function ownLeasesOf(leases: readonly AttemptLease[]): readonly AttemptLease[] {
  return leases.some(({ key }) => isOfSettings(key)) ? leases.filter(({ key }) => !isOfSettings(key)) : leases;
}

/** What the database is to fence. A limiter protects nothing from two writers. */
function fencesOf(leases: readonly AttemptLease[]): Fence[] {
  const fences: Fence[] = [];
  for (const { key, fencingToken, holder, fence } of leases) {
    if (fence === undefined || fence === "own") fences.push({ key, fencingToken, holder });
    else if (fence === "shared") fences.push({ key, fencingToken, holder, isShared: true });
  }
  return fences;
}

/** What a run claims before it may write. */
export function claimOf({ taskId, definition, vo, attempt, leases }: ClaimingRun): Claim {
  const fences = fencesOf(leases);
  if (fences.length > 1) fences.sort((a, b) => (a.key < b.key ? -1 : 1));
  return { taskId, task: definition.name, vo, attempt, fences };
}
