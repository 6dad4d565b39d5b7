import type { Rate } from "../definition/limit_text.ts";
import {
  addLease,
  dropLapsed,
  dropLease,
  joinLine,
  leaveLine,
  mayHold,
  MOST_READERS,
  type Room,
  type StandsStill,
  untilLapse,
} from "./grants.ts";
import { addTakes, clampTakes, dropOld, roomOf, stampAt, stepOf, takeBack } from "./rate_window.ts";
import type { Mode, Tally } from "./tally.ts";

/** The broker's time at one moment, as far as a process knows it, ms since the epoch. */
export interface BrokerNow {
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** How much of a key there is. Of a read-write lock: nothing needs to be said. */
export type Limit = { readonly rate: Rate } | { readonly concurrency: number } | undefined;

/** A task that asks for a part of a key. */
export interface Want {
  readonly id: number;
  readonly mode: Mode;
  readonly limit: Limit;
  readonly holder: string;
  readonly worker: string;
  readonly taskId: string;
  readonly since: string;
  readonly ttlMs: number;
  /** Number of other tasks of this process that are in line in this mode. */
  readonly others: number;
}

/** A place that this process wants to have in the line of a read-write lock. */
export interface LineWanted {
  readonly mode: Exclude<Mode, "one">;
  readonly worker: string;
  readonly ttlMs: number;
  /** Whether its time is to be made longer. */
  readonly isDue: boolean;
}

/** What a process wants of one key. All of it goes into one write. */
export interface Wanted {
  /** The name of this process in lines. */
  readonly line: string;
  readonly wants: readonly Want[];
  /** Holders of the leases that are released. */
  readonly drops: readonly string[];
  /** Holders of the leases that are renewed, with their times to live. */
  readonly renewals: readonly { readonly holder: string; readonly ttlMs: number }[];
  /** Times under which tasks were counted that will not begin. */
  readonly refunds: readonly number[];
  /** Times under which tasks will have begun that were counted earlier: `from` is undefined where that may have been undone already. */
  readonly moves: readonly { readonly fromMs: number | undefined; readonly toMs: number }[];
  readonly lines: readonly LineWanted[];
  /** Modes in which this process gives up its place in the line. */
  readonly leaves: readonly Exclude<Mode, "one">[];
  /** The limit that was told last. */
  readonly limit: Limit;
  readonly standsStill: StandsStill;
}

export interface Granted {
  readonly want: Want;
  /** Of a rate: the time under which the task was counted. It must begin by then. */
  readonly stampMs: number | undefined;
}

/** What comes of it. */
export interface Plan {
  readonly draft: Tally;
  /** Whether the draft differs from what is stored, so that it must be written. */
  readonly isChanged: boolean;
  readonly granted: readonly Granted[];
  readonly refused: readonly Want[];
}

/** Parts of a rate's window within which a task must begin, and its bounds, ms. Its quota comes back so much later. */
const ALLOWANCE_PART = 1 / 20;
const ALLOWANCE_MS = { least: 25, most: 500 };
/** Time by which a stored time may be ahead of the broker's, beside its step, ms. Beyond that the broker's clock was set back. */
const AHEAD_MS = 5_000;

/** Time after the write within which a task has to begin, ms. */
export function allowanceMs({ perMs }: Rate): number {
  return Math.min(ALLOWANCE_MS.most, Math.max(ALLOWANCE_MS.least, Math.round(perMs * ALLOWANCE_PART)));
}

export function rateOf(limit: Limit): Rate | undefined {
  return limit !== undefined && "rate" in limit ? limit.rate : undefined;
}

/** Gives a part of the key to `want` if there is one. Returns undefined where there is none. */
function grant(
  draft: Tally,
  { want, line }: { readonly want: Want; readonly line: string },
  now: BrokerNow,
): Granted | undefined {
  const { mode, limit, holder, worker, taskId, since, ttlMs } = want;
  const rate = rateOf(limit);
  if (rate !== undefined) {
    if (roomOf(draft.takes, rate, now.earliestMs).free < 1) return undefined;
    const stampMs = stampAt(rate, now.latestMs + allowanceMs(rate));
    draft.takes = addTakes(draft.takes, stampMs, 1);
    return { want, stampMs };
  }
  const untilMs = now.earliestMs + ttlMs;
  if (draft.leases.some((lease) => lease.holder === holder)) {
    // An earlier write was stored, and its answer was lost.
    draft.leases = draft.leases.map((lease) => (lease.holder === holder ? { ...lease, untilMs } : lease));
    return { want, stampMs: undefined };
  }
  if (mode !== "one" && !mayHold(draft, mode, line)) return undefined;
  if (limit !== undefined && "concurrency" in limit && draft.leases.length >= limit.concurrency) return undefined;
  const lease = { holder, worker, taskId, since, untilMs, ttlMs };
  addLease(draft, mode === "one" ? lease : { ...lease, mode });
  return { want, stampMs: undefined };
}

function renew(draft: Tally, { renewals }: Wanted, now: BrokerNow): boolean {
  let isChanged = false;
  const ttls = new Map(renewals.map(({ holder, ttlMs }) => [holder, ttlMs]));
  draft.leases = draft.leases.map((lease) => {
    const ttlMs = ttls.get(lease.holder);
    if (ttlMs === undefined) return lease;
    isChanged = true;
    return { ...lease, untilMs: now.earliestMs + ttlMs };
  });
  return isChanged;
}

function changeTakes(draft: Tally, { refunds, moves, limit }: Wanted, now: BrokerNow): boolean {
  const rate = rateOf(limit);
  if (rate !== undefined) draft.takes = dropOld(draft.takes, now.earliestMs, rate.perMs);
  draft.takes = clampTakes(draft.takes, now.latestMs + AHEAD_MS + (rate === undefined ? 0 : stepOf(rate)));
  for (const atMs of refunds) draft.takes = takeBack(draft.takes, atMs);
  for (const { fromMs, toMs } of moves) {
    if (fromMs !== undefined) draft.takes = takeBack(draft.takes, fromMs);
    draft.takes = addTakes(draft.takes, toMs, 1);
  }
  return refunds.length + moves.length > 0;
}

/** Keeps the places of this process in the line. A process that may have the lock needs none. */
function keepLines(
  draft: Tally,
  { line, lines, leaves, over }: Pick<Wanted, "line" | "lines" | "leaves"> & { readonly over: ReadonlySet<Mode> },
  now: BrokerNow,
): boolean {
  let isChanged = false;
  const isWanted = (mode: Mode) => !over.has(mode) && lines.some((each) => each.mode === mode);
  const unwanted = draft.waiting.filter((each) => each.line === line && !isWanted(each.mode));
  for (const mode of [...leaves, ...unwanted.map((each) => each.mode)]) {
    isChanged = leaveLine(draft, line, mode) || isChanged;
  }
  for (const { mode, worker, ttlMs, isDue } of lines) {
    if (over.has(mode)) continue;
    const isThere = draft.waiting.some((each) => each.line === line && each.mode === mode);
    if (isThere ? !isDue : mayHold(draft, mode, line)) continue;
    joinLine(draft, { line, worker, mode, untilMs: now.earliestMs + ttlMs, ttlMs });
    isChanged = true;
  }
  return isChanged;
}

/**
 * Works out what one process may have of a key, and the tally to store for that. It asks nobody. The order is fixed: what lapsed or was
 * given back makes room, then those who ask are served first come first.
 */
export function planTally(base: Tally, wanted: Wanted, now: BrokerNow): Plan {
  const draft: Tally = { ...base };
  let isChanged = dropLapsed(draft, now.earliestMs, wanted.standsStill);
  for (const holder of wanted.drops) isChanged = dropLease(draft, holder) || isChanged;
  isChanged = changeTakes(draft, wanted, now) || isChanged;
  isChanged = renew(draft, wanted, now) || isChanged;
  const granted: Granted[] = [];
  const refused: Want[] = [];
  const served = new Set<Exclude<Mode, "one">>();
  const over = new Set<Mode>();
  for (const want of wanted.wants) {
    const answer = grant(draft, { want, line: wanted.line }, now);
    if (answer === undefined) {
      refused.push(want);
      continue;
    }
    granted.push(answer);
    // A writer has had its turn. Readers go on together until the last of their process has the lock, or their place is given up.
    if (want.mode !== "one" && (want.mode === "exclusive" || want.others === 0)) served.add(want.mode);
    // Nobody of this process waits in this mode any more. A place that nobody gives up would hold others up until it lapses.
    if (want.others === 0) over.add(want.mode);
  }
  for (const mode of served) leaveLine(draft, wanted.line, mode);
  isChanged = keepLines(draft, { ...wanted, over }, now) || granted.length > 0 || isChanged;
  return { draft, isChanged, granted, refused };
}

/** What of the key is free for one process. `nowMs` must not be later than the broker's time. */
export function roomIn(tally: Tally, { line, limit }: Pick<Wanted, "line" | "limit">, nowMs: number): Room {
  const lapseMs = untilLapse(tally, nowMs);
  const rate = rateOf(limit);
  if (rate !== undefined) {
    const { free, next } = roomOf(tally.takes, rate, nowMs);
    return { free, forWriter: false, nextInMs: Math.max(0, next[0] - nowMs) };
  }
  if (limit !== undefined && "concurrency" in limit) {
    return { free: Math.max(0, limit.concurrency - tally.leases.length), forWriter: false, nextInMs: lapseMs };
  }
  const free = mayHold(tally, "shared", line) ? MOST_READERS : 0;
  return { free, forWriter: mayHold(tally, "exclusive", line), nextInMs: lapseMs };
}
