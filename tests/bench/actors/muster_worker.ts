import { type RunningWorker, startWorker } from "@muster/tasks";
import { connectMuster } from "./muster_broker.ts";
import { NoOpTask } from "./muster_tasks.ts";
import { serve } from "./serve.ts";
import { countStarts, untilEmpty } from "./started.ts";
import type { WorkerVerbs } from "./verbs.ts";

const connection = await connectMuster("bench worker");
const { broker, url } = connection;
const starts = countStarts();
let listening: RunningWorker | undefined;

function start(permits: number): Promise<RunningWorker> {
  return startWorker({ broker, nats: { url }, app: "bench", tasks: [NoOpTask], permits, deps: () => starts });
}

async function isEmpty(): Promise<boolean> {
  return (await broker.jsm.streams.info("TASKS")).state.messages === 0;
}

serve(
  {
    async drain({ count, concurrency }) {
      const started = starts.next(count);
      await using _worker = await start(concurrency);
      const { firstUs } = await started;
      return { tookMs: ((await untilEmpty(isEmpty)) - firstUs) / 1_000 };
    },
    async listen({ concurrency }) {
      starts.take();
      listening = await start(concurrency);
    },
    async heard() {
      await listening?.drain();
      return starts.take();
    },
  } satisfies WorkerVerbs,
  () => connection.close(),
);
