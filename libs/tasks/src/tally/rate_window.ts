import type { Rate } from "../definition/limit_text.ts";

/**
 * A true sliding window: which tasks began when, `[atMs, count]`, oldest first.
 *
 * Each time in it is no earlier than the moment at which its tasks begin. So within any window of the rate's length no more tasks begin
 * than the rate allows, also across an edge where a fixed window would let twice as many pass.
 */
export type Takes = [atMs: number, count: number][];

/** Greatest number of entries. Beyond it two neighbours become one, at the later time. That never lets a task begin too early. */
const MOST_ENTRIES = 256;
/** Number of times in a window under which tasks are counted. Its entries then fit, and none is merged. */
const STEPS = 200;

/**
 * Returns the time under which a task is counted that begins by `atMs`: the next of 200 in a window. A later time never lets a task begin too
 * early.
 */
export function stampAt(rate: Rate, atMs: number): number {
  const stepMs = stepOf(rate);
  return Math.ceil(atMs / stepMs) * stepMs;
}

/** Time between two times under which tasks are counted, ms. */
export function stepOf({ perMs }: Rate): number {
  return Math.max(1, Math.floor(perMs / STEPS));
}

/** Drops what is older than the window. */
export function dropOld(takes: Takes, nowMs: number, perMs: number): Takes {
  return takes.filter(([atMs]) => atMs + perMs > nowMs);
}

/** How many tasks may begin now, and when how many more may. `nowMs` must not be later than the broker's time. */
export function roomOf(takes: Takes, rate: Rate, nowMs: number): { free: number; next: [atMs: number, count: number] } {
  const within = dropOld(takes, nowMs, rate.perMs);
  let used = within.reduce((sum, [, count]) => sum + count, 0);
  const free = Math.max(0, rate.count - used);
  // Where the rate was lowered, what ends first may make no room yet.
  for (const [atMs, count] of within) {
    used -= count;
    if (used < rate.count) return { free, next: [atMs + rate.perMs, Math.min(count, rate.count - used)] };
  }
  return { free, next: [Number.POSITIVE_INFINITY, 0] };
}

/** Adds tasks that begin by `atMs`. */
export function addTakes(takes: Takes, atMs: number, count: number): Takes {
  const later = takes.findIndex(([each]) => each >= atMs);
  const at = later < 0 ? takes.length : later;
  const added = takes.slice();
  if (added[at]?.[0] === atMs) added[at] = [atMs, added[at][1] + count];
  else added.splice(at, 0, [atMs, count]);
  while (added.length > MOST_ENTRIES) mergeClosest(added);
  return added;
}

/** Merges the two neighbours that are closest in time. */
function mergeClosest(takes: Takes): void {
  let closest = 1;
  let leastMs = Number.POSITIVE_INFINITY;
  for (let at = 1; at < takes.length; at++) {
    const gapMs = (takes[at]?.[0] ?? 0) - (takes[at - 1]?.[0] ?? 0);
    if (gapMs >= leastMs) continue;
    leastMs = gapMs;
    closest = at;
  }
  const [earlier, later] = [takes[closest - 1], takes[closest]];
  if (earlier === undefined || later === undefined) return;
  takes.splice(closest - 1, 2, [later[0], earlier[1] + later[1]]);
}

/**
 * Takes one task back that was added at `atMs`. Returns the same entries where none has this time: it has left the window, or was merged or
 * brought back to the present. A neighbour is that of another task, which may have begun. So its quota then comes back with the window.
 */
export function takeBack(takes: Takes, atMs: number): Takes {
  const at = takes.findIndex(([each]) => each === atMs);
  const found = takes[at];
  if (found === undefined) return takes;
  const [foundMs, count] = found;
  return takes.toSpliced(at, 1, ...(count > 1 ? ([[foundMs, count - 1]] as Takes) : []));
}

/**
 * Brings times that lie ahead of the broker's clock back to it, as after the clock was set back. Otherwise nothing would begin until the
 * clock gets there again. `latestMs` is the latest time that an honest writer can have meant.
 */
export function clampTakes(takes: Takes, latestMs: number): Takes {
  if (takes.every(([atMs]) => atMs <= latestMs)) return takes;
  return takes.map(([atMs, count]): [number, number] => [Math.min(atMs, latestMs), count]);
}
