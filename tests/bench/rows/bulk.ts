import { type Bench, CONCURRENCY, figuresOf, inTurn, ratioTo, type Rounds } from "../run/bench.ts";
import type { ContenderName } from "../run/contenders.ts";
import type { RowReport, Target } from "../report/report.ts";

const DURABILITY =
  "Muster and raw JetStream: nats-server's default sync interval of two minutes; BullMQ and DiracX: Redis without persistence; " +
  "graphile-worker and pg-boss: PostgreSQL as it comes, each commit on the disk";

/** The comparisons with those that could be had. */
function against(rounds: Rounds, row: string, least: Readonly<Partial<Record<ContenderName, number>>>): Target[] {
  return Object.entries(least)
    .filter(([other]) => rounds.has(other))
    .map(([other, atLeast]) => ({ name: `${row} vs ${other}`, ratio: ratioTo(rounds, other), atLeast }));
}

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
  const count = sizes.bulk.toLocaleString("en");
  return [
    {
      row: "drain",
      title: `drain of ${count} waiting no-op tasks, one worker process`,
      durability: DURABILITY,
      figures: figuresOf(drain, { what: "drain", unit: "tasks/s" }),
      targets: against(drain, "drain", { bullmq: 3, "graphile-local": 1, raw: 0.5, diracx: 10 }),
      notes,
    },
    {
      row: "publish",
      title: `publish of ${count} tasks in bulk, each acknowledged`,
      durability: DURABILITY,
      figures: figuresOf(publish, { what: "publish", unit: "tasks/s" }),
      targets: against(publish, "publish", { raw: 0.8, bullmq: 1.5, diracx: 10 }),
      notes,
    },
  ];
}
