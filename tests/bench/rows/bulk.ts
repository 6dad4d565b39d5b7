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

/** One comparison in bulk. */
export interface Bulk {
  readonly names: readonly ContenderName[];
  /** Number of tasks. */
  readonly size: number;
  /** Begins the names of its rows. */
  readonly prefix: string;
  /** The ends of their titles. */
  readonly titles: { readonly drain: string; readonly publish: string };
  readonly durability: string;
  /** The least ratio of Muster's rate to each other's. */
  readonly least: Readonly<Record<"drain" | "publish", Readonly<Partial<Record<ContenderName, number>>>>>;
  /** The ratios that the drain should reach first, on its way to those of `least`; absent: none. */
  readonly first?: Readonly<Partial<Record<ContenderName, number>>>;
}

/** Publishes in bulk and drains, and makes a row of each. */
export async function bulkOf(
  bench: Bench,
  { names, size, prefix, titles, durability, least, first = {} }: Bulk,
): Promise<RowReport[]> {
  const { publish, drain, notes } = await bulkRates(bench, names, size);
  const count = size.toLocaleString("en");
  const row = (what: "drain" | "publish", rounds: Rounds, title: string): RowReport => {
    const name = `${prefix}${what}`;
    const targets = against(rounds, name.replaceAll("-", " "), least[what]);
    return { row: name, title, durability, figures: figuresOf(rounds, { what, unit: "tasks/s" }), targets, notes };
  };
  const drained = row("drain", drain, `drain of ${count} waiting no-op tasks, ${titles.drain}`);
  const goals = against(drain, "drain", first).map((target) => ({ ...target, name: `${target.name}, first goal` }));
  return [
    { ...drained, targets: [...drained.targets, ...goals] },
    row("publish", publish, `publish of ${count} tasks in bulk, ${titles.publish}`),
  ];
}

/** Tasks that are published in bulk and drained by one worker process, compared with all peers. */
export async function bulk(bench: Bench): Promise<RowReport[]> {
  return await bulkOf(bench, {
    names: ["muster", "raw", "bullmq", "graphile", "graphile-local", "pg-boss", "diracx"],
    size: bench.sizes.bulk,
    prefix: "",
    titles: { drain: `one worker process, ${CONCURRENCY} at a time`, publish: "each acknowledged" },
    durability: LAZY,
    least: {
      drain: { raw: 0.5, bullmq: 3, "graphile-local": 1, diracx: 10 },
      publish: { raw: 0.8, bullmq: 1.5, diracx: 10 },
    },
    first: { raw: 0.37, bullmq: 2.4 },
  });
}

/** The same where each acknowledged task is on the disk. */
export async function syncedBulk(bench: Bench): Promise<RowReport[]> {
  return await bulkOf(bench, {
    names: ["muster", "raw", "bullmq"],
    size: bench.sizes.bulk / 5,
    prefix: "synced-",
    titles: { drain: "everything on the disk", publish: "everything on the disk" },
    durability: SYNCED,
    least: { drain: { raw: 0.5, bullmq: 1 }, publish: { raw: 0.5, bullmq: 1 } },
  });
}
