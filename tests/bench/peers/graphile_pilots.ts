import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";
import type { PilotPeerVerbs } from "../actors/pilot_verbs.ts";
import { serve } from "../actors/serve.ts";
import { countStarts, untilEmpty } from "../actors/started.ts";
import { openPilotTable, type PilotJob, pilotJobs } from "./pilot_table.ts";

const BULK = 5_000;
const [connectionString = "", pilotsUrl = ""] = process.argv.slice(2);
const utils = await makeWorkerUtils({ connectionString });
await utils.migrate();
const client = new pg.Client({ connectionString });
await client.connect();
const starts = countStarts();
const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

async function isEmpty(): Promise<boolean> {
  const { rows } = await client.query("select 1 from graphile_worker._private_jobs limit 1");
  return rows.length === 0;
}

serve(
  {
    async publish(load) {
      const jobs = pilotJobs(load).map((payload) => ({
        identifier: "submit_pilot",
        payload,
        queueName: payload.ceName,
      }));
      for (let at = 0; at < jobs.length; at += BULK) await utils.addJobs(jobs.slice(at, at + BULK));
    },
    async submitAll({ count, statement, concurrency }) {
      const table = openPilotTable(pilotsUrl, concurrency);
      const started = starts.next(count);
      const runner = await run({
        connectionString,
        logger,
        noHandleSignals: true,
        maxPoolSize: concurrency + 1,
        preset: { worker: { concurrentJobs: concurrency } },
        taskList: {
          async submit_pilot(payload) {
            starts.note({ number: 0, sentAtUs: 0, note: "" });
            await table.submit(statement, payload as PilotJob);
          },
        },
      });
      const { firstUs } = await started;
      const tookMs = ((await untilEmpty(isEmpty)) - firstUs) / 1_000;
      await runner.stop();
      await table.close();
      return { tookMs };
    },
  } satisfies PilotPeerVerbs,
  async () => {
    await client.end();
    await utils.release();
  },
);
