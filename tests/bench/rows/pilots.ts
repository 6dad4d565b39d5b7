import { type Database, migrate, openDatabase } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import { randomUUID } from "node:crypto";
import type { PilotPublisherVerbs, PilotWorkerVerbs, Submissions } from "../actors/pilot_verbs.ts";
import type { RowReport } from "../report/report.ts";
import { median } from "../report/statistics.ts";
import { type Actor, startActor } from "../run/actor.ts";
import { type Bench, figuresOf, inTurn, ratioTo, type Rounds } from "../run/bench.ts";
import { nodeCommand } from "../run/contenders.ts";
import { countOverlaps } from "../run/pilot_sums.ts";
import { treeCpuMs } from "../servers/process_figures.ts";

const DURABILITY = "NATS lazy, PostgreSQL as it comes; the bare transactions on the same PostgreSQL";
const TEN = 10;

/** Muster with the pilots' tables: the processes that publish and submit, and a look at what they have written. */
export interface PilotGrid extends AsyncDisposable {
  readonly databaseUrl: string;
  readonly database: Database;
  readonly publisher: Actor<PilotPublisherVerbs>;
  readonly workers: readonly Actor<PilotWorkerVerbs>[];
}

/** Opens the grid on the nats-server called `name`. */
export async function openPilotGrid(bench: Bench, name: string, workerCount: number): Promise<PilotGrid> {
  const { url } = await bench.servers.nats(name, bench.durability);
  const databaseUrl = await bench.servers.database("pilots");
  await migrate(databaseUrl, { tables: [pilotTables] });
  await using opened = new AsyncDisposableStack();
  const database = opened.use(await openDatabase({ url: databaseUrl, poolSize: 1, tables: [pilotTables] }));
  const command = (role: "publisher" | "worker", suffix = "") =>
    nodeCommand(bench, `muster-${name}-${role}${suffix}`, [`actors/pilot_${role}.ts`, url, databaseUrl]);
  const publisher = opened.use(await startActor<PilotPublisherVerbs>(command("publisher")));
  const workers: Actor<PilotWorkerVerbs>[] = [];
  for (let number = 1; number <= workerCount; number++) {
    workers.push(opened.use(await startActor<PilotWorkerVerbs>(command("worker", `-${number}`))));
  }
  const kept = opened.move();
  return { databaseUrl, database, publisher, workers, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** A round of submissions. */
export interface Run {
  readonly count: number;
  readonly ceNames: readonly string[];
  readonly concurrency: number;
}

/** Throws where pilots are missing or too many, or where two submissions to one CE ran at the same time. */
export async function checkPilots({ database }: PilotGrid, run: Run): Promise<void> {
  const overlaps = await countOverlaps(database, run);
  if (overlaps > 0) throw new Error(`Cannot measure: ${overlaps} submissions ran beside another one on their CE`);
}

/** Time of the whole path, from the first start to the end of the last message, ms. */
export async function throughMuster(grid: PilotGrid, run: Run): Promise<number> {
  const { publisher, workers } = grid;
  const { count, ceNames, concurrency } = run;
  await publisher.ask("publish", { count, ceNames });
  await Promise.all(workers.map((worker) => worker.ask("work", { concurrency })));
  const { atUs } = await publisher.ask("untilEmpty");
  const stopped = await Promise.all(workers.map((worker) => worker.ask("stop")));
  const firstUs = Math.min(...stopped.map((worker) => worker.firstUs ?? Number.POSITIVE_INFINITY));
  await checkPilots(grid, run);
  return (atUs - firstUs) / 1_000;
}

/** Makes `ceCount` CEs that no round has had, so that no count grows. */
export async function newCes({ publisher }: PilotGrid, ceCount: number): Promise<readonly string[]> {
  const made = randomUUID().slice(0, 8);
  const ceNames = Array.from({ length: ceCount }, (_, number) => `ce${number}-${made}.example.org`);
  await publisher.ask("prepare", { ceNames });
  return ceNames;
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
  /** Whether the CPU time of a submission counts too. */
  readonly cpu?: "counted";
}

/** Most CPU time of a submission in worker, PostgreSQL and nats-server together, ms. */
const MOST_CPU_MS = 1.6;

/** CPU time of the processes that a submission passes, ms. */
interface Cpu {
  readonly worker: number;
  readonly postgres: number;
  readonly nats: number;
}

/** What the rounds say of Muster's CPU time. */
function cpuOf(row: string, measured: Readonly<Record<keyof Cpu, Rounds>>): Pick<RowReport, "figures" | "targets"> {
  const of = (what: keyof Cpu) => measured[what].get("muster") ?? [];
  const [worker, postgres, nats] = [of("worker"), of("postgres"), of("nats")];
  const together = worker.map((ms, round) => ms + (postgres[round] ?? 0) + (nats[round] ?? 0));
  const figure = (what: string, rounds: readonly number[]) =>
    ({ contender: "muster", what: `CPU of a submission, ${what}`, unit: "ms", rounds }) as const;
  return {
    figures: [figure("worker", worker), figure("PostgreSQL", postgres), figure("nats-server", nats)],
    targets: [
      {
        name: `CPU of worker, PostgreSQL and nats-server in ${row} vs ${MOST_CPU_MS} ms a submission`,
        ratio: median(together) / MOST_CPU_MS,
        atMost: 1,
      },
    ],
  };
}

/** Measures Muster's path and the bare transactions in turn. Each round has new CEs. */
export async function beside(bench: Bench, row: PilotRow): Promise<RowReport> {
  const { sizes, progress, servers } = bench;
  const { concurrency, ceCount } = row;
  await using grid = await openPilotGrid(bench, row.row, row.workerCount);
  const count = sizes.pilots;
  const ces = () => newCes(grid, ceCount);
  async function bare(load: Submissions): Promise<number> {
    const { tookMs } = await grid.publisher.ask("bare", load);
    await checkPilots(grid, { ...load, concurrency });
    return tookMs;
  }
  async function cpuNow(): Promise<Cpu> {
    const ofWorkers = await Promise.all(grid.workers.map(({ pid }) => treeCpuMs(pid)));
    const { nats, postgres } = await servers.cpuMs();
    return { worker: ofWorkers.reduce((sum, ms) => sum + ms, 0), postgres, nats };
  }
  await throughMuster(grid, { count: count / 4, ceNames: await ces(), concurrency });
  await bare({ count: count / 4, ceNames: await ces() });
  const turns = [
    { name: "muster", run: async (load: Submissions) => await throughMuster(grid, { ...load, concurrency }) },
    { name: "bare", run: bare },
  ];
  const measured = await inTurn(sizes.rounds, turns, async ({ name, run }) => {
    progress(`${row.row}, ${name}: ${count} submissions`);
    const load = { count, ceNames: await ces() };
    const before = await cpuNow();
    const rate = (count / (await run(load))) * 1_000;
    const after = await cpuNow();
    const used = (what: keyof Cpu) => (after[what] - before[what]) / count;
    return { rate, worker: used("worker"), postgres: used("postgres"), nats: used("nats") };
  });
  const { rate } = measured;
  const cpu = row.cpu === undefined ? { figures: [], targets: [] } : cpuOf(row.row, measured);
  return {
    row: row.row,
    title: `${count.toLocaleString("en")} MyPilotTasks ${row.title}`,
    durability: DURABILITY,
    figures: [...figuresOf(rate, { what: "submissions", unit: "tasks/s" }), ...cpu.figures],
    targets: [{ name: row.target, ratio: ratioTo(rate, "bare"), atLeast: row.atLeast }, ...cpu.targets],
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
    cpu: "counted",
  });
  return [report];
}
