import { Queue, Worker } from "bullmq";
import { serve } from "../actors/serve.ts";
import { countStarts, untilEmpty } from "../actors/started.ts";
import type { BenchPayload, WorkerVerbs } from "../actors/verbs.ts";

const [host = "", port = ""] = process.argv.slice(2);
const connection = { host, port: Number(port) };
const queue = new Queue("bench", { connection });
await queue.waitUntilReady();
const starts = countStarts();
let listening: Worker<BenchPayload> | undefined;

async function start(concurrency: number): Promise<Worker<BenchPayload>> {
  const worker = new Worker<BenchPayload>("bench", async ({ data }) => starts.note(data), { connection, concurrency });
  worker.on("error", (error) => console.error(error));
  await worker.waitUntilReady();
  return worker;
}

async function isEmpty(): Promise<boolean> {
  const { wait = 0, active = 0 } = await queue.getJobCounts("wait", "active");
  return wait + active === 0;
}

serve(
  {
    async drain({ count, concurrency }) {
      const started = starts.next(count);
      const worker = await start(concurrency);
      const { firstUs } = await started;
      const tookMs = ((await untilEmpty(isEmpty)) - firstUs) / 1_000;
      await worker.close();
      return { tookMs };
    },
    async listen({ concurrency }) {
      starts.take();
      listening = await start(concurrency);
    },
    async heard() {
      await listening?.close();
      return starts.take();
    },
  } satisfies WorkerVerbs,
  async () => {
    await listening?.close();
    await queue.close();
  },
);
