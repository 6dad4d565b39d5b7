import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { joinGrid, type Party, startTestBroker } from "../locks/_grid_test.ts";
import { listWorkers, registerWorker, type WorkerRecord } from "./registration.ts";

const worker = { name: "submit-worker-1", tasks: ["MyPilotTask"], permits: 20 };

/** The workers that are shown, once there are `count`: what is published is stored a moment after the server has it. */
async function untilListed({ broker }: Pick<Party, "broker">, count: number): Promise<readonly WorkerRecord[]> {
  for (const late = AbortSignal.timeout(60_000); ; await pause(10)) {
    const workers = await listWorkers(broker);
    if (workers.length === count || late.aborted) return workers;
  }
}

test("a worker shows itself until it ends", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  {
    await using _shown = registerWorker(party.broker, worker);
    t.like(await untilListed(party, 1), [worker]);
  }
  t.deepEqual(await untilListed(party, 0), []);
});

test("an entry of the bucket workers that is no record is passed over", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  await using _shown = registerWorker(party.broker, worker);
  await party.broker.buckets.workers.put("by-hand", "hello");
  await party.broker.buckets.workers.put("half", JSON.stringify({ name: "half" }));
  t.like(await untilListed(party, 1), [worker]);
});
