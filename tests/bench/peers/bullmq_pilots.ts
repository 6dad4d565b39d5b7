import { type ConnectionOptions, Queue, Worker } from "bullmq";
import { nowUs } from "../actors/clock.ts";
import type { PilotPeerVerbs } from "../actors/pilot_verbs.ts";
import { serve } from "../actors/serve.ts";
import { openPilotTable, type PilotJob, pilotJobs } from "./pilot_table.ts";

const [host = "", port = "", pilotsUrl = ""] = process.argv.slice(2);
const connection: ConnectionOptions = { host, port: Number(port) };
const opts = { removeOnComplete: true, removeOnFail: true };
// A queue's keys have colons between their parts.
const queueOf = (ceName: string) => ceName.replaceAll(":", "_");

serve(
  {
    async publish(load) {
      const jobs = Map.groupBy(pilotJobs(load), ({ ceName }) => ceName);
      for (const [ceName, ofCe] of jobs) {
        const queue = new Queue<PilotJob>(queueOf(ceName), { connection });
        await queue.addBulk(ofCe.map((data) => ({ name: "submit", data, opts })));
        await queue.close();
      }
    },
    async submitAll({ count, ceNames, statement, concurrency }) {
      const table = openPilotTable(pilotsUrl, concurrency);
      const ended = Promise.withResolvers<number>();
      let firstUs = 0;
      let endedCount = 0;
      const workers = ceNames.map((ceName) => {
        const submit = async ({ data }: { data: PilotJob }) => {
          if (firstUs === 0) firstUs = nowUs();
          await table.submit(statement, data);
        };
        // One worker takes one job of its queue at a time.
        const worker = new Worker<PilotJob>(queueOf(ceName), submit, { connection, concurrency: 1 });
        worker.on("error", (error) => console.error(error));
        worker.on("failed", (_job, error) => ended.reject(error));
        worker.on("completed", () => {
          endedCount++;
          if (endedCount === count) ended.resolve(nowUs());
        });
        return worker;
      });
      const tookMs = ((await ended.promise) - firstUs) / 1_000;
      await Promise.all(workers.map((worker) => worker.close()));
      await table.close();
      return { tookMs };
    },
  } satisfies PilotPeerVerbs,
  async () => {},
);
