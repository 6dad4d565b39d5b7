import { randomUUID } from "node:crypto";
import type { Lock } from "../definition/lock_type.ts";
import type { AttemptLease } from "../run/attempt.ts";

let lastToken = 0;

/** Above all tokens of this process so far, and of a bucket that was made before now: a database refuses tokens that fall. */
function nextToken(): number {
  lastToken = Math.max(lastToken + 1, Date.now() * 1_000);
  return lastToken;
}

/** A lease that nobody else wants and that is never lost. */
export function playLease({ key, kind }: Lock): AttemptLease {
  return {
    key,
    fencingToken: nextToken(),
    holder: randomUUID(),
    fence: kind === "mutex" || kind === "exclusive" ? "own" : kind === "shared" ? "shared" : "none",
    signal: new AbortController().signal,
    checkDeadline() {},
  };
}
