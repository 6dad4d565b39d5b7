import { startNatsServer } from "@muster/local";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNats } from "../connection/connection.ts";
import { silentObserver } from "../connection/observer.ts";
import { openBareBroker } from "../broker/broker.ts";
import { createStorage } from "./storage.ts";
import { watchStorage } from "../broker/watch_storage.ts";

test("a server whose JetStream is off answers pings, and still nothing can be stored: that is told once it has lasted", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-storage-"));
  await using server = await startNatsServer({ dataDir: folder.path, moreConfig: "jetstream: false\n" });
  const nc = await connectNats({ url: server.url, name: "storage test" });
  await nc.rtt();
  const patient = createStorage(nc, silentObserver);
  await patient.look(["TASKS"]);
  t.deepEqual(patient.problems(), [], "a change of leader looks the same for some seconds");
  const still = createStorage(nc, silentObserver, { silentMs: 1, loop: { wentOnAtMs: () => performance.now() } });
  await still.look(["TASKS"]);
  t.deepEqual(still.problems(), [], "a process that stood still could not hear");
  const storage = createStorage(nc, silentObserver, { silentMs: 0 });
  await storage.look(["TASKS"]);
  t.regex(storage.problems()[0] ?? "", /^JetStream does not answer .*see that it is on/);
  await nc.close();
});

test("a user who may not ask a stream for its write error hears of no silence", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-storage-"));
  const moreConfig = `authorization { timeout: 60, users: [
    { user: "ops", password: "x" }
    { user: "u", password: "x", permissions: { publish: { deny: ["$JS.API.STREAM.PURGE.>"] } } }
  ] }
  no_auth_user: "ops"\n`;
  await using server = await startNatsServer({ dataDir: folder.path, moreConfig });
  const nc = await connectNats({ url: server.url, user: "u", password: "x", name: "storage test" });
  const storage = createStorage(nc, silentObserver, { silentMs: 0 });
  await storage.look(["TASKS"]);
  t.deepEqual(storage.problems(), []);
  await nc.close();
});

test("a watch of the stores ends at once, also while a broker that stands still is asked", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-storage-"));
  await using server = await startNatsServer({ dataDir: folder.path });
  const nc = await connectNats({ url: server.url, name: "storage test" });
  const broker = await openBareBroker(nc);
  server.kill("SIGSTOP");
  // It asks after us, and for at least as long. So our question ends first, however slow the machine is.
  const unanswered = broker.briefJsm.getAccountInfo().then(
    () => "answered",
    () => "timed out",
  );
  async function watchBriefly(): Promise<string> {
    {
      await using _watching = watchStorage(broker);
    }
    return "ended";
  }
  t.is(await Promise.race([watchBriefly(), unanswered]), "ended");
  server.kill("SIGCONT");
  await unanswered;
  await nc.close();
});
