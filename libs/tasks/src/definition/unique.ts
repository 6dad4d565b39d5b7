import type { Interval } from "../calendar/schedule.ts";

/**
 * Lets one task of a key wait at a time, among all tasks of its name and VO.
 *
 * - `one waiting`: while one waits, another one is not stored; the publisher is told which task stands.
 * - `replace`: the new one takes the place of the one that waits.
 * - `debounce`: like `replace`, and it starts `wait` after the last publish.
 *
 * A task that has begun does not wait any more: another one may be published while it runs, and while it waits for a retry.
 */
export type Unique =
  | { readonly key: string; readonly mode: "one waiting" | "replace" }
  | { readonly key: string; readonly mode: "debounce"; readonly wait: Interval };
