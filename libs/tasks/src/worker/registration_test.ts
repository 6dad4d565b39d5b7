import test from "ava";
import { joinGrid, startTestBroker } from "../locks/_grid_test.ts";
import { listWorkers, registerWorker } from "./registration.ts";

const worker = { name: "submit-worker-1", tasks: ["MyPilotTask"], permits: 20 };

test("a worker shows itself until it ends", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  {
    await using _shown = registerWorker(party.broker, worker);
    await party.broker.nc.flush();
    t.like(await listWorkers(party.broker), [worker]);
  }
  await party.broker.nc.flush();
  t.deepEqual(await listWorkers(party.broker), []);
});

test("an entry of the bucket workers that is no record is passed over", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  await using _shown = registerWorker(party.broker, worker);
  await party.broker.buckets.workers.put("by-hand", "hello");
  await party.broker.buckets.workers.put("half", JSON.stringify({ name: "half" }));
  t.like(await listWorkers(party.broker), [worker]);
});
