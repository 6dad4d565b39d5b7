import type { RowReport } from "../report/report.ts";
import { type Bench, CONCURRENCY, figuresOf, inTurn, ratioTo } from "../run/bench.ts";
import { openGrid } from "../run/grid.ts";
import { median, quantile } from "../report/statistics.ts";

const VOS = Array.from({ length: 200 }, (_, number) => `vo${number + 1}`);
const SPREAD = "muster, 200 VOs";
const HEAVY = 100_000;
const PERMITS = 10;
/** Longest time until a light VO's task must start, ms. */
const START_WITHIN_MS = 25;

/** The drain of `bulk` again, with the tasks spread evenly over 200 VOs. */
export async function manyVos(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  const { contenders, notes } = await bench.contenders(["muster", "bullmq", "bullmq-queues"]);
  await using grid = await openGrid(bench, "many-vos");
  const count = sizes.bulk;
  const fairness: number[] = [];
  await grid.publisher.ask("publish", { count: sizes.warmUp, vos: VOS });
  await grid.workers[0].ask("drain", { count: sizes.warmUp, concurrency: CONCURRENCY });
  const others = contenders.map(({ name, publisher, worker }) => ({
    name,
    async run() {
      const vos = name === "bullmq-queues" ? VOS : ["vo1"];
      await publisher.ask("publish", { count, vos });
      return await worker.ask("drain", { count, concurrency: CONCURRENCY, vos });
    },
  }));
  const spread = {
    name: SPREAD,
    async run() {
      await grid.publisher.ask("publish", { count, vos: VOS });
      const drained = await grid.workers[0].ask("drain", { count, concurrency: CONCURRENCY });
      fairness.push(Math.min(...drained.fairness));
      return drained;
    },
  };
  const { drain } = await inTurn(sizes.rounds, [...others, spread], async ({ name, run }) => {
    progress(`${name}: ${count} tasks`);
    return { drain: (count / (await run()).tookMs) * 1_000 };
  });
  const targets = drain.has("bullmq-queues")
    ? [
        {
          name: "drain over 200 VOs vs bullmq with a queue and a worker for each VO",
          ratio: ratioTo(drain, "bullmq-queues", SPREAD),
          atLeast: 2,
        },
      ]
    : [];
  const oneQueue = ratioTo(drain, "bullmq", SPREAD);
  const beside = Number.isNaN(oneQueue)
    ? []
    : [`bullmq's one queue, where a VO waits behind all others: ${oneQueue.toFixed(2)}`];
  return [
    {
      row: "many-vos",
      title: `drain of ${count.toLocaleString("en")} tasks, evenly over 200 VOs`,
      durability: "as in drain",
      figures: [
        ...figuresOf(drain, { what: "drain", unit: "tasks/s" }),
        { contender: SPREAD, what: "Jain's index, least of 1,000s", unit: "", rounds: fairness },
      ],
      targets: [
        ...targets,
        { name: "drain over 200 VOs vs one VO", ratio: ratioTo(drain, "muster", SPREAD), atLeast: 0.5 },
        { name: "Jain's index over each 1,000 of 200 VOs", ratio: median(fairness), atLeast: 0.9 },
      ],
      notes: [...notes, ...beside],
    },
  ];
}

/** A VO with few tasks beside a VO with many. */
export async function lightVo(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  await using grid = await openGrid(bench, "light-vo");
  const { publisher, workers } = grid;
  const [worker] = workers;
  const p50: number[] = [];
  const p99: number[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    progress(`muster: a light VO beside ${HEAVY} tasks of another`);
    await publisher.ask("configure", { vos: ["heavy", "light"] });
    await publisher.ask("publish", { task: "HeldTask", holdMs: 1, count: HEAVY, vos: ["heavy"] });
    await worker.ask("listen", { concurrency: PERMITS });
    await publisher.ask("trickle", { task: "HeldTask", holdMs: 1, count: sizes.samples, pauseMs: 10, vos: ["light"] });
    await worker.ask("timed", { count: sizes.samples });
    const latencies = await worker.ask("heard");
    await publisher.ask("purge");
    p50.push(quantile(latencies, 0.5));
    p99.push(quantile(latencies, 0.99));
  }
  return [
    {
      row: "light-vo",
      title: `start of a VO's task while another VO has ${HEAVY.toLocaleString("en")} waiting (1 ms tasks, ${PERMITS} permits)`,
      durability: "lazy",
      figures: [
        { contender: "muster", what: "median", unit: "ms", rounds: p50 },
        { contender: "muster", what: "p99", unit: "ms", rounds: p99 },
      ],
      targets: [
        {
          name: `p99 start of a light VO's task vs ${START_WITHIN_MS} ms`,
          ratio: median(p99) / START_WITHIN_MS,
          atMost: 1,
        },
      ],
      notes: [],
    },
  ];
}
