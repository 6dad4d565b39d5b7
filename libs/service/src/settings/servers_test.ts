import test from "ava";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { announceRunning, findRunning, type Running, withdrawRunning } from "./running.ts";
import { locateNats, locateServers, ServersUnknownError } from "./servers.ts";

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "muster-running-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

const running: Running = {
  pid: process.pid,
  natsUrl: "nats://127.0.0.1:1",
  databaseUrl: "postgres://127.0.0.1:2/muster",
};

test("settings that name both servers are all that is needed", async (t) => {
  const named = { natsUrl: "nats://a:1", databaseUrl: "postgres://b/c" };
  t.deepEqual(await locateServers({ ...named, dataDir: "/nowhere" }), named);
});

test("a server that no setting names is the one of a running muster up", async (t) => {
  await using folder = await temporaryFolder();
  await announceRunning(folder.path, running);
  t.deepEqual(await locateServers({ natsUrl: "nats://a:1", databaseUrl: undefined, dataDir: folder.path }), {
    natsUrl: "nats://a:1",
    databaseUrl: "postgres://127.0.0.1:2/muster",
  });
});

test("where nobody said where the servers are, the error names what is missing and what to do", async (t) => {
  await using folder = await temporaryFolder();
  const error = await t.throwsAsync(
    locateServers({ natsUrl: undefined, databaseUrl: undefined, dataDir: folder.path }),
    {
      instanceOf: ServersUnknownError,
    },
  );
  t.deepEqual(error?.missing, ["NATS_URL", "DATABASE_URL"]);
  const message = error?.message ?? "";
  t.regex(message, /NATS_URL and DATABASE_URL are not set .*; set what is missing, or start it there/);
  t.true(message.includes(`runs on the data folder ${folder.path}, which MUSTER_DATA_DIR names`), message);
  const above = new ServersUnknownError(["NATS_URL"], { dataDir: undefined, folder: "/home/ana/muster" });
  t.regex(above.message, /^.*NATS_URL is not set and no `muster up` runs in \/home\/ana\/muster or above; .*npm start/);
});

test("what runs is found from a folder below", async (t) => {
  await using folder = await temporaryFolder();
  const dataDir = join(folder.path, ".muster");
  const below = join(folder.path, "a", "b");
  await mkdir(dataDir);
  await mkdir(below, { recursive: true });
  await announceRunning(dataDir, running);
  t.deepEqual(await findRunning(below), running);
  await withdrawRunning(dataDir);
  t.is(await findRunning(below), undefined);
});

test("the announcement of a process that is gone does not count", async (t) => {
  await using folder = await temporaryFolder();
  // No process has the highest number that Linux could give.
  await announceRunning(folder.path, { ...running, pid: 4_194_304 });
  await t.throwsAsync(locateServers({ natsUrl: undefined, databaseUrl: undefined, dataDir: folder.path }), {
    instanceOf: ServersUnknownError,
  });
});

test("the announcement holds a password and is for its owner only", async (t) => {
  await using folder = await temporaryFolder();
  await announceRunning(folder.path, running);
  t.is((await stat(join(folder.path, "running.json"))).mode & 0o777, 0o600);
});

test("how a running muster up logs in counts where no setting says anything of NATS, and only there", async (t) => {
  await using folder = await temporaryFolder();
  const { path: dataDir } = folder;
  await announceRunning(dataDir, { ...running, nats: { user: "ops", password: "s3cret", caFile: "/etc/ca.pem" } });
  const nobodySaid = { natsUrl: undefined, databaseUrl: undefined, dataDir };
  t.deepEqual(await locateNats({ ...nobodySaid, nats: {} }), {
    ...{ url: running.natsUrl, user: "ops", password: "s3cret", caFile: "/etc/ca.pem" },
  });
  t.deepEqual(await locateNats({ ...nobodySaid, nats: { token: "mine" } }), { url: running.natsUrl, token: "mine" });
  t.deepEqual(await locateNats({ ...nobodySaid, natsUrl: "nats://a:1", nats: {} }), { url: "nats://a:1" });
});
