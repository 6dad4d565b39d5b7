import { setTimeout as pause } from "node:timers/promises";
import { startProcess, type TestProcess } from "../support/child_process.ts";
import type { TestDatabase } from "../support/database.ts";
import type { Muster } from "../support/muster.ts";
import { CrowdTask, MemberTask, TotalTask } from "./group_tasks.ts";

const WORKER = new URL("./group_worker_main.ts", import.meta.url);
/** How soon the server hands the message of a killed worker to another one, ms. */
const ACK_WAIT_MS = 5_000;
const VO = "lhcb";

export interface StormOptions {
  readonly children: number;
  /** Size of each result. */
  readonly bytes: number;
  /** How long each child runs, ms. */
  readonly ms: number;
  /** Worker processes at the same time. */
  readonly workers: number;
  /** Tasks that each of them runs at the same time. Those that are killed twice run alone for three seconds each, one after the other. */
  readonly permits: number;
  /** Time from one kill to the next, ms. */
  readonly everyMs: number;
  /** Greatest number of kills. */
  readonly kills: number;
}

/** What came of a storm. */
export interface StormEnd {
  readonly killed: number;
  /** The callback's result. */
  readonly total: unknown;
  /** Number of effects of the callback, and of the children. */
  readonly effects: readonly [number, number];
}

/** Runs a group on worker processes of which one is killed from time to time, and another started, until the callback has ended. */
export async function stormGroup(muster: Muster, database: TestDatabase, options: StormOptions): Promise<StormEnd> {
  const { children, bytes, ms, everyMs, kills } = options;
  for (const { name } of [CrowdTask, MemberTask, TotalTask]) await muster.declareConsumer(name, VO, ACK_WAIT_MS);
  const env = { NATS_URL: muster.nats.url, DATABASE_URL: database.url, PERMITS: String(options.permits) };
  /** All that were ever started, so that none outlives the storm. */
  const all: TestProcess[] = [];
  const start = async () => {
    const started = await startProcess(WORKER, env);
    all.push(started);
    return started;
  };
  const workers: TestProcess[] = await Promise.all(Array.from({ length: options.workers }, start));
  await Promise.all(workers.map((worker) => worker.line(/ready/)));
  let killed = 0;
  let isOver = false;
  async function trouble(): Promise<void> {
    while (!isOver && killed < kills) {
      await pause(everyMs);
      const victim = workers.shift();
      if (isOver || victim === undefined) return;
      // On a machine under load a start may take longer than its turn to die.
      await victim.line(/ready/);
      victim.kill("SIGKILL");
      killed++;
      workers.push(await start());
      await victim.exited;
    }
  }
  try {
    const payload = { children, bytes, ms };
    const { taskId } = await muster.publish(CrowdTask, { vo: VO, payload });
    await muster.event("started", taskId);
    const inTrouble = trouble();
    // Nobody waits here for an event: the worker that would tell it may be the next to die.
    let id: string | undefined;
    while (id === undefined || (await database.database.ledger.recall(`${id}/then`))?.outcome !== "done") {
      await pause(250);
      id ??= (await database.database.ledger.recall(taskId))?.result as string | undefined;
    }
    isOver = true;
    await inTrouble;
    const [effects] = await database.sql<{ count: number }>("select count(*)::int as count from effect");
    const then = await database.effects(`${id}/then`);
    const total = (await database.database.ledger.recall(`${id}/then`))?.result;
    return { killed, total, effects: [then, (effects?.count ?? 0) - then] };
  } finally {
    isOver = true;
    await Promise.all(all.map((worker) => worker[Symbol.asyncDispose]()));
  }
}
