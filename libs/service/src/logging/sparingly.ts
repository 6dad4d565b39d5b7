import type { Log } from "./log.ts";

/** The levels at which an outage repeats itself. */
export type SparingLevel = "info" | "warn" | "error";

/** A log for messages that an outage repeats. */
export interface SparingLog extends Disposable {
  /** Logs `message`. If it was logged at this level less than the interval ago, only counts it. */
  say(level: SparingLevel, message: string, fields?: object): void;
}

interface Repeats {
  /** Number of messages left out since the last line. */
  count: number;
  latestFields: object | undefined;
  readonly timer: NodeJS.Timeout;
}

/** Most messages remembered at once. Beyond it the oldest is forgotten, so it may be logged again too early. */
const MAX_MESSAGES = 200;

/**
 * Logs the first of equal messages at once, and then at most one each `everyMs`, with the number left out as `repeats`.
 *
 * Messages are equal when level and text are. Put what varies into the fields; the latest fields are shown.
 */
export function sparingly(log: Log, everyMs = 30_000): SparingLog {
  const recent = new Map<string, Repeats>();

  function forget(key: string): void {
    clearTimeout(recent.get(key)?.timer);
    recent.delete(key);
  }
  function remember(key: string, level: SparingLevel, message: string): void {
    const timer = setTimeout(() => {
      const repeats = recent.get(key);
      recent.delete(key);
      if (repeats === undefined || repeats.count === 0) return;
      log[level]({ ...repeats.latestFields, repeats: repeats.count }, message);
      remember(key, level, message);
    }, everyMs).unref();
    recent.set(key, { count: 0, latestFields: undefined, timer });
    const [oldest] = recent.keys();
    if (recent.size > MAX_MESSAGES && oldest !== undefined) forget(oldest);
  }
  return {
    say(level, message, fields) {
      const key = `${level} ${message}`;
      const repeats = recent.get(key);
      if (repeats !== undefined) {
        repeats.count++;
        repeats.latestFields = fields;
        return;
      }
      log[level](fields ?? {}, message);
      remember(key, level, message);
    },
    [Symbol.dispose]() {
      for (const key of [...recent.keys()]) forget(key);
    },
  };
}
