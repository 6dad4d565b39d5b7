import { setTimeout as pause } from "node:timers/promises";
import type { ChartName, Line, RowReport } from "../report/report.ts";
import { median, quantile } from "../report/statistics.ts";
import { type Bench, CONCURRENCY } from "../run/bench.ts";
import { type Grid, openGrid } from "../run/grid.ts";

const VO_COUNTS = [1, 5, 20, 50, 100, 200, 500];
const WORKER_COUNTS = [1, 2, 4, 8] as const;
const MOST_WORKERS = 8;
const SETTLES_MS = 1_000;

type Point = readonly [x: number, y: number];

function line(chart: ChartName, name: string, points: readonly Point[]): Line {
  return { chart, name, points };
}

/** Measures how the rates change with the number of tasks that wait. */
async function byWaiting(bench: Bench): Promise<Line[]> {
  const { contenders } = await bench.contenders(["muster", "raw"]);
  const lines: Line[] = [];
  for (const { name, publisher, worker } of contenders) {
    const published: Point[] = [];
    const drained: Point[] = [];
    for (const count of bench.sizes.growth) {
      bench.progress(`${name}: ${count} waiting`);
      const { tookMs } = await publisher.ask("publish", { count });
      published.push([count, (count / tookMs) * 1_000]);
      const drain = await worker.ask("drain", { count, concurrency: CONCURRENCY });
      drained.push([count, (count / drain.tookMs) * 1_000]);
    }
    lines.push(line("rate-by-waiting", `${name}, publish`, published));
    lines.push(line("rate-by-waiting", `${name}, drain`, drained));
  }
  return lines;
}

/** Measures how the drain changes with the number of VOs. The tasks are spread evenly. */
async function byVos(bench: Bench): Promise<Line[]> {
  const { bulk: count, rounds } = bench.sizes;
  await using grid = await openGrid(bench, "growth-vos");
  const points: Point[] = [];
  for (const voCount of VO_COUNTS) {
    bench.progress(`muster: ${voCount} VOs`);
    const vos = Array.from({ length: voCount }, (_, number) => `vo${number + 1}`);
    const rates: number[] = [];
    for (let round = 0; round < Math.min(3, rounds); round++) {
      await grid.publisher.ask("publish", { count, vos });
      rates.push((count / (await grid.workers[0].ask("drain", { count, concurrency: CONCURRENCY })).tookMs) * 1_000);
    }
    points.push([voCount, median(rates)]);
  }
  return [line("rate-by-vos", "muster, drain", points)];
}

/** Drains `count` waiting tasks with the first `workerCount` workers. Returns the rate, tasks/s. */
async function drainRate({ publisher, workers }: Grid, count: number, workerCount: number): Promise<number> {
  const working = workers.slice(0, workerCount);
  await publisher.ask("publish", { count });
  await Promise.all(working.map((worker) => worker.ask("listen", { concurrency: CONCURRENCY })));
  const { atUs } = await publisher.ask("untilEmpty");
  const starts = await Promise.all(working.map((worker) => worker.ask("firstStart")));
  await Promise.all(working.map((worker) => worker.ask("heard")));
  const firstUs = Math.min(...starts.map((start) => start.atUs ?? Number.POSITIVE_INFINITY));
  return (count / (atUs - firstUs)) * 1e6;
}

async function idleStart(
  { publisher, workers }: Grid,
  samples: number,
  workerCount: number,
): Promise<readonly number[]> {
  const working = workers.slice(0, workerCount);
  await Promise.all(working.map((worker) => worker.ask("listen", { concurrency: CONCURRENCY })));
  await pause(SETTLES_MS);
  await publisher.ask("trickle", { count: samples, pauseMs: 10 });
  return (await Promise.all(working.map((worker) => worker.ask("heard")))).flat();
}

/** Measures how the drain changes with the number of workers. */
async function byWorkers(bench: Bench): Promise<Line[]> {
  const { bulk: count, samples, rounds } = bench.sizes;
  await using grid = await openGrid(bench, "growth-workers", { workerCount: MOST_WORKERS });
  await drainRate(grid, count, MOST_WORKERS);
  const rates: Point[] = [];
  const [p50, p99]: [Point[], Point[]] = [[], []];
  for (const workerCount of WORKER_COUNTS) {
    bench.progress(`muster: ${workerCount} workers`);
    const drains: number[] = [];
    for (let round = 0; round < Math.min(3, rounds); round++) drains.push(await drainRate(grid, count, workerCount));
    rates.push([workerCount, median(drains)]);
    const latencies = await idleStart(grid, samples, workerCount);
    p50.push([workerCount, quantile(latencies, 0.5)]);
    p99.push([workerCount, quantile(latencies, 0.99)]);
  }
  return [
    line("rate-by-workers", "muster, drain", rates),
    line("latency-by-workers", "muster, median", p50),
    line("latency-by-workers", "muster, p99", p99),
  ];
}

/** Measures how the cost grows with waiting tasks, VOs and workers. It is for the charts and has no target. */
export async function growth(bench: Bench): Promise<RowReport[]> {
  const lines = [...(await byWaiting(bench)), ...(await byVos(bench)), ...(await byWorkers(bench))];
  const figures = lines.flatMap(({ name, chart, points }) =>
    points.map(([x, y]) => ({
      contender: name,
      what: `${chart} ${x.toLocaleString("en")}`,
      unit: chart === "latency-by-workers" ? ("ms" as const) : ("tasks/s" as const),
      rounds: [y],
    })),
  );
  return [
    {
      row: "growth",
      title: "how cost grows",
      durability: "lazy",
      figures,
      targets: [],
      notes: [
        "all processes share the machine's cores: beyond as many workers as cores the curve shows what they take from each other",
      ],
      lines,
    },
  ];
}
