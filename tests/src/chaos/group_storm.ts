import type { OutcomeRow } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";
import { startBundled, type TestProcess } from "../support/child_process.ts";
import type { TestDatabase } from "../support/database.ts";
import type { Muster } from "../support/muster.ts";
import { CrowdTask, MemberTask, TotalTask } from "./group_tasks.ts";

const WORKER = new URL("./group_worker_main.ts", import.meta.url);
/** Longest start of a worker, ms. */
const START_MS = 600_000;
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
  /** Time from one kill to the next, ms, while all workers run. */
  readonly everyMs: number;
  /** Greatest number of kills. */
  readonly kills: number;
  /**
   * How soon the server hands the message of a killed worker to another one, ms. Above the 5 s from one heartbeat to the next, or a callback that
   * reads for longer runs twice at once though nobody is killed.
   */
  readonly ackWaitMs: number;
  /** Called every ten seconds with how far the group is. */
  tell?(progress: { readonly killed: number; readonly ended: number; readonly callback: readonly string[] }): void;
}

/** Time from one word about the progress to the next, ms. */
const TELL_MS = 10_000;

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
  for (const { name } of [CrowdTask, MemberTask, TotalTask]) await muster.declareConsumer(name, VO, options.ackWaitMs);
  const env = { NATS_URL: muster.nats.url, DATABASE_URL: database.url, PERMITS: String(options.permits) };
  /** All that were ever started, so that none outlives the storm. */
  const all: TestProcess[] = [];
  const start = async () => {
    const started = await startBundled(WORKER, env);
    all.push(started);
    return started;
  };
  const workers: TestProcess[] = await Promise.all(Array.from({ length: options.workers }, start));
  await Promise.all(workers.map((worker) => worker.line(/ready/, START_MS)));
  let killed = 0;
  let isOver = false;
  async function trouble(): Promise<void> {
    while (!isOver && killed < kills) {
      // On a machine under load a start may take longer than the turn of all others to die. Then each would die as it becomes ready.
      await Promise.all(workers.map((worker) => worker.line(/ready/, START_MS)));
      await pause(everyMs);
      const victim = workers.shift();
      if (isOver || victim === undefined) return;
      victim.kill("SIGKILL");
      killed++;
      workers.push(await start());
      await victim.exited;
    }
  }
  let id: string | undefined;
  async function tellProgress(): Promise<void> {
    const [row] = await database.sql<{ count: number }>("select count(*)::int as count from effect");
    options.tell?.({ killed, ended: row?.count ?? 0, callback: muster.events.of(`${id}/then`) });
  }
  const telling = options.tell && setInterval(() => void tellProgress(), TELL_MS);
  try {
    const payload = { children, bytes, ms };
    const { taskId } = await muster.publish(CrowdTask, { vo: VO, payload });
    await muster.event("started", taskId);
    const inTrouble = trouble();
    // Nobody waits here for an event: the worker that would tell it may be the next to die.
    let end: OutcomeRow | undefined;
    while (end?.outcome !== "done") {
      if (end?.outcome === "dead") throw new Error(`the callback was given up: ${end.errors.join("; ")}`);
      await pause(250);
      id ??= (await database.database.ledger.recall(taskId))?.result as string | undefined;
      if (id !== undefined) end = await database.database.ledger.recall(`${id}/then`);
    }
    isOver = true;
    await inTrouble;
    const [effects] = await database.sql<{ count: number }>("select count(*)::int as count from effect");
    const then = await database.effects(`${id}/then`);
    return { killed, total: end.result, effects: [then, (effects?.count ?? 0) - then] };
  } finally {
    isOver = true;
    clearInterval(telling);
    await Promise.all(all.map((worker) => worker[Symbol.asyncDispose]()));
  }
}
