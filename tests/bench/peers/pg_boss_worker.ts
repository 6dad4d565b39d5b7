import pg from "pg";
import { PgBoss } from "pg-boss";
import { serve } from "../actors/serve.ts";
import { countStarts, untilEmpty } from "../actors/started.ts";
import type { BenchPayload, WorkerVerbs } from "../actors/verbs.ts";

/** Number of jobs that one statement fetches and completes. */
const BATCH = 100;
/** Number of workers in one process that fetch at the same time. */
const FETCHERS = 4;
const [connectionString = ""] = process.argv.slice(2);
const client = new pg.Client({ connectionString });
await client.connect();
const boss = new PgBoss({ connectionString, useListenNotify: true });
boss.on("error", (error) => console.error(error));
await boss.start();
const starts = countStarts();

function start(): Promise<string> {
  const options = {
    batchSize: BATCH,
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5,
    localConcurrency: FETCHERS,
  };
  return boss.work<BenchPayload>("bench", options, async (jobs) => {
    for (const { data } of jobs) starts.note(data);
  });
}

async function isEmpty(): Promise<boolean> {
  const { rows } = await client.query("select 1 from pgboss.job where state < 'completed' limit 1");
  return rows.length === 0;
}

serve(
  {
    async drain({ count }) {
      const started = starts.next(count);
      await start();
      const { firstUs } = await started;
      const tookMs = ((await untilEmpty(isEmpty)) - firstUs) / 1_000;
      await boss.offWork("bench");
      return { tookMs };
    },
    async listen() {
      starts.take();
      await start();
    },
    async heard() {
      await boss.offWork("bench");
      return starts.take();
    },
  } satisfies WorkerVerbs,
  async () => {
    await boss.stop();
    await client.end();
  },
);
