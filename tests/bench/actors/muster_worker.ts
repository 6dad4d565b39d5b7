import { type RunningWorker, startWorker } from "@muster/tasks";
import { fairnessOf } from "./fairness.ts";
import { connectMuster } from "./muster_broker.ts";
import { type BenchDeps, HeldTask, LockedTask, NoOpTask, RealtimeTask } from "./muster_tasks.ts";
import { type MusterWorkerVerbs, STARTS, type ToldStart } from "./muster_verbs.ts";
import { nowUs } from "./clock.ts";
import { serve } from "./serve.ts";
import { countStarts, untilEmpty } from "./started.ts";
import type { BenchPayload } from "./verbs.ts";

const connection = await connectMuster("bench worker");
const { broker, url } = connection;
const tasks = [NoOpTask, RealtimeTask, HeldTask, LockedTask];
const starts = countStarts();
/** The VO of each task, in the order in which they ran. */
let order: string[] = [];
let listening: RunningWorker | undefined;

let tells = false;

function tell({ number, sentAtUs }: BenchPayload): void {
  const start: ToldStart = { number, afterMs: (nowUs() - sentAtUs) / 1_000 };
  broker.nc.publish(STARTS, JSON.stringify(start));
}

const deps: BenchDeps = {
  note(payload, vo) {
    starts.note(payload);
    if (tells) tell(payload);
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
    async listen({ concurrency, tell: isTold = false }) {
      tells = isTold;
      starts.take();
      void starts.next(Number.POSITIVE_INFINITY);
      listening = await start(concurrency);
    },
    timed: ({ count }) => starts.timed(count),
    firstStart: async () => ({ atUs: starts.firstUs() }),
    async heard() {
      await listening?.drain();
      order = [];
      return starts.take();
    },
  } satisfies MusterWorkerVerbs,
  () => connection.close(),
);
