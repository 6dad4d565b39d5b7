import { setTimeout as pause } from "node:timers/promises";
import type { Actor } from "../run/actor.ts";
import type { MusterWorkerVerbs } from "../actors/muster_verbs.ts";
import type { RowReport } from "../report/report.ts";
import { type Bench, CONCURRENCY } from "../run/bench.ts";
import { type Grid, openGrid } from "../run/grid.ts";
import { hearStarts } from "../run/hear_starts.ts";
import { median, quantile } from "../report/statistics.ts";
import { buildWorker } from "../servers/build.ts";

const WORKERS = 8;
const TASKS_PER_S = 200;
/** Time for which each task holds its permit, ms. */
const HOLD_MS = 10;
const KILL_EVERY_MS = 2_000;
/** Number of tasks for each one of `samples`: 20 seconds of them in a full run. */
const SHARE = 8;
/** The target of p99, ms. */
const WITHIN_MS = 1_000;
/** Longest time until what a killed worker had is given to another one, ms: the ack wait of a lane. */
const ACK_WAIT_MS = 20_000;

/** Kills one worker after the other, each replaced at once, until `signal` aborts. Returns how many it killed. */
async function killInTurn(grid: Grid, workers: Actor<MusterWorkerVerbs>[], signal: AbortSignal): Promise<number> {
  for (let killed = 0; ; killed++) {
    await pause(KILL_EVERY_MS, undefined, { signal }).catch(() => {
      // The round is over.
    });
    if (signal.aborted) return killed;
    const worker = workers.shift();
    if (worker !== undefined) process.kill(worker.pid, "SIGKILL");
    const fresh = await grid.join();
    await fresh.ask("listen", { concurrency: CONCURRENCY, tell: true });
    workers.push(fresh);
  }
}

/** One worker of eight is killed every two seconds while tasks arrive. */
export async function churn(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  const count = sizes.samples * SHARE;
  await buildWorker();
  const flags = (name: string) => [...bench.flags(name), "--conditions=production"];
  const rounds: { p50: number; p99: number; longest: number; perS: number; killed: number }[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    progress(`muster: ${count} tasks while workers are killed`);
    await using grid = await openGrid({ ...bench, flags }, "churn", { form: "built", workerCount: WORKERS });
    const workers = [...grid.workers];
    await Promise.all(workers.map((worker) => worker.ask("listen", { concurrency: CONCURRENCY, tell: true })));
    await using heard = await hearStarts(grid.url, count);
    const over = new AbortController();
    const killing = killInTurn(grid, workers, over.signal);
    const startedMs = performance.now();
    await grid.publisher.ask("arrive", { task: "HeldTask", holdMs: HOLD_MS, count, perS: TASKS_PER_S });
    const tookMs = performance.now() - startedMs;
    over.abort();
    const killed = await killing;
    const latencies = await heard.all();
    const longest = Math.max(...latencies);
    rounds.push({
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      longest,
      perS: (count / tookMs) * 1_000,
      killed,
    });
  }
  const figure = (what: string, unit: "ms" | "tasks/s" | "", value: (round: (typeof rounds)[number]) => number) => ({
    contender: "muster",
    what,
    unit,
    rounds: rounds.map(value),
  });
  return [
    {
      row: "churn",
      title: `start latency while one of ${WORKERS} workers is killed every ${KILL_EVERY_MS / 1_000} s and replaced`,
      durability: "lazy",
      figures: [
        figure("tasks that arrive", "tasks/s", ({ perS }) => perS),
        figure("workers killed", "", ({ killed }) => killed),
        figure("median", "ms", ({ p50 }) => p50),
        figure("p99", "ms", ({ p99 }) => p99),
        figure("longest, of a task that a killed worker had", "ms", ({ longest }) => longest),
      ],
      targets: [
        {
          name: "start latency under churn, p99 vs 1 s",
          ratio: median(rounds.map(({ p99 }) => p99)) / WITHIN_MS,
          atMost: 1,
        },
        {
          name: "start latency under churn, longest vs the ack wait",
          ratio: Math.max(...rounds.map(({ longest }) => longest)) / ACK_WAIT_MS,
          atMost: 1.05,
        },
      ],
      notes: [],
    },
  ];
}
