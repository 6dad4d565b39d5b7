import { addCe } from "@muster/logic";
import { pilotTasks } from "@muster/pilot-tasks";
import type { TestServer } from "@muster/ledger/testing";
import { startBundled, type TestProcess } from "../support/child_process.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";

const WORKER = new URL("./worker_main.ts", import.meta.url);

export interface ChaosWorkerOptions {
  /** Of a lease, and of an idle transaction; default 15,000. */
  readonly ttlMs?: number;
  /** The pilot tasks that it runs, beside `SiteTask`. */
  readonly tasks?: readonly (typeof pilotTasks)[number]["name"][];
}

/** Real servers, CEs, and workers in processes of their own. */
export interface ChaosGrid extends AsyncDisposable {
  readonly muster: Muster;
  readonly database: TestDatabase;
  /** Starts a worker and waits until it is ready. */
  startWorker(options?: ChaosWorkerOptions): Promise<TestProcess>;
}

/** CEs by name, with their capacities. */
export type Capacities = Readonly<Record<string, number>>;

/** Starts a grid whose servers keep what they acknowledged over a kill. Everything ends with it. */
export async function startGrid(
  server: Pick<TestServer, "createUrl">,
  capacities: Capacities = {},
): Promise<ChaosGrid> {
  await using opened = new AsyncDisposableStack();
  const nats = opened.use(await startTestNats({ sync: true }));
  const database = opened.use(await createTestDatabase(server));
  for (const [name, capacity] of Object.entries(capacities)) {
    await database.database.transaction((transaction) => addCe(transaction, { name, capacity, successRate: 0.9 }));
  }
  const muster = opened.use(await startMuster({ nats }));
  const kept = opened.move();
  return {
    muster,
    database,
    async startWorker({ ttlMs = 15_000, tasks = pilotTasks.map(({ name }) => name) } = {}) {
      const worker = await startBundled(WORKER, {
        NATS_URL: nats.url,
        DATABASE_URL: database.url,
        TTL_MS: String(ttlMs),
        TASKS: tasks.join(),
      });
      kept.use(worker);
      await worker.line(/^ready$/);
      return worker;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
