/** The bench in a small form: it fails on a ratio far below its target, never on a time, for other tests run beside it. */
import test from "ava";
import { quantile } from "../report/statistics.ts";
import { openServers } from "../servers/servers.ts";
import { type Bench, CONCURRENCY, inTurn, openBench, type Rounds } from "./bench.ts";
import { openGrid } from "./grid.ts";
import { hearStarts } from "./hear_starts.ts";
import { QUICK } from "./sizes.ts";

/** A noisy machine may cost so much of a target, and a mistake that matters costs more. */
const SLACK = 6;
const COUNT = 5_000;
const ROUNDS = 3;

async function withBench(work: (bench: Bench) => Promise<void>): Promise<void> {
  await using servers = await openServers(() => {});
  const sizes = { ...QUICK, warmUp: 2_000 };
  const ground = { servers, durability: "lazy", flags: () => [], progress: () => {} } as const;
  await using bench = openBench({ sizes, ...ground });
  await work(bench);
}

/** The best of Muster's rounds against the other's of the same round. */
function bestRatio(rounds: Rounds, ours: string, theirs: string): number {
  const others = rounds.get(theirs) ?? [];
  return Math.max(...(rounds.get(ours) ?? []).map((value, round) => value / (others[round] ?? Number.NaN)));
}

test.serial("publish, drain and idle start keep their distance to raw JetStream", async (t) => {
  await withBench(async (bench) => {
    const { contenders } = await bench.contenders(["muster", "raw"]);
    const { publish, drain } = await inTurn(ROUNDS, contenders, async ({ publisher, worker }) => {
      const published = await publisher.ask("publish", { count: COUNT });
      const drained = await worker.ask("drain", { count: COUNT, concurrency: CONCURRENCY });
      return { publish: COUNT / published.tookMs, drain: COUNT / drained.tookMs };
    });
    const { start } = await inTurn(ROUNDS, contenders, async ({ publisher, worker }) => {
      await worker.ask("listen", { concurrency: CONCURRENCY });
      await publisher.ask("trickle", { count: 40, pauseMs: 5 });
      return { start: 1 / quantile(await worker.ask("heard"), 0.5) };
    });
    const ratios = {
      publish: bestRatio(publish, "muster", "raw"),
      drain: bestRatio(drain, "muster", "raw"),
      start: bestRatio(start, "muster", "raw"),
    };
    t.log(ratios);
    t.true(ratios.publish > 0.8 / SLACK, "publish");
    t.true(ratios.drain > 0.5 / SLACK, "drain");
    t.true(ratios.start > 1 / SLACK, "idle start");
  });
});

test.serial("200 VOs drain fairly, and not much slower than one", async (t) => {
  await withBench(async (bench) => {
    await using grid = await openGrid(bench, "small");
    const vos = Array.from({ length: 200 }, (_, number) => `vo${number + 1}`);
    const fairness: number[] = [];
    const turns = [
      { name: "one", load: { count: COUNT } },
      { name: "many", load: { count: COUNT, vos } },
    ];
    await grid.publisher.ask("configure", { vos });
    const { drain } = await inTurn(ROUNDS, turns, async ({ name, load }) => {
      await grid.publisher.ask("publish", load);
      const drained = await grid.workers[0].ask("drain", { count: COUNT, concurrency: CONCURRENCY });
      if (name === "many") fairness.push(...drained.fairness);
      return { drain: COUNT / drained.tookMs };
    });
    t.log({ drain: bestRatio(drain, "many", "one"), leastFair: Math.min(...fairness) });
    t.true(bestRatio(drain, "many", "one") > 0.5 / SLACK);
    t.true(quantile(fairness, 0.5) > 0.8);
  });
});

test.serial("tasks go on to begin beside a worker that is killed", async (t) => {
  await withBench(async (bench) => {
    await using grid = await openGrid(bench, "small-churn", { workerCount: 2 });
    const [count, kill] = [200, 50];
    for (const worker of grid.workers) await worker.ask("listen", { concurrency: CONCURRENCY, tell: true });
    await using heard = await hearStarts(grid.url, count);
    const arriving = grid.publisher.ask("arrive", { task: "HeldTask", holdMs: 10, count, perS: 100 });
    await heard.some(kill);
    process.kill(grid.workers[0].pid, "SIGKILL");
    await arriving;
    const latencies = await heard.all();
    t.log({ median: quantile(latencies, 0.5), longest: Math.max(...latencies) });
    t.true(quantile(latencies, 0.5) < 1_000 * SLACK);
  });
});
