import test from "ava";
import { Temporal as polyfill } from "temporal-polyfill/implementation";
import { temporal } from "./temporal.ts";

/** Zones with summer time in the north, in the south and by half an hour, without any, with skipped days, and one that changed its time for good. */
const ZONES = [
  ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC", "Asia/Kolkata"],
  ["America/Sao_Paulo", "Africa/Casablanca", "Europe/Dublin", "Antarctica/Troll"],
].flat();

/** What the schedules ask of a zone at an instant. */
function periodBy(by: typeof temporal, timeZone: string, at: number) {
  const zoned = by.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone);
  return {
    name: zoned.timeZoneId,
    offset: zoned.offsetNanoseconds,
    start: zoned.add({ milliseconds: 1 }).getTimeZoneTransition("previous")?.epochMilliseconds,
    end: zoned.getTimeZoneTransition("next")?.epochMilliseconds,
    minute: zoned.minute,
  };
}

test("where Node.js has Temporal, it is Node.js's own", (t) => {
  t.is(temporal, Reflect.get(globalThis, "Temporal"));
  t.not(temporal, polyfill);
});

test("the polyfill tells of zones and instants what Node.js tells", (t) => {
  const from = Date.parse("2026-01-01T00:00Z");
  for (const timeZone of ZONES) {
    for (let day = 0; day < 730; day += 9) {
      const at = from + day * 86_400_000;
      t.deepEqual(periodBy(polyfill, timeZone, at), periodBy(temporal, timeZone, at), `${timeZone} ${day}`);
    }
    const start = temporal.Instant.fromEpochMilliseconds(from).toZonedDateTimeISO(timeZone);
    const change = start.getTimeZoneTransition("next")?.epochMilliseconds;
    // Where one period ends and the next begins, each is asked by its first and last moment.
    for (const at of change === undefined ? [] : [change - 1, change, change + 1]) {
      t.deepEqual(periodBy(polyfill, timeZone, at), periodBy(temporal, timeZone, at), `${timeZone} ${at}`);
    }
  }
  const text = "2026-11-28T17:04:05.123456789Z";
  t.is(polyfill.Instant.from(text).epochNanoseconds, temporal.Instant.from(text).epochNanoseconds);
  t.throws(() => polyfill.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO("Europe/Nowhere"), {
    name: "RangeError",
  });
});
