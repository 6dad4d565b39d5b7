import { parseLengthMs, printLength } from "../calendar/length_text.ts";

/** At most `count` tasks begin within any `perMs`. */
export interface Rate {
  readonly count: number;
  /** Length of the window, ms. */
  readonly perMs: number;
}

/** The word for a limit that was lifted. */
export const UNLIMITED = "unlimited";

/** Greatest number of tasks within a window. */
const MAX_COUNT = 1_000_000;
/** Shortest and longest window, ms. A shorter one would be less than what a write to the broker takes. */
const MIN_PER_MS = 100;
const MAX_PER_MS = 86_400_000;
/** Greatest number of leases of one concurrency limit. All of them lie in one message. */
const MAX_CONCURRENCY = 1_000;

/** A text or number that is no limit. */
export class InvalidLimitError extends Error {
  override readonly name = "InvalidLimitError";
}

function refuse(shown: unknown, reason: string): never {
  throw new InvalidLimitError(`Cannot read limit ${JSON.stringify(shown)}: ${reason}`);
}

/**
 * Reads `<count>/<time>`, such as `100/1m`, `5/10s` or `1000/h`. Returns undefined for `unlimited`.
 *
 * The units are ms, s, m, h and d. A count is 1 to 1,000,000, and a time 100 ms to 1 day. Throws {@linkcode InvalidLimitError}.
 */
export function parseRate(text: string): Rate | undefined {
  if (text === UNLIMITED) return undefined;
  const [, count = "", time = ""] = /^([0-9]{1,7})\/([0-9a-z]+)$/.exec(text) ?? [];
  const perMs = parseLengthMs(/^[a-z]/.test(time) ? `1${time}` : time);
  if (perMs === undefined) {
    refuse(text, `write <count>/<time>, e.g. "100/1m" (units: ms, s, m, h, d), or "${UNLIMITED}"`);
  }
  const rate: Rate = { count: Number(count), perMs };
  if (rate.count < 1 || rate.count > MAX_COUNT) refuse(text, "the count is 1 to 1,000,000");
  if (rate.perMs < MIN_PER_MS || rate.perMs > MAX_PER_MS) refuse(text, "the time is 100ms to 1d");
  return rate;
}

/** The rate as {@linkcode parseRate} reads it. */
export function printRate({ count, perMs }: Rate): string {
  return `${count}/${printLength(perMs)}`;
}

/** Checks a number of tasks that may run at the same time: 1 to 1,000. Throws {@linkcode InvalidLimitError}. */
export function checkConcurrency(count: number): number {
  if (Number.isSafeInteger(count) && count >= 1 && count <= MAX_CONCURRENCY) return count;
  return refuse(count, `give a whole number from 1 to ${MAX_CONCURRENCY}, or "${UNLIMITED}" in the configuration`);
}
