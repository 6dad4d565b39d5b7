// A process that keeps locks while it waits, and is killed then. Started by killed_waiter_test.ts.
import { once } from "node:events";
import { defineLockType } from "../definition/lock_type.ts";
import { joinGrid } from "./_grid_test.ts";

export const site = defineLockType("killed_waiter_site");

/** In the order in which they are taken. */
export const WAITER_LOCKS = [
  site.exclusive("data"),
  site.concurrency("a_permit", 1),
  site.concurrency("b_limit", 1),
] as const;

/** Of the leases that others wait to lapse, ms. */
const TTL_MS = 4_000;

async function main(url: string): Promise<void> {
  const { locks } = await joinGrid(url, { worker: "killed", keepAfterMs: 0, ttlMs: TTL_MS });
  async function attempt(): Promise<void> {
    const request = { taskId: "killed", untilMs: Number.POSITIVE_INFINITY, waiter };
    const answer = await locks.tryAcquireAll(WAITER_LOCKS, request);
    if (answer.kind === "taken" || !locks.wait(waiter)) throw new Error("it does not wait");
    process.send?.(answer.by);
  }
  const waiter = { resume: () => void attempt() };
  waiter.resume();
  await once(process, "disconnect"); // it ends with the test
  process.exit(1);
}

if (process.send !== undefined && process.argv[2] !== undefined) await main(process.argv[2]);
