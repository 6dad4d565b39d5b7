import { startTestServer } from "@muster/ledger/testing";
import test from "ava";
import { startBundled } from "../support/child_process.ts";
import { createTestDatabase } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { within } from "../support/until.ts";
import type { CrashPoint } from "./points.ts";
import { UniqueTask } from "./unique_task.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const MAIN = new URL("./unique_main.ts", import.meta.url);
/** How soon the server hands the message of a killed worker to another one, ms. */
const ACK_WAIT_MS = 2_000;

/** Where a publisher dies: it has claimed its key, or stored its task and not noted where that lies. */
const POINTS: readonly CrashPoint[] = [
  { when: "after", step: "key changed" },
  { when: "after", step: "child published" },
];

/** Starts a process that dies at its point, and resolves when it is dead. */
async function die(muster: Muster, point: CrashPoint, env: Record<string, string>): Promise<void> {
  await using dying = await startBundled(MAIN, { NATS_URL: muster.nats.url, POINT: JSON.stringify(point), ...env });
  const { signal } = await within(dying.exited, () => `the end at ${JSON.stringify(point)}`);
  if (signal !== "SIGKILL") throw new Error(`the process did not come to ${JSON.stringify(point)}`);
}

test("I32: a publisher is killed at each of its steps: one task of its key runs, and none that was acknowledged is lost", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const stood: string[] = [];
  async function play(index: number, point: CrashPoint): Promise<void> {
    const unique = { key: `one-${index}`, mode: "one waiting" } as const;
    await die(muster, point, { KEY: unique.key, MODE: unique.mode, ID: `killed-one-${index}` });
    const next = await muster.publish(UniqueTask, { vo: "lhcb", taskId: `next-${index}`, unique });
    t.is(next.duplicateOf, `killed-one-${index}`);
    const key = `replace-${index}`;
    await muster.publish(UniqueTask, { vo: "lhcb", taskId: `acked-${index}`, unique: { key, mode: "replace" } });
    await die(muster, point, { KEY: key, MODE: "replace", ID: `killed-replace-${index}` });
    stood.push(`killed-one-${index}`, `killed-replace-${index}`);
  }
  await Promise.all(POINTS.map((point, index) => play(index, point)));
  await muster.startWorker({ tasks: [UniqueTask], ...database.forWorker });
  for (const taskId of stood) await muster.event("done", taskId);
  await muster.settled();
  const effects = await database.sql<{ task_id: string }>("select task_id from effect order by task_id");
  t.deepEqual(
    effects.map(({ task_id }) => task_id),
    stood.toSorted(),
  );
  // Where a task was replaced, the mark of that outlives all tasks of the key.
  const left = (await muster.results("unique.")).map((key) => muster.broker.buckets.results.get(key));
  for (const entry of await Promise.all(left)) t.like(entry?.json(), { waiting: undefined, begun: [] });
  t.deepEqual(await muster.results("unique.UniqueTask.lhcb.one-"), []);
});

test("I32: a task whose worker is killed after it had begun runs again, also where another one of its key waits by then", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.declareConsumer("UniqueTask", "lhcb", ACK_WAIT_MS);
  const unique = { key: "begun", mode: "replace" } as const;
  const first = await muster.publish(UniqueTask, { vo: "lhcb", unique });
  await die(muster, { when: "after", step: "key changed" }, { DATABASE_URL: database.url });
  const second = await muster.publish(UniqueTask, { vo: "lhcb", unique });
  t.is(second.replaced, undefined);
  await muster.startWorker({ tasks: [UniqueTask], ...database.forWorker });
  for (const { taskId } of [first, second]) await muster.event("done", taskId);
  t.deepEqual([await database.effects(first.taskId), await database.effects(second.taskId)], [1, 1]);
});
