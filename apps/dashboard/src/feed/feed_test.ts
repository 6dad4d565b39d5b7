import test from "ava";
import { createHistogram, quantile } from "./histogram.ts";
import { figureOf, keepSamples, OTHERS } from "./samples.ts";
import { INTERVAL_MS, INTERVALS, keepSeries } from "./series.ts";
import { readEvents, type ToldEvent } from "./told_events.ts";
import { attentionTo } from "../read/read_overview.ts";

const START_MS = Date.parse("2027-01-31T12:00:00Z");

test("steps are counted in the interval in which they come, and half an hour is kept", (t) => {
  let nowMs = START_MS;
  const series = keepSeries(() => nowMs);
  series.count("done", 2);
  series.count("contended", 1);
  nowMs += 3 * INTERVAL_MS;
  series.count("dead", 1);
  series.count("dropped", 1);
  series.count("retry", 1);
  t.deepEqual(
    series.intervals().map(({ done, lost, letters, retried }) => [done, lost, letters, retried]),
    [
      [2, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 2, 1, 1],
    ],
  );
  nowMs += (INTERVALS - 1) * INTERVAL_MS;
  t.is(series.intervals().length, INTERVALS);
  t.is(series.intervals()[0]?.lost, 2, "the oldest that is kept is half an hour old");
  nowMs += 10 * INTERVALS * INTERVAL_MS;
  t.is(series.intervals().length, 1, "after a long sleep nothing is left");
});

test("the overview calls a dead letter recent, and no task that was dropped, and never more of them than there are", (t) => {
  const series = keepSeries(() => START_MS);
  series.count("dropped", 2_000);
  const figures = { atMs: START_MS, queues: [], pauses: [], workers: [], ces: undefined, troubles: [] };
  const said = () => {
    const letters = series.intervals().reduce((sum, interval) => sum + interval.letters, 0);
    return attentionTo({ ...figures, deadLetters: 2 }, letters).map(({ text }) => text);
  };
  t.true(said().includes("2 dead letters."));
  series.count("refused", 1);
  t.true(said().includes("2 dead letters, 1 of them from the last half hour."));
  series.count("dead", 7);
  t.true(said().includes("2 dead letters, 2 of them from the last half hour."));
});

test("steps of the past are counted where they belong, and what is not known whole is forgotten", (t) => {
  const nowMs = START_MS;
  const series = keepSeries(() => nowMs, nowMs - INTERVALS * INTERVAL_MS);
  t.is(series.intervals().length, INTERVALS);
  series.count("done", 3, nowMs - 2 * INTERVAL_MS);
  series.count("done", 1, nowMs - 10 * INTERVALS * INTERVAL_MS);
  series.count("done", 1, nowMs + 60_000);
  series.measureStart(7, nowMs - INTERVAL_MS);
  t.deepEqual(
    series
      .intervals()
      .slice(-3)
      .map(({ done }) => done),
    [3, 0, 1],
    "what a clock ahead of ours says counts as now",
  );
  t.is(
    series.intervals().reduce((sum, { done }) => sum + done, 0),
    4,
    "what is older than all counts for nothing",
  );
  t.true(
    (quantile(
      series
        .intervals()
        .slice(-2, -1)
        .map(({ startLatency }) => startLatency),
      1,
    ) ?? 0) >= 7,
  );
  series.forgetBefore(nowMs - 2 * INTERVAL_MS + 1);
  t.deepEqual(
    series.intervals().map(({ done }) => done),
    [3, 0, 1],
  );
  series.forgetBefore(nowMs + 1_000_000);
  t.is(series.intervals().length, 1, "the present one stays");
});

test("a quantile is right within a quarter, and unknown where nothing was measured", (t) => {
  const histogram = createHistogram();
  t.is(quantile([histogram], 0.5), null);
  for (let ms = 1; ms <= 1_000; ms++) histogram.add(ms);
  for (const share of [0.5, 0.95, 0.99]) {
    const found = quantile([histogram], share) ?? 0;
    t.true(found >= share * 1_000 && found <= share * 1_250, `${share}: ${found}`);
  }
  histogram.add(Number.POSITIVE_INFINITY);
  histogram.add(Number.NaN);
  t.is(quantile([histogram], 0), 1);
});

test("of many VOs those with most are told apart, and the others are one", (t) => {
  const samples = keepSamples();
  const figures = new Map(Array.from({ length: 9 }, (_, index) => [`vo${index}`, index]));
  samples.add({ atMs: START_MS, figures });
  samples.add({ atMs: START_MS + 1, figures });
  t.is(samples.all().length, 1, "one sample an interval");
  const names = samples.names();
  t.deepEqual(names, ["vo8", "vo7", "vo6", "vo5", "vo4", OTHERS]);
  const [sample] = samples.all();
  t.deepEqual(sample && names.map((name) => figureOf(sample, name, names)), [8, 7, 6, 5, 4, 6]);
});

test("all events are counted, some hundred a second are read, and what is no event harms nothing", (t) => {
  let nowMs = START_MS;
  const counted: Record<string, number> = {};
  const read: ToldEvent[] = [];
  const events = readEvents(
    {
      counted: (step, times) => {
        counted[step] = (counted[step] ?? 0) + times;
      },
      read: (event) => void read.push(event),
    },
    () => nowMs,
  );
  const event = {
    step: "done",
    task: "MyTask",
    vo: "lhcb",
    taskId: "a",
    attempt: 1,
    at: "2027-01-31T12:00:00Z",
    worker: "w",
  };
  const line = JSON.stringify(event);
  events.hear("events.MyTask.lhcb.done", Buffer.from(`${line}\n${line}\n`));
  for (const text of ["", "{", "[]", '{"step":1}', "\u0000"]) events.hear("events.x.done", Buffer.from(text));
  t.deepEqual([counted, read.length], [{ done: 7 }, 2]);
  for (let count = 0; count < 5_000; count++) events.hear("events.MyTask.lhcb.done", Buffer.from(line));
  t.is(counted["done"], 5_007);
  t.true(read.length <= 501);
  nowMs += 1_000;
  events.hear("events.MyTask.lhcb.done", Buffer.from(JSON.stringify({ ...event, taskId: "newest", attempt: "?" })));
  t.like(events.newest()[0], { taskId: "newest", attempt: 1 });
  t.true(events.newest().length > 400 && events.newest().length <= 500);
  const before = read.length;
  nowMs += 1_000;
  const many = Buffer.from(Array.from({ length: 16 }, () => line).join("\n"));
  for (let count = 0; count < 1_000; count++) events.hear("events.MyTask.lhcb.done", many);
  t.is(counted["done"], 5_008 + 16_000, "each line is an event");
  t.true(read.length - before <= 500);
});
