import test from "ava";
import { describeEvents, describeWarning, rememberHappenings } from "./happenings.ts";

test("an event is told in words", (t) => {
  const event = {
    step: "dead",
    task: "MyPilotTask",
    vo: "lhcb",
    taskId: "1",
    attempt: 2,
    reason: "no CE",
    tookMs: 12.4,
  };
  t.deepEqual(describeEvents(JSON.stringify(event)), ["MyPilotTask lhcb dead attempt 2 12 ms: no CE"]);
  const report = { step: "done", task: "MyPilotReportTask", vo: "_", taskId: "1", attempt: 1, tookMs: 3 };
  t.deepEqual(describeEvents(JSON.stringify(report)), ["MyPilotReportTask done 3 ms"]);
  t.deepEqual(
    describeEvents([event, "no event", report].map((each) => JSON.stringify(each)).join("\n")),
    ["MyPilotTask lhcb dead attempt 2 12 ms: no CE", "MyPilotReportTask done 3 ms"],
    "a busy worker tells several in one message",
  );
});

test("the steps between are not told", (t) => {
  const passing = { step: "started", task: "MyPilotTask", vo: "lhcb", taskId: "1", attempt: 1 };
  t.deepEqual(describeEvents(JSON.stringify(passing)), []);
  t.deepEqual(describeEvents(JSON.stringify({ ...passing, step: "contended" })), []);
});

test("what anybody may publish as an event does no harm", (t) => {
  for (const body of ["", "null", "7", "[]", "{", '{"task":1,"vo":{},"step":[]}'])
    t.deepEqual(describeEvents(body), []);
});

test("of an app's log the warnings are told, and what is no log line", (t) => {
  t.is(describeWarning("scheduler", '{"level":"warn","msg":"NATS is away"}'), "scheduler: NATS is away");
  t.is(describeWarning("scheduler", '{"level":"info","msg":"ready"}'), undefined);
  t.is(describeWarning("scheduler", "SyntaxError: Unexpected token"), "scheduler: SyntaxError: Unexpected token");
});

test("only the newest happenings are remembered", (t) => {
  const happenings = rememberHappenings();
  for (let index = 0; index < 1_000; index++) happenings.add({ at: new Date(), text: String(index) });
  t.is(happenings.newest().length, 200);
  t.is(happenings.newest().at(-1)?.text, "999");
});
