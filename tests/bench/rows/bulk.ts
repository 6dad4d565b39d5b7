import { type Bench, CONCURRENCY, figuresOf, inTurn, ratioTo } from "../run/bench.ts";
import type { RowReport, Target } from "../report/report.ts";

const DURABILITY =
  "Muster and raw JetStream: nats-server's default sync interval of two minutes; BullMQ and DiracX: Redis without persistence; " +
  "graphile-worker and pg-boss: PostgreSQL as it comes, each commit on the disk";

/** Tasks published in bulk and drained by one worker process. */
export async function bulk(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  const { contenders, notes } = await bench.contenders([
    "muster",
    "raw",
    "bullmq",
    "graphile",
    "graphile-local",
    "pg-boss",
    "diracx",
  ]);
  const { publish, drain } = await inTurn(sizes.rounds, contenders, async ({ name, publisher, worker }) => {
    // The peers that are slow by nature get less to do; the figure is a rate.
    const count = name === "graphile" || name === "diracx" ? sizes.bulk / 10 : sizes.bulk;
    progress(`${name}: ${count} tasks`);
    const published = await publisher.ask("publish", { count });
    const drained = await worker.ask("drain", { count, concurrency: CONCURRENCY });
    return { publish: (count / published.tookMs) * 1_000, drain: (count / drained.tookMs) * 1_000 };
  });
  const than = (rounds: typeof drain, row: string, other: string, atLeast: number): Target[] =>
    rounds.has(other) ? [{ name: `${row} vs ${other}`, ratio: ratioTo(rounds, other), atLeast }] : [];
  const count = sizes.bulk.toLocaleString("en");
  return [
    {
      row: "drain",
      title: `drain of ${count} waiting no-op tasks, one worker process`,
      durability: DURABILITY,
      figures: figuresOf(drain, { what: "drain", unit: "tasks/s" }),
      targets: [
        ...than(drain, "drain", "bullmq", 3),
        ...than(drain, "drain", "graphile-local", 1),
        ...than(drain, "drain", "raw", 0.5),
        ...than(drain, "drain", "diracx", 10),
      ],
      notes,
    },
    {
      row: "publish",
      title: `publish of ${count} tasks in bulk, each acknowledged`,
      durability: DURABILITY,
      figures: figuresOf(publish, { what: "publish", unit: "tasks/s" }),
      targets: [
        ...than(publish, "publish", "raw", 0.8),
        ...than(publish, "publish", "bullmq", 1.5),
        ...than(publish, "publish", "diracx", 10),
      ],
      notes,
    },
  ];
}
