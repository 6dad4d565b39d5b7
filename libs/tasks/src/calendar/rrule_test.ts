import test from "ava";
import { nextRruleDue } from "../due/rrule_due.ts";
import { InvalidScheduleError } from "./invalid_schedule.ts";
import { rrule } from "./rrule.ts";
import { parseSchedule, printSchedule } from "./schedule_text.ts";

/** The first times from the start on, as `YYYYMMDD` of New York, where RFC 5545 has its examples. */
function daysOf(rule: string, count: number, start = "19970902T090000"): string {
  const schedule = rrule(rule, { start, timeZone: "America/New_York" });
  const days: string[] = [];
  for (let at = nextRruleDue(schedule, 0); days.length < count && at < Infinity; at = nextRruleDue(schedule, at)) {
    const date = new Date(at).toLocaleDateString("sv-SE", { timeZone: "America/New_York" });
    days.push(date.replaceAll("-", ""));
  }
  return days.join(" ");
}

/** Examples of RFC 5545, section 3.8.5.3, with the days that it gives. */
const EXAMPLES: readonly (readonly [rule: string, days: string, start?: string])[] = [
  ["FREQ=DAILY;COUNT=3", "19970902 19970903 19970904"],
  ["FREQ=DAILY;UNTIL=19970905T000000Z", "19970902 19970903 19970904"],
  ["FREQ=DAILY;INTERVAL=2", "19970902 19970904 19970906"],
  ["FREQ=DAILY;INTERVAL=10;COUNT=5", "19970902 19970912 19970922 19971002 19971012"],
  [
    "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
    "19980101 19980102 19980103",
    "19980101T090000",
  ],
  ["FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", "19980101 19980102 19980103", "19980101T090000"],
  ["FREQ=WEEKLY;COUNT=4", "19970902 19970909 19970916 19970923"],
  ["FREQ=WEEKLY;INTERVAL=2;WKST=SU", "19970902 19970916 19970930 19971014"],
  [
    "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
    "19970902 19970904 19970909 19970911 19970916 19970918 19970923 19970925 19970930 19971002",
  ],
  [
    "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
    "19970901 19970903 19970905 19970915 19970917 19970919 19970929",
    "19970901T090000",
  ],
  [
    "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
    "19970902 19970904 19970916 19970918 19970930 19971002 19971014 19971016",
  ],
  ["FREQ=MONTHLY;COUNT=4;BYDAY=1FR", "19970905 19971003 19971107 19971205", "19970905T090000"],
  [
    "FREQ=MONTHLY;INTERVAL=2;COUNT=6;BYDAY=1SU,-1SU",
    "19970907 19970928 19971102 19971130 19980104 19980125",
    "19970907T090000",
  ],
  ["FREQ=MONTHLY;COUNT=4;BYDAY=-2MO", "19970922 19971020 19971117 19971222", "19970922T090000"],
  ["FREQ=MONTHLY;BYMONTHDAY=-3", "19970928 19971029 19971128 19971229 19980129 19980226", "19970928T090000"],
  ["FREQ=MONTHLY;COUNT=4;BYMONTHDAY=2,15", "19970902 19970915 19971002 19971015"],
  ["FREQ=MONTHLY;COUNT=5;BYMONTHDAY=1,-1", "19970930 19971001 19971031 19971101 19971130", "19970930T090000"],
  [
    "FREQ=MONTHLY;INTERVAL=18;COUNT=7;BYMONTHDAY=10,11,12,13,14,15",
    "19970910 19970911 19970912 19970913 19970914 19970915 19990310",
    "19970910T090000",
  ],
  ["FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "19970902 19970909 19970916 19970923 19970930 19971104"],
  ["FREQ=YEARLY;COUNT=4;BYMONTH=6,7", "19970610 19970710 19980610 19980710", "19970610T090000"],
  ["FREQ=YEARLY;INTERVAL=2;COUNT=4;BYMONTH=1,2,3", "19970310 19990110 19990210 19990310", "19970310T090000"],
  [
    "FREQ=YEARLY;INTERVAL=3;COUNT=5;BYYEARDAY=1,100,200",
    "19970101 19970410 19970719 20000101 20000409",
    "19970101T090000",
  ],
  ["FREQ=YEARLY;BYDAY=20MO", "19970519 19980518 19990517", "19970519T090000"],
  ["FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "19970512 19980511 19990517", "19970512T090000"],
  ["FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "19970313 19970320 19970327 19980305", "19970313T090000"],
  ["FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "19970605 19970612 19970619", "19970605T090000"],
  ["FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "19980213 19980313 19981113 19990813 20001013"],
  ["FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "19970913 19971011 19971108 19971213", "19970913T090000"],
  [
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
    "19961105 20001107 20041102",
    "19961105T090000",
  ],
  ["FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "19970904 19971007 19971106", "19970904T090000"],
  ["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "19970929 19971030 19971127 19971230 19980129", "19970929T090000"],
  ["FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "20070115 20070130 20070215 20070315 20070330", "20070115T090000"],
  ["FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "19970805 19970810 19970819 19970824", "19970805T090000"],
  ["FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "19970805 19970817 19970819 19970831", "19970805T090000"],
  ["FREQ=MONTHLY;BYMONTHDAY=31", "19970131 19970331 19970531 19970731 19970831", "19970131T090000"],
  ["FREQ=YEARLY", "19960229 20000229 20040229 20080229", "19960229T090000"],
];

test("the examples of RFC 5545 come on the days that it gives", (t) => {
  for (const [rule, days, start] of EXAMPLES) t.is(daysOf(rule, days.split(" ").length, start), days, rule);
});

test("rules with COUNT or UNTIL end", (t) => {
  t.is(daysOf("FREQ=DAILY;COUNT=2", 99), "19970902 19970903");
  t.is(daysOf("FREQ=DAILY;UNTIL=19970904", 99), "19970902 19970903 19970904", "a day lasts until its end in the zone");
  t.is(daysOf("FREQ=DAILY;UNTIL=19970904T090000", 99), "19970902 19970903 19970904");
  t.is(daysOf("FREQ=DAILY;UNTIL=19970904T130000Z", 99), "19970902 19970903 19970904");
  t.is(daysOf("FREQ=DAILY;UNTIL=19970904T125959Z", 99), "19970902 19970903");
});

/** The hours and minutes of New York on the start's day. */
function timesOf(rule: string, count: number): string {
  const schedule = rrule(rule, { start: "1997-09-02T09:00", timeZone: "America/New_York" });
  const times: string[] = [];
  for (let at = nextRruleDue(schedule, 0); times.length < count && at < Infinity; at = nextRruleDue(schedule, at))
    times.push(new Date(at).toLocaleTimeString("sv-SE", { timeZone: "America/New_York" }));
  return times.join(" ");
}

test("rules of hours, minutes and seconds come at the times that RFC 5545 gives", (t) => {
  t.is(timesOf("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", 9), "09:00:00 12:00:00 15:00:00");
  t.is(timesOf("FREQ=MINUTELY;INTERVAL=15;COUNT=3", 9), "09:00:00 09:15:00 09:30:00");
  t.is(timesOf("FREQ=MINUTELY;INTERVAL=90;COUNT=3", 9), "09:00:00 10:30:00 12:00:00");
  const every20 = "09:00:00 09:20:00 09:40:00 10:00:00";
  t.is(timesOf("FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40", 4), every20);
  t.is(timesOf("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16", 4), every20);
  t.is(timesOf("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,16", 5), "09:00:00 09:20:00 09:40:00 16:00:00 16:20:00");
  t.is(timesOf("FREQ=SECONDLY;INTERVAL=45;COUNT=3", 9), "09:00:00 09:00:45 09:01:30");
  t.is(timesOf("FREQ=HOURLY;BYMINUTE=0,30;BYSECOND=5;BYSETPOS=-1", 2), "09:30:05 10:30:05");
});

test("the texts of configuration and command line are read as what rrule makes, and are printed in one form", (t) => {
  const monday = rrule("FREQ=WEEKLY;BYDAY=MO;BYHOUR=6", { timeZone: "Europe/Zurich" });
  t.deepEqual(parseSchedule("rrule FREQ=WEEKLY;BYDAY=MO;BYHOUR=6 Europe/Zurich"), monday);
  t.deepEqual(parseSchedule(" rrule  rrule:byhour=6;freq=weekly;byday=mo;wkst=mo;interval=1; europe/zurich "), monday);
  t.deepEqual(parseSchedule("rrule FREQ=WEEKLY;BYDAY=MO;BYHOUR=6", { timeZone: "Europe/Zurich" }), monday);
  t.is(printSchedule(monday), "rrule FREQ=WEEKLY;BYDAY=MO;BYHOUR=6 Europe/Zurich");
  const canonical = "rrule FREQ=DAILY;INTERVAL=2;COUNT=10 from 2027-01-04T06:00:00 Europe/Zurich";
  const ways = [
    "rrule FREQ=DAILY;COUNT=10;INTERVAL=2 from 2027-01-04T06:00 Europe/Zurich",
    "rrule FREQ=DAILY;COUNT=10;INTERVAL=2 from 2027-01-04T05:00:00Z Europe/Zurich",
    "rrule FREQ=DAILY;COUNT=10;INTERVAL=2 from 20270104T060000 Europe/Zurich",
    "DTSTART;TZID=Europe/Zurich:20270104T060000\nRRULE:FREQ=DAILY;INTERVAL=2;COUNT=10",
    "rrule DTSTART;TZID=Europe/Zurich:20270104T060000 RRULE:FREQ=DAILY;INTERVAL=2;COUNT=10",
    canonical,
  ];
  for (const text of ways) t.is(printSchedule(parseSchedule(text)), canonical, text);
  const whole = rrule("FREQ=DAILY;COUNT=10;INTERVAL=2", {
    start: new Date("2027-01-04T05:00:00Z"),
    timeZone: "Europe/Zurich",
  });
  t.is(printSchedule(whole), canonical);
  t.is(
    printSchedule(parseSchedule("rrule FREQ=DAILY;UNTIL=20271231 Europe/Zurich")),
    "rrule FREQ=DAILY;UNTIL=20271231T225959Z Europe/Zurich",
  );
});

const REFUSED: readonly (readonly [text: string, problem: RegExp])[] = [
  ["rrule", /"" is no part of a rule; there are FREQ/],
  ["rrule BYDAY=MO", /it has no FREQ/],
  ["rrule FREQ=DAYLY", /FREQ=DAYLY is none of YEARLY, MONTHLY/],
  ["rrule FREQ=FORTNIGHTLY", /FREQ=FORTNIGHTLY is none of/],
  ["rrule FREQ=DAILY;BYHUOR=6", /"BYHUOR" is no part of a rule/],
  ["rrule FREQ=DAILY;BYHOUR", /"BYHOUR" is no part with a value/],
  ["rrule FREQ=DAILY;BYHOUR=24", /in BYHOUR, "24" is none of 0 to 23/],
  ["rrule FREQ=DAILY;BYHOUR=-1", /in BYHOUR, "-1" is none of 0 to 23/],
  ["rrule FREQ=DAILY;BYMINUTE=60", /in BYMINUTE, "60" is none of 0 to 59/],
  ["rrule FREQ=DAILY;BYSECOND=60", /in BYSECOND, "60" is none of 0 to 59/],
  ["rrule FREQ=DAILY;BYHOUR=6,,7", /in BYHOUR, "" is none of/],
  ["rrule FREQ=MONTHLY;BYMONTHDAY=0", /in BYMONTHDAY, "0" is none of 1 to 31, or the same with a minus/],
  ["rrule FREQ=MONTHLY;BYMONTHDAY=32", /in BYMONTHDAY, "32" is none of/],
  ["rrule FREQ=YEARLY;BYMONTH=13", /in BYMONTH, "13" is none of 1 to 12/],
  ["rrule FREQ=YEARLY;BYWEEKNO=54", /in BYWEEKNO, "54"/],
  ["rrule FREQ=YEARLY;BYYEARDAY=367", /in BYYEARDAY, "367"/],
  ["rrule FREQ=WEEKLY;BYDAY=MON", /in BYDAY, "MON" is no day; write one of SU MO/],
  ["rrule FREQ=WEEKLY;BYDAY=1MO", /counts a day of a month or year, and FREQ=WEEKLY has none; write MO/],
  ["rrule FREQ=MONTHLY;BYDAY=0FR", /"0FR" counts a day beyond 1 to 53/],
  ["rrule FREQ=MONTHLY;BYDAY=54FR", /"54FR" counts a day beyond 1 to 53/],
  ["rrule FREQ=MONTHLY;BYDAY=6FR", /no time ever matches/],
  ["rrule FREQ=MONTHLY;BYWEEKNO=1", /BYWEEKNO does not go with FREQ=MONTHLY/],
  ["rrule FREQ=WEEKLY;BYMONTHDAY=1", /BYMONTHDAY does not go with FREQ=WEEKLY/],
  ["rrule FREQ=DAILY;BYYEARDAY=1", /BYYEARDAY does not go with FREQ=DAILY/],
  ["rrule FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", /BYDAY may count no days beside BYWEEKNO/],
  ["rrule FREQ=MONTHLY;BYSETPOS=1", /BYSETPOS chooses among the times of another part/],
  ["rrule FREQ=MONTHLY;WKST=XX", /WKST=XX is none of/],
  ["rrule FREQ=DAILY;INTERVAL=0", /INTERVAL=0 is none of 1 to 1000000/],
  ["rrule FREQ=DAILY;INTERVAL=1.5", /INTERVAL=1.5 is none of/],
  ["rrule FREQ=DAILY;COUNT=0 from 2027-01-01T00:00", /COUNT=0 is none of 1 to 1000/],
  ["rrule FREQ=DAILY;COUNT=1001 from 2027-01-01T00:00", /COUNT=1001 is none of 1 to 1000/],
  ["rrule FREQ=DAILY;COUNT=3", /COUNT counts from a start; give one/],
  ["rrule FREQ=DAILY;COUNT=3;UNTIL=20271231 from 2027-01-01T00:00", /COUNT and UNTIL exclude each other/],
  ["rrule FREQ=DAILY;UNTIL=tomorrow", /UNTIL=TOMORROW is no time/],
  ["rrule FREQ=DAILY;UNTIL=20270230", /UNTIL=20270230 is no time/],
  ["rrule FREQ=DAILY;UNTIL=20261231 from 2027-01-01T00:00", /before its first time/],
  ["rrule FREQ=DAILY;FREQ=WEEKLY", /it has FREQ twice/],
  ["rrule FREQ=DAILY;RSCALE=CHINESE", /RSCALE is not supported/],
  ["rrule FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", /no time ever matches/],
  ["rrule FREQ=MONTHLY;BYMONTH=4,6,9,11;BYMONTHDAY=31", /no time ever matches/],
  ["rrule FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", /no time ever matches/],
  ["rrule FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", /no time ever matches/],
  ["rrule FREQ=HOURLY;INTERVAL=2;BYHOUR=1", /no time ever matches/],
  ["rrule FREQ=SECONDLY;INTERVAL=2;BYSECOND=1", /no time ever matches/],
  ["rrule FREQ=DAILY from yesterday", /its start "yesterday" is no time/],
  ["rrule FREQ=DAILY from 2027-02-30T06:00", /its start "2027-02-30T06:00" is no time/],
  ["rrule FREQ=DAILY from", /its start "" is no time/],
  ["rrule FREQ=DAILY Mars/Olympus", /time zone "Mars\/Olympus" is unknown/],
  ["rrule FREQ=DAILY +02:00", /time zone "\+02:00" is unknown/],
  ["rrule FREQ=DAILY Europe/Zurich please", /too many words/],
  ["DTSTART;TZID=Nowhere:20270104T060000 RRULE:FREQ=DAILY", /time zone "Nowhere" is unknown/],
  [`rrule FREQ=DAILY;BYHOUR=${"6,".repeat(500)}6`, /characters, more than 1000/],
];
test("what is misspelt or impossible is refused by name", (t) => {
  for (const [text, problem] of REFUSED) {
    const error = t.throws(() => parseSchedule(text), { instanceOf: InvalidScheduleError }, text);
    t.regex(error?.problem ?? "", problem, text);
    t.regex(error?.message ?? "", /^Cannot use schedule "/, text);
  }
});

const all = (count: number) => Array.from({ length: count }, (_, number) => number).join(",");

test("a rule that would name too many times in one period is refused, and told which frequency to write", (t) => {
  const dense = `FREQ=DAILY;BYHOUR=${all(24)};BYMINUTE=${all(60)};BYSECOND=0,30`;
  t.throws(() => rrule(dense), { message: /2880 times a day, more than 1440; write FREQ=MINUTELY/ });
  t.notThrows(() => rrule(`FREQ=YEARLY;BYHOUR=${all(24)};BYMINUTE=${all(60)}`));
  t.throws(() => rrule(`FREQ=YEARLY;BYDAY=MO;BYHOUR=${all(24)};BYMINUTE=0,30;BYSETPOS=1`), {
    message: /BYSETPOS would choose among up to 17568 times/,
  });
});
