import { Logger, run, type Runner, type RunnerOptions } from "graphile-worker";
import pg from "pg";
import { serve } from "../actors/serve.ts";
import { countStarts, untilEmpty } from "../actors/started.ts";
import type { BenchPayload, WorkerVerbs } from "../actors/verbs.ts";

const [connectionString = "", queueMode = "default"] = process.argv.slice(2);
const client = new pg.Client({ connectionString });
await client.connect();
const starts = countStarts();
const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});
let listening: Runner | undefined;

/** The values that its documentation recommends for many small jobs. */
const LOCAL_QUEUE = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

function start(concurrentJobs: number): Promise<Runner> {
  const options: RunnerOptions = {
    connectionString,
    logger,
    noHandleSignals: true,
    maxPoolSize: 10,
    preset: { worker: { concurrentJobs, ...(queueMode === "local" ? LOCAL_QUEUE : {}) } },
    taskList: { no_op: (payload) => starts.note(payload as BenchPayload) },
  };
  return run(options);
}

async function isEmpty(): Promise<boolean> {
  const { rows } = await client.query("select 1 from graphile_worker._private_jobs limit 1");
  return rows.length === 0;
}

serve(
  {
    async drain({ count, concurrency }) {
      const started = starts.next(count);
      const runner = await start(concurrency);
      const { firstUs } = await started;
      const tookMs = ((await untilEmpty(isEmpty)) - firstUs) / 1_000;
      await runner.stop();
      return { tookMs };
    },
    async listen({ concurrency }) {
      starts.take();
      listening = await start(concurrency);
    },
    async heard() {
      await listening?.stop();
      return starts.take();
    },
  } satisfies WorkerVerbs,
  () => client.end(),
);
