import test from "ava";
import { mkdtempDisposable, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findRunningServers, forgetRunningServers, noteRunningServers } from "./running_servers.ts";

const SERVERS = { natsUrl: "nats://127.0.0.1:4222", databaseUrl: "postgres://postgres:secret@127.0.0.1/muster" };
const testFolder = () => mkdtempDisposable(join(tmpdir(), "muster-servers-"));

test("servers that a live process noted are found, until it takes the note back", async (t) => {
  await using folder = await testFolder();
  t.is(await findRunningServers(folder.path), undefined);
  await noteRunningServers(folder.path, SERVERS);
  t.deepEqual(await findRunningServers(folder.path), SERVERS);
  await forgetRunningServers(folder.path);
  t.is(await findRunningServers(folder.path), undefined);
});

test("the note, which holds a password, is for the folder's owner alone", async (t) => {
  await using folder = await testFolder();
  await noteRunningServers(folder.path, SERVERS);
  t.is((await stat(join(folder.path, "servers.json"))).mode & 0o077, 0);
});

test("the note of a process that has ended counts for nothing", async (t) => {
  await using folder = await testFolder();
  const gone = 2 ** 22 + 1; // above the highest process id of Linux
  await writeFile(join(folder.path, "servers.json"), JSON.stringify({ ...SERVERS, pid: gone }));
  t.is(await findRunningServers(folder.path), undefined);
});
