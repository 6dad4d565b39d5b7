import test from "ava";
import { bar, chart, pathOf, scaleEnd } from "./chart.ts";
import { ago, count, counted, duration, figure } from "./format.ts";
import { html } from "./html.ts";
import { link, table } from "./parts.ts";

test("a template escapes what is put into it, unless a template made it", (t) => {
  const evil = `<script>"'&`;
  t.is(
    html`<p title="${evil}">${evil}${html`<b>${1}</b>`}${[evil, html`<i></i>`]}${undefined}${false}</p>`.html,
    '<p title="&lt;script&gt;&quot;&#39;&amp;">&lt;script&gt;&quot;&#39;&amp;<b>1</b>&lt;script&gt;&quot;&#39;&amp;<i></i></p>',
  );
});

test("what turns the direction of text, or cannot be seen, is shown as its number", (t) => {
  t.is(html`${"a\u202eb\u0000c\u200f\nd"}`.html, "a\\u{202e}b\\u{0}c\\u{200f}\nd");
});

test("numbers, lengths and moments are read at a glance", (t) => {
  t.deepEqual([count(1_234_567), figure(1_234_567), figure(999_999)], ["1,234,567", "1.2M", "999,999"]);
  t.deepEqual(
    [counted(1, "task"), counted(2, "task"), counted(0, "child", "children")],
    ["1 task", "2 tasks", "0 children"],
  );
  const lengths = [0.4, 350, 4_210, 59_400, 90_000, 3_600_000, 7_500_000, 200_000_000];
  t.deepEqual(lengths.map(duration), ["0 ms", "350 ms", "4.2 s", "59 s", "1 min 30 s", "1 h", "2 h 5 min", "2 d 7 h"]);
  const nowMs = Date.parse("2027-01-31T12:00:00Z");
  t.regex(
    ago(nowMs - 5_000, nowMs).html,
    /datetime="2027-01-31T11:59:55\.000Z" title="2027-01-31 11:59:55 UTC">5 s ago</,
  );
  t.regex(ago(nowMs + 5_000, nowMs).html, />in 5 s</);
  t.regex(ago("nonsense").html, /unknown/);
});

test("an address has its fields encoded, and leaves out those that are empty", (t) => {
  t.is(link("/task", { id: "a/b&c=d e", vo: undefined, task: "" }), "/task?id=a%2Fb%26c%3Dd%20e");
});

test("a scale ends at a round number that no value is above", (t) => {
  t.deepEqual([0, 0.3, 1, 7, 12, 49, 60, 1_000].map(scaleEnd), [1, 0.5, 1, 10, 20, 50, 100, 1_000]);
});

test("a line is parted where nothing is known, and a chart says in words what it shows", (t) => {
  t.is(pathOf([0, null, 5, 10], 10), "M0.0 100.0h0M400.0 50.0L600.0 0.0");
  const drawn = {
    title: "Throughput",
    unit: "a minute",
    show: count,
    ground: "filled",
    times: ["5 min ago", "now"],
    quiet: "Nothing.",
  } as const;
  const line = { name: "done", colour: "1", now: "7" };
  t.regex(
    chart({ ...drawn, lines: [{ ...line, values: [null, 7] }] }).html,
    /role="img" aria-label="Throughput: done 7"/,
  );
  t.regex(chart({ ...drawn, lines: [{ ...line, values: [null, 0] }] }).html, /Nothing\./);
});

test("a bar beyond its whole is full, and each share has its part", (t) => {
  const shares = [
    { name: "a", value: 6, colour: "1" },
    { name: "b", value: 6, colour: "2" },
  ];
  t.regex(bar(shares, 8, "12 of 8").html, /aria-label="12 of 8".*x="0.00".*width="50.00".*x="50.00".*width="50.00"/);
});

test("a table names its rows and cells, and says what to do where it has none", (t) => {
  const given = {
    caption: "Locks",
    columns: [{ title: "Key" }, { title: "Act", kind: "act" }],
    empty: { title: "None", text: "Wait." },
  } as const;
  t.regex(
    table({ ...given, rows: [{ key: "a", cells: ["x"] }] }).html,
    /<tr role="row" data-key="a"><td role="cell" class="" data-name="Key"><div>x<\/div>.*–/,
  );
  t.regex(table({ ...given, rows: [] }).html, /<strong>None<\/strong>/);
});
