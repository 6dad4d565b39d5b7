import { Queue } from "bullmq";
import { nowUs } from "../actors/clock.ts";
import { payloadsOf } from "../actors/payloads.ts";
import { serve } from "../actors/serve.ts";
import type { PublisherVerbs } from "../actors/verbs.ts";
import { connection, openQueues, queueOf } from "./bullmq_queues.ts";

const opts = { removeOnComplete: true, removeOnFail: true };
const queues = openQueues((vo) => new Queue(queueOf(vo), { connection }));

serve(
  {
    async publish({ count, vos = ["vo1"] }) {
      const jobsOf = new Map(vos.map((vo) => [vo, [] as { name: string; data: object; opts: object }[]]));
      for (const { vo, payload } of payloadsOf({ count, vos }))
        jobsOf.get(vo)?.push({ name: "no-op", data: payload, opts });
      const startedUs = nowUs();
      await Promise.all([...jobsOf].map(async ([vo, jobs]) => (await queues.get(vo)).addBulk(jobs)));
      return { tookMs: (nowUs() - startedUs) / 1_000 };
    },
    async trickle() {
      throw new Error("Cannot time starts: only drains are compared with a queue for each VO");
    },
  } satisfies PublisherVerbs,
  () => queues.close(),
);
