import test from "ava";
import { InvalidScheduleError } from "./invalid_schedule.ts";
import { cron, every } from "./schedule.ts";
import { parseSchedule, printSchedule } from "./schedule_text.ts";

test("the texts of configuration and command line are read as what every and cron make", (t) => {
  t.deepEqual(parseSchedule("every 5s"), every({ seconds: 5 }));
  t.deepEqual(parseSchedule("every 366d"), every({ days: 366 }));
  t.deepEqual(parseSchedule(" every  90 m "), every({ hours: 1, minutes: 30 }));
  t.deepEqual(parseSchedule("cron 0 * * * * Europe/Zurich"), cron("0 * * * *", { timeZone: "Europe/Zurich" }));
  t.deepEqual(parseSchedule("cron 0 * * * *"), cron("0 * * * *", { timeZone: "UTC" }));
  t.deepEqual(parseSchedule("cron */10 0 3 * * MON-fri"), cron("*/10 0 3 * * MON-fri"));
  t.deepEqual(
    parseSchedule("cron 30 0 3 1 jan sun,7 asia/kolkata"),
    cron("30 0 3 1 jan sun,7", { timeZone: "Asia/Kolkata" }),
  );
});

test("what is printed reads as the same schedule, in one form for equal ones", (t) => {
  const texts = [
    "every 1s",
    "every 1500ms",
    "every 90m",
    "every 40d",
    "cron 0 0 29 2 * UTC",
    "cron 5 4 3 2 1 0 Pacific/Apia",
  ];
  for (const text of texts) t.is(printSchedule(parseSchedule(text)), text);
  t.is(printSchedule(parseSchedule("every 60s")), "every 1m");
  t.is(printSchedule(parseSchedule("cron  0\t0 * * *  europe/zurich")), "cron 0 0 * * * Europe/Zurich");
});

const REFUSED: readonly (readonly [text: string, problem: RegExp])[] = [
  ["every 0s", /1 second to 366 days/],
  ["every 999ms", /1 second to 366 days/],
  ["every 367d", /1 second to 366 days/],
  ["every 5 fortnights", /"5 fortnights" is no length of time/],
  ["every -5s", /"-5s" is no length of time/],
  ["every", /"" is no length of time/],
  ["hourly", /none of "every", "cron" and "rrule"/],
  ["cron 0 0 31 2 *", /no date ever matches/],
  ["cron 0 0 30 feb *", /no date ever matches/],
  ["cron 0 0 31 4,6,9,11 *", /no date ever matches/],
  ["cron * * * *", /4 fields/],
  ["cron 1 2 3 4 5 6 7 UTC", /7 fields/],
  ["cron 60 * * * *", /in its minute, 60 lies outside 0 to 59/],
  ["cron * 24 * * *", /in its hour, 24 lies outside 0 to 23/],
  ["cron * * 0 * *", /in its day of month, 0 lies outside 1 to 31/],
  ["cron * * * 13 *", /in its month, 13 lies outside 1 to 12/],
  ["cron * * * * 8", /in its day of week, 8 lies outside 0 to 7/],
  ["cron * * * juli *", /in its month, "juli" is none of/],
  ["cron * * * * MOM", /in its day of week, "MOM" is none of/],
  ["cron 5x * * * *", /in its minute, "5x" is none of/],
  ["cron 5/15 * * * *", /"5\/15" has a step without a range; write 5-59\/15/],
  ["cron */0 * * * *", /step "0" is none of 1 to 60/],
  ["cron */90 * * * *", /step "90" is none of 1 to 60/],
  ["cron 1,,2 * * * *", /in its minute, "" is none of/],
  ["cron 0 0 L * *", /in its day of month, "L" is none of/],
  ["cron 0 0 ? * *", /in its day of month, "\?" is none of/],
  ["cron 0 0 * * 5#2", /in its day of week, "5#2" is none of/],
  ["cron 20-10 * * * *", /Invalid range/],
  ["cron 0 0 * * * Europe/Zürich", /time zone "Europe\/Zürich" is unknown/],
  ["cron 0 0 * * * Mars/Olympus", /time zone "Mars\/Olympus" is unknown/],
];
for (const [text, problem] of REFUSED) {
  test(`"${text}" is refused by name`, (t) => {
    const error = t.throws(() => parseSchedule(text), { instanceOf: InvalidScheduleError });
    t.regex(error?.problem ?? "", problem);
    t.regex(error?.message ?? "", /^Cannot use schedule "/);
  });
}

test("an interval is refused where a part of it is no number, or it is too short or long", (t) => {
  for (const interval of [{ seconds: Number.NaN }, { minutes: -1, hours: 1 }, { seconds: 0.4 }, {}, { days: 367 }]) {
    t.throws(() => every(interval), { instanceOf: InvalidScheduleError });
  }
  t.throws(() => cron("0 0 * * *", { timeZone: "+02:00" }), { instanceOf: InvalidScheduleError, message: /IANA/ });
});
