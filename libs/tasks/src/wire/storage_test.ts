import { startNatsServer } from "@muster/local";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNats } from "./connection.ts";
import { silentObserver } from "./observer.ts";
import { createStorage } from "./storage.ts";

test("a server whose JetStream is off answers pings, and still nothing can be stored: that is told once it has lasted", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-storage-"));
  await using server = await startNatsServer({ dataDir: folder.path, moreConfig: "jetstream: false\n" });
  const nc = await connectNats({ url: server.url, name: "storage test" });
  await nc.rtt();
  const patient = createStorage(nc, silentObserver);
  await patient.look("TASKS");
  t.deepEqual(patient.problems(), [], "a change of leader looks the same for some seconds");
  const storage = createStorage(nc, silentObserver, 0);
  await storage.look("TASKS");
  t.regex(storage.problems()[0] ?? "", /^JetStream does not answer .*see that it is on/);
  await nc.close();
});
