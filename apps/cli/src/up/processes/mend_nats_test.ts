import { connectNats, openBroker } from "@muster/tasks";
import test from "ava";
import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { mendNats } from "./mend_nats.ts";
import { openNats } from "./servers.ts";

const options = { natsPort: 0, postgresPort: 0, httpPort: 0 };
const never = new AbortController().signal;

/** The process that serves on this folder. */
async function serverPid(dataDir: string): Promise<number> {
  return JSON.parse(await readFile(join(dataDir, "running.json"), "utf8")).serverPid;
}

test("a nats-server that keeps a write error after a full disk is restarted once there is room, told, and serves again", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-mend-"));
  delete process.env["NATS_URL"];
  const told: string[] = [];
  const tell = (line: string) => void told.push(line);
  const server = await openNats({ options: { ...options, dataDir: folder.path }, tell, signal: never });
  const dataDir = join(folder.path, "nats");
  const pid = await serverPid(dataDir);
  const nc = await connectNats({ url: server.url, name: "mend test" });
  const broker = await openBroker(nc);
  const { restart = () => Promise.reject(new Error("the server is not ours")) } = server;
  // Plays a full disk: the server's files cannot grow. Then there is room again.
  await promisify(execFile)("prlimit", ["--pid", String(pid), "--fsize=20000:unlimited"]);
  for (let count = 0; count < 4; count++) nc.publish("tasks.Unknown.lhcb", "x".repeat(9_000));
  while (broker.storage.brokenStreams().length === 0) await broker.storage.look(broker.streams);
  await promisify(execFile)("prlimit", ["--pid", String(pid), "--fsize=unlimited"]);
  t.deepEqual(broker.storage.brokenStreams(), ["TASKS"]);
  {
    await using _mending = mendNats({ broker, dataDir, restart, tell });
    while (broker.storage.problems().length > 0) await pause(50);
  }
  t.not(await serverPid(dataDir), pid);
  t.is((await broker.requests.store({ subject: "tasks.Unknown.lhcb", body: "{}" })).stream, "TASKS");
  const about = told.filter((line) => line.includes("TASKS"));
  t.deepEqual(about, ["nats-server cannot write TASKS, and keeps that error though there is room now: restarting it"]);
  await nc.close();
  await server.stop();
});
