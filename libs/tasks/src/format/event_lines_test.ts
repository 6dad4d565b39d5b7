import test from "ava";
import { eventCount, eventHeaders, eventLines, MOST_EVENTS } from "./event_lines.ts";
import { EVENT_COUNT, headersFrom } from "./headers.ts";

test("a message of one event is only that event, and one of several says how many they are", (t) => {
  t.is(eventHeaders(1), undefined);
  t.is(eventCount(undefined), 1);
  for (let count = 2; count <= MOST_EVENTS; count++) t.is(eventCount(eventHeaders(count)), count);
});

test("the events of a message are its lines, with and without a line break at the end", (t) => {
  t.deepEqual(eventLines("one"), ["one"]);
  t.deepEqual(eventLines("one\ntwo"), ["one", "two"]);
  t.deepEqual(eventLines("one\n\ntwo\n"), ["one", "two"]);
  t.deepEqual(eventLines(""), [""]);
});

test("a number of events that Muster never writes counts as one", (t) => {
  for (const count of ["", "0", "-1", "1.5", "NaN", "17", "1000000", "many"]) {
    t.is(eventCount(headersFrom({ [EVENT_COUNT]: count })), 1, count);
  }
});
