import { Queue } from "bullmq";
import { setTimeout as pause } from "node:timers/promises";
import { nowUs } from "../actors/clock.ts";
import { payloadsOf } from "../actors/payloads.ts";
import { serve } from "../actors/serve.ts";
import { NOTE, type PublisherVerbs } from "../actors/verbs.ts";

/** Jobs of one addBulk. Of the values between 100 and 10,000 this was the fastest. */
const BULK = 1_000;
const [host = "", port = ""] = process.argv.slice(2);
const queue = new Queue("bench", { connection: { host, port: Number(port) } });
// Finished jobs leave no trace, as with Muster's tasks and graphile-worker's jobs.
const opts = { removeOnComplete: true, removeOnFail: true };
await queue.waitUntilReady();

serve(
  {
    async publish(load) {
      const jobs = [...payloadsOf(load)].map(({ payload }) => ({ name: "no-op", data: payload, opts }));
      const startedUs = nowUs();
      const bulks: Promise<unknown>[] = [];
      for (let at = 0; at < jobs.length; at += BULK) bulks.push(queue.addBulk(jobs.slice(at, at + BULK)));
      await Promise.all(bulks);
      return { tookMs: (nowUs() - startedUs) / 1_000 };
    },
    async trickle({ count, pauseMs }) {
      for (let number = 0; number < count; number++) {
        await pause(pauseMs);
        await queue.add("no-op", { number, sentAtUs: nowUs(), note: NOTE }, opts);
      }
    },
  } satisfies PublisherVerbs,
  () => queue.close(),
);
