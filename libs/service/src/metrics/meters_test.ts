import test from "ava";
import { createMeters } from "./meters.ts";

test("meters are printed in Prometheus' text format", (t) => {
  const meters = createMeters();
  const ended = meters.counter({ name: "ended_total", help: "Ended.", labels: ["task", "outcome"] });
  ended.of("MyPilotTask", "done").value += 2;
  ended.of("MyPilotTask", "failed").value++;
  meters.gauge({ name: "in_hand", help: "In hand." }).of().value = 7;
  const waited = meters
    .histogram({ name: "waited_seconds", help: "Waited.", labels: ["task"] }, [0.1, 1])
    .of("MyPilotTask");
  for (const seconds of [0.1, 0.5, 3]) waited.observe(seconds);
  t.is(
    meters.text(),
    `# HELP ended_total Ended.
# TYPE ended_total counter
ended_total{task="MyPilotTask",outcome="done"} 2
ended_total{task="MyPilotTask",outcome="failed"} 1
# HELP in_hand In hand.
# TYPE in_hand gauge
in_hand 7
# HELP waited_seconds Waited.
# TYPE waited_seconds histogram
waited_seconds_bucket{task="MyPilotTask",le="0.1"} 1
waited_seconds_bucket{task="MyPilotTask",le="1"} 2
waited_seconds_bucket{task="MyPilotTask",le="+Inf"} 3
waited_seconds_sum{task="MyPilotTask"} 3.6
waited_seconds_count{task="MyPilotTask"} 3
`,
  );
});

test("quotes, backslashes and line feeds in a label's value are escaped", (t) => {
  const meters = createMeters();
  meters.counter({ name: "c_total", help: "C.", labels: ["task"] }).of('a"b\\c\nd').value++;
  t.regex(meters.text(), /c_total\{task="a\\"b\\\\c\\nd"\} 1\n$/);
});

test("the same labels give the same meter", (t) => {
  const meters = createMeters();
  const counts = meters.counter({ name: "c_total", help: "C.", labels: ["task"] });
  t.is(counts.of("one"), counts.of("one"));
  t.not(counts.of("one"), counts.of("two"));
});

test("a metric's label combinations are bounded, and what comes beyond is counted as other", (t) => {
  const meters = createMeters();
  const counts = meters.counter({ name: "c_total", help: "C.", labels: ["task"] });
  for (let n = 0; n < 10_000; n++) counts.of(`task${n}`).value++;
  t.is(meters.text().match(/^c_total\{/gm)?.length, 3_001);
  t.regex(meters.text(), /c_total\{task="other"\} 7000\n/);
});

test("a metric is registered once", (t) => {
  const meters = createMeters();
  meters.gauge({ name: "g", help: "G." });
  t.throws(() => meters.counter({ name: "g", help: "G." }), {
    message: /Cannot register metric g: it is registered already/,
  });
});

test("a gauge may be brought up to date when it is asked for", (t) => {
  const meters = createMeters();
  const inHand = meters.gauge({ name: "in_hand", help: "In hand." }).of();
  meters.onScrape(() => {
    inHand.value++;
  });
  t.regex(meters.text(), /^in_hand 1$/m);
  t.regex(meters.text(), /^in_hand 2$/m);
});
