import { startNatsServer } from "@muster/local";
import { createOutcomeTally } from "@muster/ledger";
import { outcome } from "@muster/ledger/testing";
import { startTestServer } from "@muster/logic/testing";
import { connectNats, openBroker } from "@muster/tasks";
import { countDeadLetters } from "@muster/tasks/operate";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSnapshot } from "./snapshot.ts";

test("the live view counts the dead letters that `dead list` counts, also those that the ledger never saw, and none that were requeued", async (t) => {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-snapshot-")));
  const server = opened.use(await startTestServer());
  const database = opened.use(await server.open());
  const nats = await startNatsServer({ dataDir: folder.path, syncInterval: "lazy" });
  opened.defer(() => nats.stop());
  const nc = await connectNats({ url: nats.url, name: "snapshot test" });
  opened.defer(() => nc.close());
  const broker = await openBroker(nc);
  await broker.js.publish("dead.MyPilotTask.lhcb", "{}");
  await broker.js.publish("dead.MyPilotTask.atlas", "{}");
  await database.ledger.record(outcome("requeued", { outcome: "dead" }));

  const tally = createOutcomeTally();
  t.is((await readSnapshot({ broker, database, tally })).deadLetters, 2);
  t.is(await countDeadLetters(broker), 2);
  await nats.stop();
  t.is((await readSnapshot({ broker, database, tally })).deadLetters, undefined);
});
