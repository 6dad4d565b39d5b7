/** Default time from one telling of the same thing to the next, ms. */
const EVERY_MS = 60_000;
/** Default number of things that are remembered as told. */
const MOST = 1_000;

export interface ReminderOptions {
  /** Shortest time from one telling of the same thing to the next, ms; default 60,000. */
  readonly everyMs?: number;
  /** Things that are remembered as told, default 1,000. Beyond that the one told first is forgotten, and is told again at once. */
  readonly most?: number;
  /** The monotonic clock, ms; tests move it. Default: `performance.now()`. */
  readonly nowMs?: () => number;
}

/** Says when something that lasts is told again, so that it does not fill the log. */
export interface Reminder {
  /** Whether `about` is to be told now: at first, and then once in each `everyMs`. True counts as told. */
  isTime(about: string): boolean;
  /** The next time `about` is told at once. */
  forget(about: string): void;
}

export function createReminder({
  everyMs = EVERY_MS,
  most = MOST,
  nowMs = () => performance.now(),
}: ReminderOptions = {}): Reminder {
  const toldAtMs = new Map<string, number>();
  return {
    isTime(about) {
      const now = nowMs();
      if (now - (toldAtMs.get(about) ?? Number.NEGATIVE_INFINITY) < everyMs) return false;
      toldAtMs.delete(about); // a key that is set again keeps its place, and the one told first must come first
      toldAtMs.set(about, now);
      const [oldest] = toldAtMs.keys();
      if (toldAtMs.size > most && oldest !== undefined) toldAtMs.delete(oldest);
      return true;
    },
    forget: (about) => void toldAtMs.delete(about),
  };
}
