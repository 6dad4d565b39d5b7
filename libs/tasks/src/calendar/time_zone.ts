import { InvalidScheduleError } from "./invalid_schedule.ts";
import { temporal } from "./temporal.ts";

/**
 * The zone's name as IANA spells it. `+02:00` is refused: it knows no summer time, which would surprise its author. Throws an
 * {@linkcode InvalidScheduleError} about `given`.
 */
export function checkTimeZone(given: string, timeZone: string): string {
  try {
    if (!/^[A-Za-z]/.test(timeZone) || /[^A-Za-z0-9_+/-]/.test(timeZone)) throw new RangeError("no IANA name");
    return temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timeZone).timeZoneId;
  } catch (cause) {
    throw new InvalidScheduleError(
      given,
      `time zone ${JSON.stringify(timeZone)} is unknown; give an IANA name such as Europe/Zurich`,
      { cause },
    );
  }
}
