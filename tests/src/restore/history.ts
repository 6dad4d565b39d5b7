import { comparingChore, outboxChore } from "@muster/app";
import { type Database, getOutboxSummary, openDatabase } from "@muster/ledger";
import { runSql, type TestServer } from "@muster/ledger/testing";
import { createDatabase } from "@muster/local";
import type { Broker } from "@muster/tasks";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestDatabase, workerParts } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { sized } from "../support/size.ts";
import { until } from "../support/until.ts";
import { DoneTask, ParentTask, RetryTask, ThenTask, WaitTask } from "./tasks.ts";

export const VO = "lhcb";
/** Moments of which there are copies of both stores. */
export const MOMENTS = [0, 1, 2] as const;
export type Moment = (typeof MOMENTS)[number];

/** Number of tasks of each kind and moment. */
const COPIES = sized({ small: 2, large: 300 });

/** The ids of the tasks of one kind and moment. */
export function namesOf(what: string, moment: Moment): readonly string[] {
  return Array.from({ length: COPIES }, (_, index) => `${what}-${moment}.${index}`);
}

const HOUR_MS = 3_600_000;
const AT_THE_WORK = [DoneTask, ParentTask, RetryTask];
export const ALL_TASKS = [...AT_THE_WORK, WaitTask, ThenTask];
/** A log that nobody reads. */
export const log = { info() {}, warn() {} };

/** What happened between the moments, and how the stores were at each of them. */
export interface History extends AsyncDisposable {
  /** Names of the children and callbacks by their ids. */
  readonly names: ReadonlyMap<string, string>;
  /** Starts both stores as they were at these moments. */
  restore(moments: { readonly nats: Moment; readonly database: Moment }): Promise<Restored>;
}

export interface Restored extends AsyncDisposable {
  readonly muster: Muster;
  readonly database: Database;
}

/** Publishes what the outbox holds. */
export async function relay(servers: { readonly broker: Broker; readonly database: Database }): Promise<void> {
  const stop = new AbortController();
  const running = outboxChore({ ...servers, log }).run(stop.signal);
  await until(
    async () => ((await servers.database.transaction(getOutboxSummary)).waiting === 0 ? true : undefined),
    "an empty outbox",
  );
  stop.abort();
  await running;
}

/** Lets some work of each kind end and some wait, all of it named after the moment. Returns the names of the children. */
async function work(
  muster: Muster,
  database: Database,
  moment: Moment,
): Promise<readonly (readonly [id: string, name: string])[]> {
  const { broker } = muster;
  await using _worker = await muster.startWorker({ tasks: AT_THE_WORK, ...workerParts(database) });
  const of = (what: string) => namesOf(what, moment).map((taskId) => ({ vo: VO, taskId }));
  await muster.publishMany(
    DoneTask,
    of("done").map((each) => ({ ...each, keepResult: { hours: 1 } })),
  );
  await muster.publishMany(WaitTask, of("wait"));
  const at = new Date(Date.now() + HOUR_MS);
  await muster.publishMany(
    WaitTask,
    of("later").map((each) => ({ ...each, at })),
  );
  await muster.publishMany(ParentTask, of("parent"));
  await muster.publishMany(RetryTask, of("retry"));
  const unique = { key: "one", mode: "one waiting" } as const;
  await muster.publish(WaitTask, { vo: VO, taskId: `unique-${moment}`, unique });
  for (const { taskId } of [...of("done"), ...of("parent")]) await muster.event("done", taskId);
  for (const { taskId } of of("retry")) await muster.event("retry", taskId);
  // What the last moment left in the outbox is published now.
  await relay({ broker, database });
  await database.transaction(async (to) => {
    for (const each of of("outbox")) await database.ledger.publishWith(to, WaitTask, each);
  });
  await until(
    async () =>
      (await runSql(database, "select from task_outcome where published_at is null")).length === 0 || undefined,
    "all children to be published",
  );
  const children = of("parent").map(async ({ taskId: parent }, index) => {
    const spawned = (await database.ledger.recall(parent))?.spawned ?? [];
    return spawned.map(({ taskId, group, callback }) => {
      const what = callback === undefined ? (group === undefined ? "child" : "grouped") : "then";
      return [taskId, namesOf(what, moment)[index] ?? ""] as const;
    });
  });
  return (await Promise.all(children)).flat();
}

/** Plays the history, and keeps a copy of both stores of each moment. */
export async function playHistory(server: Pick<TestServer, "createUrl">): Promise<History> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "muster-restore-"));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  await using nats = await startTestNats();
  await using muster = await startMuster({ nats, vos: [VO] });
  const created = await createTestDatabase(server);
  await created.database.close();
  const { url } = created;
  const nameOf = (moment: Moment) => `${new URL(url).pathname.slice(1)}_${moment}`;
  const names = new Map<string, string>();
  for (const moment of MOMENTS) {
    await using database = await openDatabase({ url });
    for (const [id, name] of await work(muster, database, moment)) names.set(id, name);
    const chore = comparingChore({ broker: muster.broker, database });
    for (let mark = 0; mark < 3; mark++) await chore.run(new AbortController().signal);
    await database.close();
    await createDatabase({ url: asAdmin(url) }, nameOf(moment), { template: new URL(url).pathname.slice(1) });
    await nats.stop();
    await nats.copyStore(join(folder, String(moment)));
    await nats.start();
    await muster.reconnected();
  }
  const kept = opened.move();
  return {
    names,
    async restore(moments) {
      await using used = new AsyncDisposableStack();
      const restored = used.use(await startTestNats());
      await restored.stop();
      await restored.restoreStore(join(folder, String(moments.nats)));
      await restored.start();
      const copy = await createDatabase({ url: asAdmin(url) }, `${nameOf(moments.database)}_${moments.nats}`, {
        template: nameOf(moments.database),
      });
      const database = used.use(await openDatabase({ url: copy }));
      const again = used.use(await startMuster({ nats: restored, vos: [] }));
      const all = used.move();
      return { muster: again, database, [Symbol.asyncDispose]: () => all.disposeAsync() };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function asAdmin(url: string): string {
  const admin = new URL(url);
  admin.pathname = "/postgres";
  return admin.href;
}
