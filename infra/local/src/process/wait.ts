import { setTimeout as pause } from "node:timers/promises";

/** How often a condition without an event of its own is looked at, ms. */
const LOOK_EVERY_MS = 10;

/**
 * Looks until `look` answers something other than undefined.
 *
 * Returns undefined when `withinMs` have passed, or when `signal` aborted. Throws what `look` throws.
 */
export async function lookUntil<T>(
  withinMs: number,
  look: () => Promise<T | undefined>,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const end = performance.now() + withinMs;
  while (signal?.aborted !== true) {
    const seen = await look();
    if (seen !== undefined || performance.now() > end) return seen;
    await pause(LOOK_EVERY_MS);
  }
  return undefined;
}
