// Tested by libs/tasks/src/tally/plan_test.ts

/**
 * A tally: the value under the key of a read-write lock or a limiter. It holds all leases of that key, since several tasks have a part of
 * it at a time. Each process changes it by compare-and-set. All times in it are by the broker's clock, ms since the epoch.
 */

/** What a key of the bucket `locks` is by its form. */
export type LockKind = "mutex" | "rw" | "concurrency" | "rate";

/** The keys of tallies. They begin with `_`, as no lock type does. */
const PREFIXES: Readonly<Record<Exclude<LockKind, "mutex">, string>> = {
  rw: "_rw.",
  concurrency: "_concurrency.",
  rate: "_rate.",
};

export function kindOfKey(key: string): LockKind {
  if (key.startsWith(PREFIXES.rw)) return "rw";
  if (key.startsWith(PREFIXES.concurrency)) return "concurrency";
  return key.startsWith(PREFIXES.rate) ? "rate" : "mutex";
}

/** Whether the key is that of a limiter, which may be reached and is never somebody's. */
export function isLimiterKey(key: string): boolean {
  const kind = kindOfKey(key);
  return kind === "rate" || kind === "concurrency";
}

/** The lock type in a key: `my_pilot` of `my_pilot.ce01`, and `site` of `_rw.site.ce01`. */
export function lockTypeIn(key: string): string {
  const name = kindOfKey(key) === "mutex" ? key : limitName(key);
  const end = name.indexOf(".");
  return end < 0 ? name : name.slice(0, end);
}

/** The part of a key that names a limiter which the settings of a task have made. No lock type has it, since it begins with `_`. */
export const OF_SETTINGS = "_task.";

/** Whether a limiter comes from the settings of a task. Its lease is none that the task has asked for. */
export function isOfSettings(key: string): boolean {
  return isLimiterKey(key) && limitName(key).startsWith(OF_SETTINGS);
}

/** The name of a limiter in `limits` of the configuration: its key without `_rate.` or `_concurrency.`. */
export function limitName(key: string): string {
  return key.slice(key.indexOf(".") + 1);
}

/** How a lease has its part: `one` of so many, or one side of a read-write lock. */
export type Mode = "one" | "shared" | "exclusive";

export interface TallyLease {
  /** A random name of this one hold. */
  readonly holder: string;
  readonly worker: string;
  readonly taskId: string;
  /** When it was taken, RFC 3339, UTC. */
  readonly since: string;
  /** Absent: `one`. */
  readonly mode?: "shared" | "exclusive" | undefined;
  /** The lease has lapsed a second after this. Its holder's process sets it later with each renewal. */
  untilMs: number;
  /** Time to live that each renewal gives it, ms. */
  readonly ttlMs: number;
}

export interface TallyWaiting {
  /** The name of the process's line. */
  readonly line: string;
  readonly worker: string;
  readonly mode: "shared" | "exclusive";
  untilMs: number;
  readonly ttlMs: number;
}

/** A tally. It is a draft while a process works on it. */
export interface Tally {
  /** A random name of the write, by which its author knows it again. */
  by: string;
  leases: TallyLease[];
  /** Readers that hold together. `token` is the revision that began it; absent: the revision of this very write. */
  epoch?: { id: string; token?: number | undefined } | undefined;
  /** Processes with tasks in line for a read-write lock, first come first. */
  waiting: TallyWaiting[];
  /** How many tasks began up to when, oldest first: `[atMs, count]`. */
  takes: [number, number][];
}

export function emptyTally(): Tally {
  return { by: "", leases: [], waiting: [], takes: [] };
}

/** The tally as it is stored. Parts without content are left out. */
export function printTally({ by, leases, epoch, waiting, takes }: Tally): string {
  return JSON.stringify({
    by,
    ...(leases.length === 0 ? {} : { leases }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(waiting.length === 0 ? {} : { waiting }),
    ...(takes.length === 0 ? {} : { takes }),
  });
}

/** Whether nobody has a part of it or waits for one. */
export function isEmpty({ leases, waiting, takes }: Tally): boolean {
  return leases.length === 0 && waiting.length === 0 && takes.length === 0;
}
