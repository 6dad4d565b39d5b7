import { setTimeout as pause } from "node:timers/promises";
import type { Bench } from "../run/bench.ts";
import { buildWorker } from "../servers/build.ts";
import { openGrid } from "../run/grid.ts";
import { memoryMb } from "../../src/support/process_figures.ts";
import { median, quantile } from "../report/statistics.ts";
import type { Grid } from "../run/grid.ts";
import type { RowReport } from "../report/report.ts";

/** Time for which a background task holds its permit, ms, and the number of permits. One permit becomes free each millisecond. */
const HOLD_MS = 10;
const PERMITS = 10;
const PAUSE_MS = 10;
/** Limit of a worker's memory, MB. */
const MEMORY_MB = 150;
const MEMORY_SAMPLES = 60;
const SAMPLE_EVERY_MS = 250;

interface Latency {
  readonly p50: number;
  readonly p99: number;
}

async function realtimeLatency({ publisher, workers: [worker] }: Grid, samples: number): Promise<Latency> {
  await worker.ask("listen", { concurrency: PERMITS });
  await pause(1_000); // the background tasks must hold all permits first
  await publisher.ask("trickle", { task: "RealtimeTask", count: samples, pauseMs: PAUSE_MS });
  await worker.ask("timed", { count: samples });
  const latencies = await worker.ask("heard");
  return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
}

/** Memory of a worker that runs waiting tasks as fast as it can. It is built as in production. */
async function memoryUnderLoad(bench: Bench): Promise<readonly number[]> {
  await buildWorker();
  const flags = (name: string) => [...bench.flags(name), "--conditions=production"];
  await using grid = await openGrid({ ...bench, flags }, "waiting", { form: "built" });
  const [worker] = grid.workers;
  await worker.ask("listen", { concurrency: 100 });
  const samples: number[] = [];
  for (let taken = 0; taken < MEMORY_SAMPLES; taken++) {
    await pause(SAMPLE_EVERY_MS);
    samples.push((await memoryMb(worker.pid)).now);
  }
  await worker.ask("heard");
  return samples;
}

/** The cost of many waiting tasks: a realtime task's start, and the worker's memory. */
export async function waiting(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  const idle: Latency[] = [];
  const beside: Latency[] = [];
  await using grid = await openGrid(bench, "waiting");
  // An idle grid of its own, so that both are measured in turn: a busy moment of the machine then affects both.
  await using idleGrid = await openGrid(bench, "not-waiting");
  progress(`muster: publishing ${sizes.waiting} background tasks`);
  await grid.publisher.ask("publish", { task: "HeldTask", holdMs: HOLD_MS, count: sizes.waiting });
  progress("muster: realtime start latency, idle and beside them");
  for (let round = 0; round < sizes.rounds; round++) {
    idle.push(await realtimeLatency(idleGrid, sizes.samples));
    beside.push(await realtimeLatency(grid, sizes.samples));
  }
  progress("muster: memory of a worker that works through them");
  const memory = await memoryUnderLoad(bench);
  await grid.publisher.ask("purge");

  const latencyFigures = (["p50", "p99"] as const).flatMap((what) => [
    { contender: "muster", what: `${what} idle`, unit: "ms" as const, rounds: idle.map((latency) => latency[what]) },
    {
      contender: "muster",
      what: `${what} beside`,
      unit: "ms" as const,
      rounds: beside.map((latency) => latency[what]),
    },
  ]);
  const ratio = (what: "p50" | "p99") =>
    median(beside.map((latency, round) => latency[what] / (2 * (idle[round]?.[what] ?? Number.NaN) + HOLD_MS)));
  const third = Math.floor(memory.length / 3);
  const count = sizes.waiting.toLocaleString("en");
  return [
    {
      row: "realtime",
      title: `start latency of a realtime task while ${count} background tasks of ${HOLD_MS} ms wait, ${PERMITS} permits`,
      durability: "lazy",
      figures: latencyFigures,
      targets: [
        { name: "realtime start latency, median vs 2 x idle + one task", ratio: ratio("p50"), atMost: 1 },
        { name: "realtime start latency, p99 vs 2 x idle + one task", ratio: ratio("p99"), atMost: 1 },
      ],
      notes: [],
    },
    {
      row: "memory",
      title: `memory of a worker with ${count} waiting, 100 permits`,
      durability: "lazy",
      figures: [{ contender: "muster", what: "resident", unit: "MB", rounds: memory }],
      targets: [
        { name: `memory of a worker vs ${MEMORY_MB} MB`, ratio: Math.max(...memory) / MEMORY_MB, atMost: 1 },
        {
          name: "memory of a worker, last third vs the third before",
          ratio: median(memory.slice(-third)) / median(memory.slice(third, 2 * third)),
          atMost: 1.1,
        },
      ],
      notes: [],
    },
  ];
}
