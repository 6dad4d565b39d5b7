import { migrate } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import type { PilotPublisherVerbs, PilotWorkerVerbs } from "../actors/pilot_verbs.ts";
import type { RowReport } from "../report/report.ts";
import { type Actor, startActor } from "../run/actor.ts";
import { type Bench, figuresOf, inTurn, ratioTo } from "../run/bench.ts";
import { nodeCommand } from "../run/contenders.ts";

const DURABILITY = "NATS lazy, PostgreSQL as it comes; the bare transactions on the same PostgreSQL";
const TEN = 10;

interface PilotGrid extends AsyncDisposable {
  readonly publisher: Actor<PilotPublisherVerbs>;
  readonly workers: readonly Actor<PilotWorkerVerbs>[];
}

async function openPilotGrid(bench: Bench, name: string, workerCount: number): Promise<PilotGrid> {
  const { url } = await bench.servers.nats(name, bench.durability);
  const databaseUrl = await bench.servers.database("pilots");
  await migrate(databaseUrl, { tables: [pilotTables] });
  await using opened = new AsyncDisposableStack();
  const command = (role: "publisher" | "worker", suffix = "") =>
    nodeCommand(bench, `muster-${name}-${role}${suffix}`, [`actors/pilot_${role}.ts`, url, databaseUrl]);
  const publisher = opened.use(await startActor<PilotPublisherVerbs>(command("publisher")));
  const workers: Actor<PilotWorkerVerbs>[] = [];
  for (let number = 1; number <= workerCount; number++) {
    workers.push(opened.use(await startActor<PilotWorkerVerbs>(command("worker", `-${number}`))));
  }
  const kept = opened.move();
  return { publisher, workers, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

interface Run {
  readonly count: number;
  readonly ceNames: readonly string[];
  readonly concurrency: number;
}

/** Time of the whole path, from the first start to the end of the last message, ms. */
async function throughMuster({ publisher, workers }: PilotGrid, { count, ceNames, concurrency }: Run): Promise<number> {
  await publisher.ask("publish", { count, ceNames });
  await Promise.all(workers.map((worker) => worker.ask("work", { concurrency })));
  const { atUs } = await publisher.ask("untilEmpty");
  const stopped = await Promise.all(workers.map((worker) => worker.ask("stop")));
  const firstUs = Math.min(...stopped.map((worker) => worker.firstUs ?? Number.POSITIVE_INFINITY));
  return (atUs - firstUs) / 1_000;
}

/** One comparison of submissions. */
export interface PilotRow {
  readonly row: string;
  readonly title: string;
  readonly ceCount: number;
  readonly workerCount: number;
  readonly concurrency: number;
  readonly atLeast: number;
  readonly target: string;
}

/** Measures Muster's path and the bare transactions in turn. Each round has new CEs, so that no count grows. */
export async function beside(bench: Bench, row: PilotRow): Promise<RowReport> {
  const { sizes, progress } = bench;
  await using grid = await openPilotGrid(bench, row.row, row.workerCount);
  const count = sizes.pilots;
  let made = 0;
  async function newCes(): Promise<readonly string[]> {
    made++;
    const ceNames = Array.from({ length: row.ceCount }, (_, number) => `ce${number}-${made}.example.org`);
    await grid.publisher.ask("prepare", { ceNames });
    return ceNames;
  }
  await throughMuster(grid, { count: count / 4, ceNames: await newCes(), concurrency: row.concurrency });
  await grid.publisher.ask("bare", { count: count / 4, ceNames: await newCes() });
  const turns = [
    {
      name: "muster",
      run: async () => await throughMuster(grid, { count, ceNames: await newCes(), concurrency: row.concurrency }),
    },
    {
      name: "bare",
      run: async () => (await grid.publisher.ask("bare", { count, ceNames: await newCes() })).tookMs,
    },
  ];
  const { rate } = await inTurn(sizes.rounds, turns, async ({ name, run }) => {
    progress(`${row.row}, ${name}: ${count} submissions`);
    return { rate: (count / (await run())) * 1_000 };
  });
  return {
    row: row.row,
    title: `${count.toLocaleString("en")} MyPilotTasks ${row.title}`,
    durability: DURABILITY,
    figures: figuresOf(rate, { what: "submissions", unit: "tasks/s" }),
    targets: [{ name: row.target, ratio: ratioTo(rate, "bare"), atLeast: row.atLeast }],
    notes: [],
  };
}

/** All submissions to one CE. Its mutex lets one through at a time. */
export async function oneCe(bench: Bench): Promise<RowReport[]> {
  const report = await beside(bench, {
    row: "one-ce",
    title: "on one CE, two workers",
    ceCount: 1,
    workerCount: 2,
    concurrency: 20,
    atLeast: 0.7,
    target: "one CE, two workers vs the same transactions in a row",
  });
  return [report];
}

/** Submissions to ten CEs. */
export async function tenCes(bench: Bench): Promise<RowReport[]> {
  const report = await beside(bench, {
    row: "ten-ces",
    title: "over ten CEs, one worker",
    ceCount: TEN,
    workerCount: 1,
    concurrency: TEN,
    atLeast: 0.6,
    target: "ten CEs, one worker vs bare transactions at the same concurrency",
  });
  return [report];
}
