import type { RawLocksVerbs } from "../actors/raw_locks.ts";
import type { RowReport } from "../report/report.ts";
import { startActor } from "../run/actor.ts";
import { type Bench, figuresOf, inTurn, ratioTo } from "../run/bench.ts";
import { nodeCommand } from "../run/contenders.ts";
import { type Grid, openGrid } from "../run/grid.ts";

/** Number of locks of the task that has several. */
const SEVERAL = 4;

/** Time of a task that holds `locks` mutexes, with one task at a time, ms. */
async function timeOfTask({ publisher, workers: [worker] }: Grid, count: number, locks: number): Promise<number> {
  await publisher.ask("publish", { task: "LockedTask", count, locks });
  return (await worker.ask("drain", { count, concurrency: 1 })).tookMs / count;
}

/** The cost of a mutex that no other task wants: the time of a task with it, minus that of a task without. */
export async function mutex(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  const count = sizes.locks;
  await using grid = await openGrid(bench, "mutex");
  await using raw = await startActor<RawLocksVerbs>(nodeCommand(bench, "raw-locks", ["actors/raw_locks.ts", grid.url]));
  await raw.ask("pairs", { count });
  await timeOfTask(grid, count, 1);
  const { one, several } = await inTurn(sizes.rounds, [{ name: "raw" }, { name: "muster" }], async ({ name }) => {
    progress(`${name}: ${count} mutexes`);
    if (name === "raw") {
      const pair = (await raw.ask("pairs", { count })).tookMs / count;
      return { one: pair, several: pair * SEVERAL };
    }
    const without = await timeOfTask(grid, count, 0);
    const withOne = await timeOfTask(grid, count, 1);
    return { one: withOne - without, several: (await timeOfTask(grid, count, SEVERAL)) - without };
  });
  return [
    {
      row: "mutex",
      title: "mutex taken and let go, no contention: what it adds to a task's time",
      durability: "lazy",
      figures: [
        ...figuresOf(one, { what: "one mutex", unit: "ms" }),
        ...figuresOf(several, { what: `${SEVERAL} mutexes of one task`, unit: "ms" }),
      ],
      targets: [
        { name: "mutex vs two raw round trips", ratio: ratioTo(one, "raw"), atMost: 1.3 },
        {
          name: `${SEVERAL} mutexes of one task, pipelined, vs ${SEVERAL} raw pairs in a row`,
          ratio: ratioTo(several, "raw"),
          atMost: 1,
        },
      ],
      notes: [
        "raw: KV create with a TTL, then purge at that revision, each awaited. A task of Muster's is over when its mutex is given " +
          "back, and the purge follows a millisecond later",
      ],
    },
  ];
}
