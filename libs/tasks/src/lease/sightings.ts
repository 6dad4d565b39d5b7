import { createReminder, type Reminder } from "../connection/reminder.ts";
import { sharedNowMs } from "./clocks.ts";

/** Largest number of keys that are remembered. Beyond it the key that was seen first is forgotten, and its time begins anew. */
const REMEMBERED = 10_000;

interface Sighting {
  readonly revision: number;
  /** When this revision was first seen, by the shared monotonic clock, ms. */
  readonly sinceMs: number;
}

/**
 * Remembers which revision each held lock had, and since when. It uses only the monotonic clock of this process.
 *
 * A holder renews its lock, which changes the revision. So a lock whose revision stays the same for longer than its TTL has no holder.
 * That holds whatever the broker's clock does, which may have been set back by hours.
 */
export class Sightings {
  readonly #seen = new Map<string, Sighting>();
  /** Which of the keys were told of in the last minute. */
  readonly #reminder: Reminder;
  readonly #nowMs: () => number;

  /** `nowMs` is the monotonic clock, played by tests. */
  constructor(nowMs: () => number = sharedNowMs) {
    this.#nowMs = nowMs;
    this.#reminder = createReminder({ most: REMEMBERED, nowMs });
  }

  /** Notes that the broker has `revision` under a held lock. Returns for how long that has been so, ms. */
  note(key: string, revision: number): number {
    const nowMs = this.#nowMs();
    const seen = this.#seen.get(key);
    if (seen?.revision === revision) return nowMs - seen.sinceMs;
    this.forget(key); // a key that is set again would keep its old place, and the oldest must come first
    this.#seen.set(key, { revision, sinceMs: nowMs });
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= REMEMBERED) break;
      this.forget(oldest);
    }
    return 0;
  }

  /** Whether it is time to tell of what was noted under `key`: at once, and then every minute. */
  isTimeToTell(key: string): boolean {
    return this.#seen.has(key) && this.#reminder.isTime(key);
  }

  forget(key: string): void {
    this.#seen.delete(key);
    this.#reminder.forget(key);
  }
}
