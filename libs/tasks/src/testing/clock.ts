import { type Interval, msOf } from "../calendar/schedule.ts";

/** A clock that stands still until a test moves it. It may be set back. */
export interface TestClock {
  /** The time that it shows. */
  now(): Date;
  /** Throws `RangeError` for what is no time. */
  set(at: Date | string): void;
  /** Moves it on by a length of time; what is given adds up. */
  advance(by: Interval): void;
}

/** What a new clock shows. */
const FIRST = "2026-01-01T00:00:00Z";

function msSinceEpoch(at: Date | string): number {
  const ms = new Date(at).getTime();
  if (Number.isNaN(ms)) throw new RangeError(`Cannot set the clock to ${at}: it is no time; give a Date or RFC 3339`);
  return ms;
}

/**
 * Makes a clock that shows `at`, default 2026-01-01T00:00:00Z. Throws `RangeError` for what is no time.
 *
 * A run's `now()` and the due time of its retry come from it. Timers do not: a task's timeout is real.
 *
 * ```ts
 * const clock = testClock("2026-03-29T00:59:00Z");
 * clock.advance({ minutes: 2 });
 * ```
 */
export function testClock(at: Date | string = FIRST): TestClock {
  let ms = msSinceEpoch(at);
  return {
    now: () => new Date(ms),
    set(next) {
      ms = msSinceEpoch(next);
    },
    advance(by) {
      const movedMs = msOf(by);
      if (!(movedMs >= 0))
        throw new RangeError(`Cannot advance the clock by ${JSON.stringify(by)}: give numbers from 0`);
      ms += movedMs;
    },
  };
}
