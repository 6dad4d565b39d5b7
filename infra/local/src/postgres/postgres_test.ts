import test from "ava";
import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { ClusterNotMadeError, createDatabase, PortTakenError, type Postgres, startPostgres } from "../mod.ts";
import { findChildren, findProcess, signalProcess } from "../process/process_table.ts";
import { openCluster } from "./cluster.ts";

const testFolder = () => mkdtempDisposable(join(tmpdir(), "muster-postgres-"));

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

test("a PostgreSQL that was killed has what it committed when it is started again on its folder and port", async (t) => {
  await using folder = await testFolder();
  const first = await startPostgres({ dataDir: folder.path });
  await query(first.url, "create table kept as select 1 as one");
  first.kill("SIGKILL");
  t.is((await first.exited).signal, "SIGKILL");

  await using second = await startPostgres({ dataDir: folder.path, port: first.port });
  t.is(second.url, first.url);
  t.deepEqual(await query(second.url, "select one from kept"), [{ one: 1 }]);
});

test("a pid file that names a program of somebody else does not keep PostgreSQL from starting", async (t) => {
  await using folder = await testFolder();
  const first = await startPostgres({ dataDir: folder.path });
  await first.stop();
  await writeFile(join(first.dataDir, "pgdata", "postmaster.pid"), `${process.pid}\n${first.dataDir}/pgdata\n`);
  await using second = await startPostgres({ dataDir: folder.path });
  t.deepEqual(await query(second.url, "select 1 as one"), [{ one: 1 }]);
});

test("a user without a name, whom PostgreSQL refuses, is told what to do", async (t) => {
  await using folder = await testFolder();
  const initdb = join(folder.path, "initdb");
  // As PostgreSQL's own says it; whoever runs this test has a name.
  const words = "initdb: could not look up effective user ID 12345: user does not exist";
  await writeFile(
    initdb,
    `#!/bin/sh\n[ "$1" = --version ] && exec echo 'initdb (PostgreSQL) 18.4'\necho '${words}' >&2\nexit 1\n`,
    { mode: 0o755 },
  );
  const options = { folder: folder.path, programs: folder.path, user: undefined, onProgress: () => {} };
  const error = await t.throwsAsync(openCluster(options), { instanceOf: ClusterNotMadeError });
  t.is(error.folder, folder.path);
  t.true(error.message.includes(words) && error.message.includes("DATABASE_URL"), error.message);
});

test("PostgreSQL is durable unless a test says otherwise, and takes 200 connections", async (t) => {
  await using folder = await testFolder();
  const shown =
    "select current_setting('fsync') f, current_setting('synchronous_commit') s, current_setting('max_connections') m";
  await using full = await startPostgres({ dataDir: join(folder.path, "full") });
  t.deepEqual(await query(full.url, shown), [{ f: "on", s: "on", m: "200" }]);
  await using none = await startPostgres({ dataDir: join(folder.path, "none"), durability: "none" });
  t.deepEqual(await query(none.url, shown), [{ f: "off", s: "off", m: "200" }]);
});

/** Freezes all that a server has started, as one connection sleeps. That is cut off when this is disposed of. */
async function freezeChildren(server: Postgres): Promise<Disposable & { readonly frozen: readonly number[] }> {
  const client = new pg.Client({ connectionString: server.url });
  client.on("error", () => undefined); // the server ends it
  await client.connect();
  client.query("select pg_sleep(600)").catch(() => undefined);
  const frozen = await findChildren(server.pid);
  for (const pid of frozen) process.kill(pid, "SIGSTOP");
  return {
    frozen,
    [Symbol.dispose]() {
      client.connection.stream.destroy();
      for (const pid of frozen) signalProcess(pid, "SIGKILL");
    },
  };
}

test("a stop ends also the processes of PostgreSQL that are frozen, in time and to the last one", async (t) => {
  await using folder = await testFolder();
  const server = await startPostgres({ dataDir: folder.path, durability: "none" });
  using children = await freezeChildren(server);
  t.true(children.frozen.length > 1);
  const askedAt = performance.now();
  await server.stop();
  t.true(performance.now() - askedAt < 60_000);
  for (const pid of children.frozen) t.is(await findProcess(pid), undefined);
});

test("a PostgreSQL that was killed over frozen processes of its own starts again, and none of them is left", async (t) => {
  await using folder = await testFolder();
  const first = await startPostgres({ dataDir: folder.path });
  using children = await freezeChildren(first);
  first.kill("SIGKILL");
  await first.exited;
  await using second = await startPostgres({ dataDir: folder.path });
  t.deepEqual(await query(second.url, "select 1 as one"), [{ one: 1 }]);
  for (const pid of children.frozen) t.is(await findProcess(pid), undefined);
});

test("a database made from a template has the template's tables", async (t) => {
  await using folder = await testFolder();
  await using server = await startPostgres({ dataDir: folder.path, durability: "none" });
  const template = await createDatabase(server, "the template");
  await query(template, "create table kept as select 1 as one");
  const copy = await createDatabase(server, "the copy", { template: "the template" });
  t.deepEqual(await query(copy, "select one from kept"), [{ one: 1 }]);
});

test("a port that PostgreSQL would share is refused with its number and the option that changes it", async (t) => {
  await using folder = await testFolder();
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const error = await t.throwsAsync(startPostgres({ dataDir: folder.path, port, portOption: "--postgres-port" }), {
    instanceOf: PortTakenError,
  });
  other.close();
  t.is(error.port, port);
  t.true(error.message.includes("--postgres-port"));
});
