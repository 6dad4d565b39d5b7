import type { ContenderName } from "../run/contenders.ts";
import { type Bench, CONCURRENCY, figuresOf, inTurn, ratioTo } from "../run/bench.ts";
import { quantile } from "../report/statistics.ts";
import type { RowReport } from "../report/report.ts";

/** Pause after which every system is idle again, ms. */
const PAUSE_MS = 10;

/** Time from publish to start, with one task at a time on an idle system. */
export async function idleLatency(bench: Bench): Promise<RowReport[]> {
  return await latencyOf(bench, {
    names: ["muster", "raw", "bullmq", "graphile", "pg-boss"],
    row: "idle-latency",
    title: "start latency, idle, one at a time",
    durability: "as in drain",
  });
}

/** One comparison of start latencies. */
export interface Latency extends Pick<RowReport, "row" | "title" | "durability"> {
  readonly names: readonly ContenderName[];
}

/** Publishes one task at a time on an idle system, and takes the time to its start. */
export async function latencyOf(bench: Bench, { names, ...row }: Latency): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  const { contenders, notes } = await bench.contenders(names);
  const { p50, p99 } = await inTurn(sizes.rounds, contenders, async ({ name, publisher, worker }) => {
    progress(`${name}: start latency, idle`);
    await worker.ask("listen", { concurrency: CONCURRENCY });
    await publisher.ask("trickle", { count: sizes.samples, pauseMs: PAUSE_MS });
    const latencies = await worker.ask("heard");
    return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
  });
  const targets = p50.has("bullmq")
    ? [
        { name: "idle start latency, median vs bullmq", ratio: ratioTo(p50, "bullmq"), atMost: 1 },
        { name: "idle start latency, p99 vs bullmq", ratio: ratioTo(p99, "bullmq"), atMost: 1 },
      ]
    : [];
  return [
    {
      ...row,
      figures: [...figuresOf(p50, { what: "median", unit: "ms" }), ...figuresOf(p99, { what: "p99", unit: "ms" })],
      targets,
      notes,
    },
  ];
}
