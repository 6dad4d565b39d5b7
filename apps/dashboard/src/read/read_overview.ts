// Tested by apps/dashboard/src/serve/serve_test.ts
import type { Feed } from "../feed/feed.ts";
import type { Figures } from "../feed/figures.ts";
import { quantile } from "../feed/histogram.ts";
import { figureOf, type Sample } from "../feed/samples.ts";
import { INTERVAL_MS, INTERVALS, type Interval } from "../feed/series.ts";
import { count, counted } from "../markup/format.ts";
import type { AttentionData, EventData, OverviewData } from "./shapes.ts";

/** Number of points of a chart. */
const POINTS = 60;
/** Number of intervals of the feed that make one point: 30 s, so that a chart shows half an hour. */
const TOGETHER = INTERVALS / POINTS;
/** Age up to which the last sample stands for the next point, ms. */
const RECENT_MS = 15_000;
/** Intervals from which the present rates come: a minute. */
const PRESENT = 12;
/** Events that the overview shows. */
const SHOWN = 12;

/** An event as pages and the API have it. */
export function eventData({ tookMs, reason, ...event }: ReturnType<Feed["events"]["newest"]>[number]): EventData {
  return { ...event, tookMs: tookMs ?? null, reason: reason ?? null };
}

function latencyOf(intervals: readonly Interval[]): OverviewData["startLatencyMs"] {
  const histograms = intervals.map(({ startLatency }) => startLatency);
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(histograms, share));
  return p50 == null || p95 == null || p99 == null ? null : { p50, p95, p99 };
}

function sum(intervals: readonly Interval[], field: "started" | "done" | "retried" | "lost" | "letters"): number {
  return intervals.reduce((total, interval) => total + interval[field], 0);
}

/** The points of all charts: half an hour in steps of 30 s. In the first five minutes after the start, five minutes in steps of 5 s. */
function pointsOf(intervals: readonly Interval[]): { readonly lengthMs: number; readonly atMs: readonly number[] } {
  const newest = intervals.at(-1)?.atMs ?? 0;
  const lengthMs = intervals.length <= POINTS ? INTERVAL_MS : TOGETHER * INTERVAL_MS;
  const last = Math.floor(newest / lengthMs) * lengthMs;
  return { lengthMs, atMs: Array.from({ length: POINTS }, (_, index) => last - (POINTS - 1 - index) * lengthMs) };
}

type Points = ReturnType<typeof pointsOf>;

function pointOf(atMs: number, { lengthMs }: Points): number {
  return Math.floor(atMs / lengthMs) * lengthMs;
}

function happened(intervals: readonly Interval[], points: Points): OverviewData["intervals"] {
  const byPoint = Map.groupBy(intervals, ({ atMs }) => pointOf(atMs, points));
  return points.atMs.map((atMs) => {
    const those = byPoint.get(atMs) ?? [];
    return {
      at: new Date(atMs).toISOString(),
      seconds: points.lengthMs / 1_000,
      ...{ started: sum(those, "started"), done: sum(those, "done") },
      ...{ retried: sum(those, "retried"), lost: sum(those, "lost") },
      startLatencyMs: latencyOf(those),
    };
  });
}

function waitingByVo({ waitingByVo: samples }: Feed, points: Points): OverviewData["waitingByVo"] {
  const names = samples.names();
  // The last sample of each point counts.
  const byPoint = new Map(samples.all().map((sample) => [pointOf(sample.atMs, points), sample]));
  const shown: (Sample | undefined)[] = [];
  for (const atMs of points.atMs) {
    const before = shown.at(-1);
    // A look that came a moment late has left out a point.
    const isRecent = before !== undefined && atMs - before.atMs < RECENT_MS;
    shown.push(byPoint.get(atMs) ?? (isRecent ? before : undefined));
  }
  return names.map((vo) => ({
    vo,
    waiting: shown.map((sample) => (sample === undefined ? null : figureOf(sample, vo, names))),
  }));
}

