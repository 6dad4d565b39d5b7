import { temporal } from "../calendar/temporal.ts";

/** A stretch of time in which a zone's clock runs evenly. Instants are ms since the epoch. */
export interface ZonePeriod {
  /** Included; -Infinity for the first. */
  readonly startAt: number;
  /** Excluded; Infinity for the last. */
  readonly endAt: number;
  /** What its clock is ahead of UTC, ms. */
  readonly offsetMs: number;
}

/** Number of periods that are kept of each zone: more than the search of any one schedule needs. */
const KEPT = 64;
const known = new Map<string, ZonePeriod[]>();

function look(timeZone: string, at: number): ZonePeriod {
  const zoned = temporal.Instant.fromEpochMilliseconds(Math.floor(at)).toZonedDateTimeISO(timeZone);
  // "previous" leaves out a change at this very moment.
  const start = zoned.add({ milliseconds: 1 }).getTimeZoneTransition("previous");
  const end = zoned.getTimeZoneTransition("next");
  return {
    startAt: start?.epochMilliseconds ?? Number.NEGATIVE_INFINITY,
    endAt: end?.epochMilliseconds ?? Number.POSITIVE_INFINITY,
    offsetMs: zoned.offsetNanoseconds / 1_000_000,
  };
}

/** The period of `timeZone` (IANA name) in which `at` lies. */
export function zonePeriodAt(timeZone: string, at: number): ZonePeriod {
  const periods = known.get(timeZone) ?? [];
  const found = periods.find(({ startAt, endAt }) => startAt <= at && at < endAt);
  if (found !== undefined) return found;
  const period = look(timeZone, at);
  known.set(timeZone, [...periods.slice(-KEPT + 1), period]);
  return period;
}
