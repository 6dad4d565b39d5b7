import { setTimeout as pause } from "node:timers/promises";

/** Time between two looks at a condition that has no event, ms. */
const LOOK_EVERY_MS = 10;

/**
 * Calls `look` until it returns something other than undefined.
 *
 * Returns undefined when `withinMs` have passed, or when `signal` aborted. Throws the errors of `look`.
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
