import { type RunningWorker, startWorker } from "@muster/tasks";
import { fairnessOf } from "./fairness.ts";
import { connectMuster } from "./muster_broker.ts";
import { type BenchDeps, HeldTask, LockedTask, NoOpTask, RealtimeTask } from "./muster_tasks.ts";
import type { MusterWorkerVerbs } from "./muster_verbs.ts";
import { serve } from "./serve.ts";
import { countStarts, untilEmpty } from "./started.ts";

const connection = await connectMuster("bench worker");
const { broker, url } = connection;
const tasks = [NoOpTask, RealtimeTask, HeldTask, LockedTask];
const starts = countStarts();
/** The VO of each task, in the order in which they ran. */
let order: string[] = [];
let listening: RunningWorker | undefined;

const deps: BenchDeps = {
  note(payload, vo) {
    starts.note(payload);
    order.push(vo);
  },
};

function start(permits: number): Promise<RunningWorker> {
  return startWorker({ broker, nats: { url }, app: "bench", tasks, permits, deps: () => deps });
}

async function isEmpty(): Promise<boolean> {
  return (await broker.jsm.streams.info("TASKS")).state.messages === 0;
}

serve(
  {
    async drain({ count, concurrency }) {
      order = [];
      const started = starts.next(count);
      await using _worker = await start(concurrency);
      const { firstUs } = await started;
      const tookMs = ((await untilEmpty(isEmpty)) - firstUs) / 1_000;
      return { tookMs, fairness: fairnessOf(order) };
    },
    async listen({ concurrency }) {
      starts.take();
      void starts.next(Number.POSITIVE_INFINITY);
      listening = await start(concurrency);
    },
    firstStart: async () => ({ atUs: starts.firstUs() }),
    async heard() {
      await listening?.drain();
      order = [];
      return starts.take();
    },
  } satisfies MusterWorkerVerbs,
  () => connection.close(),
);
