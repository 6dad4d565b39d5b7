import { makeWorkerUtils } from "graphile-worker";
import { setTimeout as pause } from "node:timers/promises";
import { nowUs } from "../actors/clock.ts";
import { payloadsOf } from "../actors/payloads.ts";
import { serve } from "../actors/serve.ts";
import { NOTE, type PublisherVerbs } from "../actors/verbs.ts";

const BULK = 5_000;
const [connectionString = ""] = process.argv.slice(2);
const utils = await makeWorkerUtils({ connectionString });
await utils.migrate();

serve(
  {
    async publish(load) {
      const jobs = [...payloadsOf(load)].map(({ payload }) => ({ identifier: "no_op", payload }));
      const startedUs = nowUs();
      for (let at = 0; at < jobs.length; at += BULK) await utils.addJobs(jobs.slice(at, at + BULK));
      return { tookMs: (nowUs() - startedUs) / 1_000 };
    },
    async trickle({ count, pauseMs }) {
      for (let number = 0; number < count; number++) {
        await pause(pauseMs);
        await utils.addJob("no_op", { number, sentAtUs: nowUs(), note: NOTE });
      }
    },
  } satisfies PublisherVerbs,
  async () => {
    await utils.release();
  },
);
