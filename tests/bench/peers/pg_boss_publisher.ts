import { PgBoss } from "pg-boss";
import { setTimeout as pause } from "node:timers/promises";
import { nowUs } from "../actors/clock.ts";
import { payloadsOf } from "../actors/payloads.ts";
import { serve } from "../actors/serve.ts";
import { NOTE, type PublisherVerbs } from "../actors/verbs.ts";

const BULK = 5_000;
const [connectionString = ""] = process.argv.slice(2);
const boss = new PgBoss({ connectionString, useListenNotify: true });
boss.on("error", (error) => console.error(error));
await boss.start();
await boss.createQueue("bench", { notify: true });

serve(
  {
    async publish(load) {
      const jobs = [...payloadsOf(load)].map(({ payload }) => ({ data: payload }));
      const startedUs = nowUs();
      for (let at = 0; at < jobs.length; at += BULK) await boss.insert("bench", jobs.slice(at, at + BULK));
      return { tookMs: (nowUs() - startedUs) / 1_000 };
    },
    async trickle({ count, pauseMs }) {
      for (let number = 0; number < count; number++) {
        await pause(pauseMs);
        await boss.send("bench", { number, sentAtUs: nowUs(), note: NOTE });
      }
    },
  } satisfies PublisherVerbs,
  () => boss.stop(),
);
