import test from "ava";
import { occurrenceId, parseOccurrenceId } from "./occurrence.ts";
import { parseMarker, printMarker } from "./marker.ts";

test("an occurrence's id names its schedule and time, and reads back", (t) => {
  const occurrence = { task: "Tick", vo: "vo.cta.in2p3.fr", instance: "default", dueAt: Date.UTC(2027, 2, 28, 1) };
  t.is(occurrenceId(occurrence), "Tick/vo.cta.in2p3.fr/default/2027-03-28T01:00:00.000Z");
  t.deepEqual(parseOccurrenceId(occurrenceId(occurrence)), occurrence);
});

test("ids of other kinds name no occurrence", (t) => {
  const others = [
    "",
    "mine",
    "Tick/lhcb/default",
    "Tick/lhcb/default/soon",
    "Tick/lhcb/default/2027-03-28",
    "a/b/c/2027-03-28T01:00:00.000Z/d",
  ];
  for (const id of others) t.is(parseOccurrenceId(id), undefined, id);
});

test("a marker's message lies right behind it, unless it names another or none", (t) => {
  const dueAt = Date.UTC(2027, 0, 1);
  t.deepEqual(parseMarker(7, printMarker({ dueAt, schedule: "every 5s" })), {
    sequence: 7,
    dueAt,
    schedule: "every 5s",
    message: 8,
  });
  t.like(parseMarker(7, printMarker({ dueAt, schedule: "off", message: 0 })), { message: 0 });
  t.like(parseMarker(7, '{"dueAt":"2027-01-01T00:00:00Z"}'), { dueAt, schedule: undefined, message: 8 });
  for (const text of ["", "[]", "{}", '{"dueAt":"soon"}', '{"dueAt":5}'])
    t.is(parseMarker(7, text).dueAt, undefined, text);
});
