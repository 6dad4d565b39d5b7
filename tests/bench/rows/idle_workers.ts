import { setTimeout as pause } from "node:timers/promises";
import type { RowReport } from "../report/report.ts";
import { type Bench, CONCURRENCY } from "../run/bench.ts";
import { type Grid, openGrid } from "../run/grid.ts";
import { type Overheard, overhear } from "../run/overhear.ts";
import { cpuMs } from "../../src/support/process_figures.ts";
import { median, quantile } from "../report/statistics.ts";

const WATCHED_MS = 20_000;
const SETTLES_MS = 2_000;
const PAUSE_MS = 20;
const MANY_VOS = Array.from({ length: 500 }, (_, number) => `vo${number + 1}`);
const MANY_WORKERS = 8;

interface IdleCost {
  readonly requestsPerS: number;
  readonly coreShare: number;
}

/** Watches one idle worker. Each of the VOs has had a task before. */
async function idleCost(bench: Bench, vos: readonly string[]): Promise<IdleCost> {
  await using grid = await openGrid(bench, `idle-${vos.length}`);
  const [worker] = grid.workers;
  await grid.publisher.ask("publish", { count: vos.length, vos });
  await worker.ask("drain", { count: vos.length, concurrency: CONCURRENCY });
  await using heard = await overhear(grid.url);
  await worker.ask("listen", { concurrency: CONCURRENCY });
  await pause(SETTLES_MS);
  await heard.take();
  const [startedMs, startedCpuMs] = [performance.now(), await cpuMs(worker.pid)];
  await pause(WATCHED_MS);
  const elapsedMs = performance.now() - startedMs;
  const usedMs = (await cpuMs(worker.pid)) - startedCpuMs;
  const { requests } = await heard.take();
  await worker.ask("heard");
  return { requestsPerS: (requests / elapsedMs) * 1_000, coreShare: (usedMs / elapsedMs) * 100 };
}

/** The cost of a worker that has nothing to do. */
export async function idleWorker(bench: Bench): Promise<RowReport[]> {
  const costs = [];
  for (const vos of [MANY_VOS.slice(0, 1), MANY_VOS]) {
    bench.progress(`muster: an idle worker, ${vos.length} VOs`);
    costs.push({ vos: vos.length, ...(await idleCost(bench, vos)) });
  }
  return [
    {
      row: "idle-cost",
      title: "what an idle worker costs",
      durability: "lazy",
      figures: costs.flatMap(({ vos, requestsPerS, coreShare }) => [
        { contender: "muster", what: `requests, ${vos} VOs`, unit: "requests/s" as const, rounds: [requestsPerS] },
        { contender: "muster", what: `CPU, ${vos} VOs`, unit: "% of a core" as const, rounds: [coreShare] },
      ]),
      targets: costs.flatMap(({ vos, requestsPerS, coreShare }) => [
        { name: `requests of an idle worker vs 2 a second, ${vos} VOs`, ratio: requestsPerS / 2, atMost: 1 },
        { name: `CPU of an idle worker vs 1 % of a core, ${vos} VOs`, ratio: coreShare, atMost: 1 },
      ]),
      notes: [],
    },
  ];
}

interface Start {
  readonly p50: number;
  readonly p99: number;
  readonly emptyPulls: number;
}

async function startAmong(
  grid: Grid,
  heard: Overheard,
  { count, samples }: { count: number; samples: number },
): Promise<Start> {
  const listening = grid.workers.slice(0, count);
  await Promise.all(listening.map((worker) => worker.ask("listen", { concurrency: CONCURRENCY })));
  await pause(SETTLES_MS);
  await heard.take();
  await grid.publisher.ask("trickle", { count: samples, pauseMs: PAUSE_MS });
  const { pulls } = await heard.take();
  const latencies = (await Promise.all(listening.map((worker) => worker.ask("heard")))).flat();
  return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), emptyPulls: (pulls - samples) / samples };
}

/** Start of a task with one idle worker, and with eight. */
export async function eightWorkers(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  await using grid = await openGrid(bench, "eight-workers", { workerCount: MANY_WORKERS });
  for (const worker of grid.workers) {
    await grid.publisher.ask("publish", { count: sizes.warmUp });
    await worker.ask("drain", { count: sizes.warmUp, concurrency: CONCURRENCY });
  }
  await using heard = await overhear(grid.url);
  const alone: Start[] = [];
  const among: Start[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    progress("muster: start latency with one worker idle, and with eight");
    alone.push(await startAmong(grid, heard, { count: 1, samples: sizes.samples }));
    among.push(await startAmong(grid, heard, { count: MANY_WORKERS, samples: sizes.samples }));
  }
  const ratio = (what: "p50" | "p99") =>
    median(among.map((start, at) => start[what] / (alone[at]?.[what] ?? Number.NaN)));
  return [
    {
      row: "eight-workers",
      title: "start latency with 8 workers of one app idle",
      durability: "lazy",
      figures: (["p50", "p99"] as const).flatMap((what) => [
        {
          contender: "muster",
          what: `${what}, one worker`,
          unit: "ms" as const,
          rounds: alone.map((start) => start[what]),
        },
        {
          contender: "muster",
          what: `${what}, eight workers`,
          unit: "ms" as const,
          rounds: among.map((start) => start[what]),
        },
      ]),
      targets: [
        { name: "start latency with 8 workers idle, median vs one", ratio: ratio("p50"), atMost: 1.5 },
        { name: "start latency with 8 workers idle, p99 vs one", ratio: ratio("p99"), atMost: 1.5 },
        {
          name: "empty pulls a task with 8 workers idle",
          ratio: median(among.map((start) => start.emptyPulls)),
          atMost: 0.1,
        },
      ],
      notes: [],
    },
  ];
}
