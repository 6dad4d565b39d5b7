// Tested by libs/tasks/src/locks/several_test.ts
import type { Lock } from "../definition/lock_type.ts";
import type { Turn } from "./turns.ts";
import type { Waiter } from "./waiting_room.ts";

/** Time after its first refusal from which a waiter keeps what it holds while it waits for one lock more, ms. */
const KEEP_AFTER_MS = 2_000;
/** Longest time for which locks are kept while their waiter waits for a limit, ms. A limit may be reached for hours. */
const KEEP_FOR_LIMIT_MS = 5_000;

/** A lock that its waiter holds while it waits for another. */
export interface KeptLock {
  readonly kind: Lock["kind"];
  readonly turn: Turn;
}

/** The wait of one waiter. Only `KeptLocks` writes it. `TallyLines` reads `sinceMs`. */
export interface KeptState {
  /** When it was first refused, by `performance.now()`. */
  readonly sinceMs: number;
  /** The last place in the order of its locks at which it was refused. */
  furthest: number;
  /** Whether it was refused at an earlier place than before: others came to that lock while it waited for a later one. */
  isOvertaken: boolean;
  /** In the order in which all tasks take them. */
  locks: readonly KeptLock[];
  /** Gives `locks` back, where they are kept for a limit. */
  timer?: NodeJS.Timeout | undefined;
}

/** When waiters keep what they hold. */
export interface KeepOptions {
  /** Time after its first refusal from which a waiter keeps what it holds, ms. Default 2,000. */
  readonly afterMs?: number | undefined;
  /** Longest time for which a waiter keeps it for a limit, from each refusal there, ms. Default 5,000. */
  readonly forLimitMs?: number | undefined;
}

/** Whether the lease is ours for sure. */
function isOurs({ signal, checkDeadline }: Turn): boolean {
  try {
    checkDeadline();
    return !signal.aborted;
  } catch {
    return false;
  }
}

/**
 * The locks that tasks keep while they wait for one lock more.
 *
 * A task that gives all back at each refusal may starve, since others come to its first lock while it waits for its second. So a waiter
 * of read-write locks keeps what it holds once it has waited for some time. One that was overtaken keeps it for a limiter too, for a
 * short time. All locks are
 * taken in one order, and what is kept is always the first part of it. So two tasks can never wait for each other.
 */
export class KeptLocks {
  readonly #afterMs: number;
  readonly #forLimitMs: number;
  readonly #releases = new Set<Promise<unknown>>();

  constructor({ afterMs = KEEP_AFTER_MS, forLimitMs = KEEP_FOR_LIMIT_MS }: KeepOptions = {}) {
    this.#afterMs = afterMs;
    this.#forLimitMs = forLimitMs;
  }

  /** Whether the waiter has waited so long that it keeps what it holds. */
  isPatient({ kept }: Waiter): boolean {
    return kept !== undefined && performance.now() - kept.sinceMs >= this.#afterMs;
  }

  /**
   * Whether others came to one of its locks while it waited for a later one. Such a waiter keeps what it holds for a limiter as well:
   * else one of the two would be taken each time that it comes to the other.
   */
  isOvertaken({ kept }: Waiter): boolean {
    return kept?.isOvertaken === true;
  }

  /** The waiter was refused at the place `at` in the order of its locks. */
  noteRefused(waiter: Waiter, at: number): void {
    waiter.kept ??= { sinceMs: performance.now(), furthest: at, isOvertaken: false, locks: [] };
    waiter.kept.isOvertaken ||= at < waiter.kept.furthest;
    waiter.kept.furthest = Math.max(waiter.kept.furthest, at);
  }

  /** The waiter was refused, and holds `locks` until it tries again or is forgotten, but no longer than `untilMs` of `performance.now()`. */
  keep(waiter: Waiter, locks: readonly KeptLock[], untilMs: number): void {
    for (const { turn } of locks) turn.renewUntil(untilMs);
    if (waiter.kept !== undefined) waiter.kept.locks = locks;
  }

  /** As `keep`, for one that a limit has refused: all is given back after a short time, in which others' turns at a busy limit come to an end. */
  keepForLimit(waiter: Waiter, locks: readonly KeptLock[], untilMs: number): void {
    this.keep(waiter, locks, untilMs);
    if (waiter.kept !== undefined) waiter.kept.timer = setTimeout(() => this.#giveBack(waiter), this.#forLimitMs);
  }

  /**
   * Returns what the waiter has kept, so that its caller holds that now, for a task whose timeout is at `untilMs`. `order`: all that it
   * wants. What is not the first part of that was lost or is out of order: it is given back, and taken again.
   */
  async takeUp(waiter: Waiter, order: readonly Lock[], untilMs: number): Promise<readonly KeptLock[]> {
    const locks = this.#withdraw(waiter);
    const isAsWanted = ({ kind, turn }: KeptLock, at: number) =>
      order[at]?.kind === kind && order[at].key === turn.key && isOurs(turn);
    const changedAt = locks.findIndex((lock, at) => !isAsWanted(lock, at));
    const good = changedAt < 0 ? locks : locks.slice(0, changedAt);
    for (const { turn } of good) turn.renewUntil(untilMs);
    await Promise.all(locks.slice(good.length).map(({ turn }) => turn.release()));
    return good;
  }

  /** Returns those of `keys` that the waiter does not hold while it waits. It need not line up for the others. */
  missing(keys: readonly string[], { kept }: Waiter): readonly string[] {
    const locks = kept?.locks ?? [];
    return locks.length === 0 ? keys : keys.filter((key) => locks.every(({ turn }) => turn.key !== key));
  }

  /** The waiter waits no more. What it has kept is given back. */
  forget(waiter: Waiter): void {
    this.#giveBack(waiter);
    waiter.kept = undefined;
  }

  /** Waits until all that was given back is free. */
  async close(): Promise<void> {
    await Promise.all(this.#releases);
  }

  #giveBack(waiter: Waiter): void {
    for (const { turn } of this.#withdraw(waiter)) {
      const released = turn.release().finally(() => this.#releases.delete(released));
      this.#releases.add(released);
    }
  }

  #withdraw({ kept }: Waiter): readonly KeptLock[] {
    if (kept === undefined) return [];
    const { locks } = kept;
    clearTimeout(kept.timer);
    kept.locks = [];
    return locks;
  }
}