/** What an operator should look at, the worst first. `lettersLately`: dead letters that were stored in the last half hour. */
export function attentionTo(figures: Figures, lettersLately: number): AttentionData[] {
  const { troubles, workers, deadLetters, pauses, queues, ces } = figures;
  const found: AttentionData[] = troubles.map(({ server, reason }) => ({
    ...{ level: "bad", text: `${server} does not answer: ${reason}. The figures are older than this.`, href: "/" },
  }));
  const waits = queues.reduce((total, { waiting }) => total + waiting, 0);
  if (workers.length === 0) {
    const text =
      waits === 0
        ? "No worker runs."
        : `No worker runs, and ${counted(waits, "task")} ${waits === 1 ? "waits" : "wait"}.`;
    found.push({ level: waits === 0 ? "warn" : "bad", text, href: "/workers" });
  }
  const served = new Set(workers.flatMap(({ tasks }) => tasks));
  const unserved = new Set(
    queues.filter(({ task, waiting }) => waiting > 0 && !served.has(task)).map(({ task }) => task),
  );
  if (workers.length > 0 && unserved.size > 0) {
    const names = [...unserved];
    const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
    found.push({
      level: "bad",
      text: `Tasks wait that no worker takes: ${names.slice(0, 3).join(", ")}${more}.`,
      href: "/queue",
    });
  }
  if (deadLetters > 0) {
    // Some of the new ones may have been requeued or dropped by now.
    const recent = Math.min(deadLetters, lettersLately);
    const lately = recent > 0 ? `, ${count(recent)} of them from the last half hour` : "";
    found.push({ level: "warn", text: `${counted(deadLetters, "dead letter")}${lately}.`, href: "/dead" });
  }
  if (pauses.length > 0)
    found.push({ level: "warn", text: `${counted(pauses.length, "pause")} of queues.`, href: "/queue" });
  if (ces !== undefined && ces.length > 0 && ces.every(({ enabled }) => !enabled))
    found.push({ level: "warn", text: "All CEs are disabled.", href: "/ces" });
  return found;
}

/** What the overview shows: all of it from the feed, so it costs the servers nothing. */
export function readOverview(feed: Feed): OverviewData {
  const figures = feed.figures();
  const { workers, queues, ces } = figures;
  const intervals = feed.series.intervals();
  const points = pointsOf(intervals);
  const present = intervals.slice(-PRESENT);
  const active = ces?.map((ce) => ce.active.reduce((total, { submitted, running }) => total + submitted + running, 0));
  const perMinute = (field: "done" | "lost") => (sum(present, field) * 60_000) / (present.length * INTERVAL_MS);
  return {
    at: new Date(figures.atMs).toISOString(),
    since: new Date(intervals[0]?.atMs ?? 0).toISOString(),
    troubles: [...figures.troubles],
    attention: attentionTo(figures, sum(intervals, "letters")),
    waiting: queues.reduce((total, { waiting }) => total + waiting, 0),
    inHand: queues.reduce((total, { inHand }) => total + inHand, 0),
    delayed: queues.reduce((total, { delayed }) => total + delayed, 0),
    deadLetters: figures.deadLetters,
    workers: workers.length,
    permits: workers.reduce((total, { permits }) => total + permits, 0),
    donePerMinute: perMinute("done"),
    lostPerMinute: perMinute("lost"),
    startLatencyMs: latencyOf(intervals.slice(-5 * PRESENT)),
    activePilots: active?.reduce((total, each) => total + each, 0) ?? null,
    slots: ces?.reduce((total, { capacity, enabled }) => total + (enabled ? capacity : 0), 0) ?? null,
    intervals: happened(intervals, points),
    waitingByVo: waitingByVo(feed, points),
    events: feed.events.newest().slice(0, SHOWN).map(eventData),
  };
}
