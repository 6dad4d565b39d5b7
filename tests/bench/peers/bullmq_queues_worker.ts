import { Queue, Worker } from "bullmq";
import { serve } from "../actors/serve.ts";
import { countStarts, untilEmpty } from "../actors/started.ts";
import type { BenchPayload, WorkerVerbs } from "../actors/verbs.ts";
import { connection, openQueues, queueOf } from "./bullmq_queues.ts";

const starts = countStarts();
const queues = openQueues((vo) => new Queue(queueOf(vo), { connection }));

/** A worker for each VO's queue, in one process. */
async function startWorkers(vos: readonly string[], concurrency: number) {
  // No VO waits for a place that another one has. So with many VOs more may run at the same time than elsewhere.
  const each = Math.max(1, Math.floor(concurrency / vos.length));
  const workers = openQueues((vo) => {
    const worker = new Worker<BenchPayload>(queueOf(vo), async ({ data }) => starts.note(data), {
      connection,
      concurrency: each,
    });
    worker.on("error", (error) => console.error(error));
    return worker;
  });
  await Promise.all(vos.map((vo) => workers.get(vo)));
  return workers;
}

async function countLeft(vo: string): Promise<number> {
  const { wait = 0, active = 0 } = await (await queues.get(vo)).getJobCounts("wait", "active");
  return wait + active;
}

serve(
  {
    async drain({ count, concurrency, vos = ["vo1"] }) {
      const started = starts.next(count);
      const workers = await startWorkers(vos, concurrency);
      const { firstUs } = await started;
      const isEmpty = async () => (await Promise.all(vos.map(countLeft))).every((left) => left === 0);
      const tookMs = ((await untilEmpty(isEmpty)) - firstUs) / 1_000;
      await workers.close();
      return { tookMs };
    },
    async listen() {
      throw new Error("Cannot time starts: only drains are compared with a queue for each VO");
    },
    heard: async () => starts.take(),
  } satisfies WorkerVerbs,
  () => queues.close(),
);
