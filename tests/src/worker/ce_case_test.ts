import { addCe, getPilotShares } from "@muster/logic";
import { startTestServer } from "@muster/logic/testing";
import { MyPilotTask, pilotDeps } from "@muster/pilot-tasks";
import test from "ava";
import { createTestDatabase } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { openOldClient } from "../support/old_client.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("a plain client's task for CE01.Example.ORG waits for the lock of ce01.example.org, and takes a slot of that CE", async (t) => {
  await using database = await createTestDatabase(server);
  await database.database.transaction((to) => addCe(to, { name: "ce01.example.org", capacity: 1, successRate: 1 }));
  await using muster = await startMuster();
  await using client = await openOldClient(muster.nats.url);
  await muster.startWorker({ ...database.forWorker, tasks: [MyPilotTask], deps: pilotDeps() });
  const publish = (taskId: string, ceName: string) =>
    client.publish("tasks.MyPilotTask.lhcb", {
      body: JSON.stringify({ ceName }),
      headers: { "Task-Id": taskId },
    });

  const holder = await muster.hold("my_pilot.ce01.example.org");
  await publish("shouted", "CE01.Example.ORG");
  await muster.event("contended", "shouted");
  await holder.letGo();
  await muster.event("done", "shouted");
  t.deepEqual(
    (await database.database.transaction(getPilotShares)).map(({ ceName, submitted }) => ({ ceName, submitted })),
    [{ ceName: "ce01.example.org", submitted: 1 }],
  );

  await publish("mixed", "Ce01.example.org");
  await muster.event("done", "mixed");
  t.like(await database.database.ledger.recall("mixed"), { result: { kind: "full", active: 1, capacity: 1 } });

  // A task's identity follows from what was sent. The same name in other letter case is another payload.
  await publish("shouted", "ce01.example.org");
  t.regex((await muster.event("refused", "shouted")).reason ?? "", /id already used by another payload/);
});
