import test from "ava";
import { checkLiteralSubject, deadSubject, eventSubject, isLiteralSubject } from "./subject.ts";

test("a subject is given to a filter only where it means itself alone", (t) => {
  for (const subject of ["tasks.MyPilotTask.lhcb", "tasks.MyPilotTask._", "tasks.a*b.c>", "later.T.vo.x.y.id=2A"]) {
    t.true(isLiteralSubject(subject), subject);
    t.is(checkLiteralSubject(subject), subject);
  }
  for (const subject of [
    "tasks.*",
    "tasks.>",
    ">",
    "*",
    "tasks.>.a",
    "tasks.*.lhcb",
    "tasks..a",
    "tasks.",
    "",
    "a b",
    "a.\uFFFD",
  ]) {
    t.false(isLiteralSubject(subject), subject);
    t.throws(() => checkLiteralSubject(subject), {
      instanceOf: RangeError,
      message: /look for its messages by sequence/,
    });
  }
});

test("what is told of a bad name is told on a literal subject", (t) => {
  t.is(eventSubject({ task: "MyPilotTask", vo: "vo.cta.in2p3.fr" }, "done"), "events.MyPilotTask.vo.cta.in2p3.fr.done");
  for (const address of [
    { task: "*", vo: "*" },
    { task: ">", vo: ".lhcb" },
    { task: "", vo: "" },
    { task: "T", vo: "a.*.b" },
    { task: "T", vo: "a\tb" },
  ]) {
    t.true(isLiteralSubject(eventSubject(address, "dead")), JSON.stringify(address));
    t.true(isLiteralSubject(deadSubject(address)), JSON.stringify(address));
  }
});
