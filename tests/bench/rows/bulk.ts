import type { RowReport, Target } from "../report/report.ts";
import { type Bench, CONCURRENCY, figuresOf, inTurn, ratioTo, type Rounds } from "../run/bench.ts";
import type { ContenderName } from "../run/contenders.ts";

const LAZY =
  "lazy. Muster and raw JetStream: nats-server's default sync interval of two minutes; BullMQ and DiracX: Redis without persistence; " +
  "graphile-worker and pg-boss: PostgreSQL as it comes, each commit on the disk";
const SYNCED = "synced. Muster and raw JetStream: sync_interval always; BullMQ: Redis with appendfsync always";

/** Peers that are slow by design. They get fewer tasks, since the figure is a rate. */
const SLOW: ReadonlySet<ContenderName> = new Set(["graphile", "diracx"]);

interface BulkRates {
  readonly publish: Rounds;
  readonly drain: Rounds;
  readonly notes: readonly string[];
}

/** Publishes in bulk and drains with one worker process, for each contender in turn. */
async function bulkRates(bench: Bench, names: readonly ContenderName[], size: number): Promise<BulkRates> {
  const { contenders, notes } = await bench.contenders(names);
  const rates = await inTurn(bench.sizes.rounds, contenders, async ({ name, publisher, worker }) => {
    const count = SLOW.has(name) ? size / 10 : size;
    bench.progress(`${name}: ${count} tasks`);
    const published = await publisher.ask("publish", { count });
    const drained = await worker.ask("drain", { count, concurrency: CONCURRENCY });
    return { publish: (count / published.tookMs) * 1_000, drain: (count / drained.tookMs) * 1_000 };
  });
  return { ...rates, notes };
}

/** The comparisons with the contenders that could be started. */
function against(rounds: Rounds, row: string, least: Readonly<Partial<Record<ContenderName, number>>>): Target[] {
  return Object.entries(least)
    .filter(([other]) => rounds.has(other))
    .map(([other, atLeast]) => ({ name: `${row} vs ${other}`, ratio: ratioTo(rounds, other), atLeast }));
}

/** Tasks that are published in bulk and drained by one worker process, compared with all peers. */
export async function bulk(bench: Bench): Promise<RowReport[]> {
  const names = ["muster", "raw", "bullmq", "graphile", "graphile-local", "pg-boss", "diracx"] as const;
  const { publish, drain, notes } = await bulkRates(bench, names, bench.sizes.bulk);
  const count = bench.sizes.bulk.toLocaleString("en");
  return [
    {
      row: "drain",
      title: `drain of ${count} waiting no-op tasks, one worker process, ${CONCURRENCY} at a time`,
      durability: LAZY,
      figures: figuresOf(drain, { what: "drain", unit: "tasks/s" }),
      targets: against(drain, "drain", { raw: 0.5, bullmq: 3, "graphile-local": 1, diracx: 10 }),
      notes,
    },
    {
      row: "publish",
      title: `publish of ${count} tasks in bulk, each acknowledged`,
      durability: LAZY,
      figures: figuresOf(publish, { what: "publish", unit: "tasks/s" }),
      targets: against(publish, "publish", { raw: 0.8, bullmq: 1.5, diracx: 10 }),
      notes,
    },
  ];
}

/** The same where each acknowledged task is on the disk. */
export async function syncedBulk(bench: Bench): Promise<RowReport[]> {
  const size = bench.sizes.bulk / 5;
  const { publish, drain, notes } = await bulkRates(bench, ["muster", "raw", "bullmq"], size);
  const count = size.toLocaleString("en");
  return [
    {
      row: "synced-drain",
      title: `drain of ${count} waiting no-op tasks, everything on the disk`,
      durability: SYNCED,
      figures: figuresOf(drain, { what: "drain", unit: "tasks/s" }),
      targets: against(drain, "synced drain", { raw: 0.5, bullmq: 1 }),
      notes,
    },
    {
      row: "synced-publish",
      title: `publish of ${count} tasks in bulk, everything on the disk`,
      durability: SYNCED,
      figures: figuresOf(publish, { what: "publish", unit: "tasks/s" }),
      targets: against(publish, "synced publish", { raw: 0.5, bullmq: 1 }),
      notes,
    },
  ];
}
