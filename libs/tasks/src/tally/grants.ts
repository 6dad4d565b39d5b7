import { LAPSE_MARGIN_MS } from "../broker/timed_entry.ts";
import type { Mode, Tally, TallyLease, TallyWaiting } from "./tally.ts";

/** How much of a key may be had now by one process, and when more. */
export interface Room {
  /** Number of further tasks that may have a part now. Of a read-write lock: readers. */
  readonly free: number;
  /** Whether a writer may have the read-write lock now. */
  readonly forWriter: boolean;
  /** Time until more is free by itself, ms: a window goes on, or a lease lapses. Infinity: never. */
  readonly nextInMs: number;
}

/** Greatest number of readers that one process tries at a time. */
export const MOST_READERS = 1_000;

/** Whether a lease or an entry of a line counts no more. `nowMs` must not be later than the broker's time. */
function hasLapsed(untilMs: number, nowMs: number): boolean {
  return untilMs + LAPSE_MARGIN_MS < nowMs;
}

/** The times of a lease, or of a process's place in a line. */
export type Timed = Pick<TallyLease, "untilMs" | "ttlMs">;
/** Whether an entry of this name has not changed for longer than its time to live, by a clock that cannot jump. */
export type StandsStill = (name: string, entry: Timed) => boolean;

/**
 * Drops leases that have lapsed, and places of processes that say no more. An entry that stands still has lapsed whatever the broker's
 * clock says, which may have been set back. Returns whether anything was dropped.
 */
export function dropLapsed(tally: Tally, nowMs: number, standsStill: StandsStill): boolean {
  const before = tally.leases.length + tally.waiting.length;
  const counts = (name: string, entry: Timed) => !hasLapsed(entry.untilMs, nowMs) && !standsStill(name, entry);
  tally.leases = tally.leases.filter((lease) => counts(lease.holder, lease));
  tally.waiting = tally.waiting.filter((entry) => counts(`${entry.mode} ${entry.line}`, entry));
  endEpoch(tally);
  return tally.leases.length + tally.waiting.length < before;
}

/** Drops the lease of `holder`. Returns whether it was there. */
export function dropLease(tally: Tally, holder: string): boolean {
  const before = tally.leases.length;
  tally.leases = tally.leases.filter((each) => each.holder !== holder);
  endEpoch(tally);
  return tally.leases.length < before;
}

/** Readers that hold together end together. The next reader begins with a token of its own. */
function endEpoch(tally: Tally): void {
  if (tally.leases.every(({ mode }) => mode !== "shared")) tally.epoch = undefined;
}

/**
 * Whether the process with this line may have the read-write lock. Readers share it. A task that waits in another process since before goes
 * first, unless both are readers. So neither writers nor readers starve.
 */
export function mayHold({ leases, waiting }: Tally, mode: Exclude<Mode, "one">, line: string): boolean {
  if (mode === "exclusive" && leases.length > 0) return false;
  if (leases.some((lease) => lease.mode === "exclusive")) return false;
  const ours = waiting.findIndex((each) => each.line === line && each.mode === mode);
  const before = ours < 0 ? waiting : waiting.slice(0, ours);
  return before.every((each) => each.line === line || (mode === "shared" && each.mode === "shared"));
}

/** Adds a lease. The first of several readers begins their epoch, whose token is the revision of the write that comes. */
export function addLease(tally: Tally, lease: TallyLease): void {
  if (lease.mode === "shared") tally.epoch ??= { id: lease.holder };
  tally.leases = [...tally.leases, lease];
}

/** The place of one process in the line of a read-write lock. */
function placeOf({ waiting }: Tally, line: string, mode: Mode): TallyWaiting | undefined {
  return waiting.find((each) => each.line === line && each.mode === mode);
}

/** Takes the process out of the line. Returns whether it stood there. */
export function leaveLine(tally: Tally, line: string, mode: Mode): boolean {
  const place = placeOf(tally, line, mode);
  if (place === undefined) return false;
  tally.waiting = tally.waiting.filter((each) => each !== place);
  return true;
}

/** Puts the process into the line, or keeps its place there for longer. */
export function joinLine(tally: Tally, entry: TallyWaiting): void {
  const place = placeOf(tally, entry.line, entry.mode);
  if (place === undefined) tally.waiting = [...tally.waiting, entry];
  else tally.waiting = tally.waiting.map((each) => (each === place ? entry : each));
}

/** Time until a lease or a line's entry lapses by itself, ms. Infinity: there is none. */
export function untilLapse({ leases, waiting }: Tally, nowMs: number): number {
  const earliest = Math.min(...[...leases, ...waiting].map(({ untilMs }) => untilMs));
  return Math.max(0, earliest + LAPSE_MARGIN_MS - nowMs);
}
