import type { PublishableTask } from "@muster/tasks";
import { START_WITHIN_MS, startBundled } from "../support/child_process.ts";
import type { TestDatabase } from "../support/database.ts";
import type { Muster } from "../support/muster.ts";
import { within } from "../support/until.ts";

/** The VO of all scenarios. */
export const VO = "lhcb";
/** Processes at the same time. */
const SIDE_BY_SIDE = 4;
/** Time after which the server hands a killed worker's message to another worker, ms. */
const ACK_WAIT_MS = 5_000;
const WORKER = new URL("./worker_main.ts", import.meta.url);

/** One scenario, whose worker dies at its point. */
export interface Crash {
  readonly index: number;
  /** Tells the worker which list the index means; see worker_main.ts. */
  readonly env?: Readonly<Record<string, string>>;
  /** The task that is published. */
  readonly parent: PublishableTask;
  /** Names of the tasks whose messages come back soon when the worker is dead. */
  readonly names: readonly string[];
  /** Called while the worker runs. */
  meanwhile?(taskId: string): Promise<unknown>;
}

/** Publishes the task to a worker that dies of it, and resolves with the task's id when that worker is dead. */
export async function playCrash(
  { muster, database }: { readonly muster: Muster; readonly database: TestDatabase },
  { index, env = {}, parent, names, meanwhile }: Crash,
): Promise<string> {
  // The consumers are there before the worker looks for them, so that the message of a dead worker comes back soon.
  for (const name of names) await muster.declareConsumer(name, VO, ACK_WAIT_MS);
  const { taskId } = await muster.publish(parent, { vo: VO });
  await using worker = await startBundled(WORKER, {
    ...env,
    SCENARIO: String(index),
    NATS_URL: muster.nats.url,
    DATABASE_URL: database.url,
  });
  await meanwhile?.(taskId);
  const { signal } = await within(worker.exited, () => `the end of scenario ${index}`, START_WITHIN_MS);
  if (signal !== "SIGKILL") throw new Error(`scenario ${index} did not come to its point`);
  return taskId;
}

/** Plays `count` scenarios, a few at a time, and resolves with what each came to. */
export async function playAll<Result>(
  count: number,
  play: (index: number) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let next = 0;
  async function lane(): Promise<void> {
    for (let index = next++; index < count; index = next++) results[index] = await play(index);
  }
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, lane));
  return results;
}
