import { type Interval, msOf } from "../calendar/schedule.ts";

/** Shortest and longest time for which a task's result is kept, ms. The ledger forgets after 30 days as well. */
export const KEPT_MIN_MS = 1_000;
export const KEPT_MAX_MS = 30 * 86_400_000;

/** A length in its largest whole unit: `30 d`, `1 s`. */
export function describeLength(ms: number): string {
  const units: readonly (readonly [string, number])[] = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1_000],
  ];
  const [unit, unitMs] = units.find(([, each]) => ms >= each && ms % each === 0) ?? ["ms", 1];
  return `${ms / unitMs} ${unit}`;
}

/** The time for which a result is kept, ms. Throws `RangeError` where it is not 1 s to 30 d. */
export function keepResultMs(task: string, length: Interval): number {
  const ms = msOf(length);
  if (ms >= KEPT_MIN_MS && ms <= KEPT_MAX_MS) return ms;
  throw new RangeError(
    `Cannot keep the result of ${task} for ${JSON.stringify(length)}: give ${describeLength(KEPT_MIN_MS)} to ${describeLength(KEPT_MAX_MS)}, as in { hours: 1 }`,
  );
}
