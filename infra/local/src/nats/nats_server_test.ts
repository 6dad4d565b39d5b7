import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  DataFolderInUseError,
  NatsServerTooOldError,
  PortTakenError,
  provisionNatsServer,
  startNatsServer,
} from "../mod.ts";
import { writeClaim } from "../process/claim.ts";
import { findProcess } from "../process/process_table.ts";
import { lookUntil } from "../process/wait.ts";

const testFolder = () => mkdtempDisposable(join(tmpdir(), "muster-nats-"));

async function ended(pid: number): Promise<boolean> {
  return (await lookUntil(5_000, async () => ((await findProcess(pid)) === undefined ? true : undefined))) === true;
}

test("a nats-server that was killed has what it acknowledged when it is started again on its folder and port", async (t) => {
  await using folder = await testFolder();
  const first = await startNatsServer({ dataDir: folder.path });
  const writer = await connect({ servers: first.url, reconnect: false });
  await (await jetstreamManager(writer)).streams.add({ name: "KEPT", subjects: ["kept"] });
  await jetstream(writer).publish("kept", "one");
  first.kill("SIGKILL");
  t.is((await first.exited).signal, "SIGKILL");

  await using second = await startNatsServer({ dataDir: folder.path, port: first.port });
  t.is(second.port, first.port);
  const reader = await connect({ servers: second.url });
  t.is((await (await jetstreamManager(reader)).streams.info("KEPT")).state.messages, 1);
  await reader.close();
});

test("a taken port is refused with its number and the option that changes it", async (t) => {
  await using folder = await testFolder();
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const error = await t.throwsAsync(startNatsServer({ dataDir: folder.path, port, portOption: "--nats-port" }), {
    instanceOf: PortTakenError,
  });
  other.close();
  t.is(error.port, port);
  t.true(error.message.includes(`port ${port}`) && error.message.includes("--nats-port"));
});

test("a nats-server that is too old is refused with its version and the one needed", async (t) => {
  await using folder = await testFolder();
  const binary = join(folder.path, "old-server");
  await writeFile(binary, "#!/bin/sh\necho 'nats-server: v2.9.10'\n");
  await chmod(binary, 0o755);
  const error = await t.throwsAsync(startNatsServer({ dataDir: folder.path, binary }), {
    instanceOf: NatsServerTooOldError,
  });
  t.is(error.version, "2.9.10");
  t.true(error.message.includes("2.12.0"));
});

test("a nats-server may be called anything", async (t) => {
  await using folder = await testFolder();
  const binary = join(folder.path, "broker-of-the-site");
  await symlink(await provisionNatsServer(() => {}), binary);
  await using server = await startNatsServer({ dataDir: join(folder.path, "data"), binary });
  t.true(server.port > 0);
});

test("a second server on the same folder is refused while the first one's owner lives", async (t) => {
  await using folder = await testFolder();
  await using first = await startNatsServer({ dataDir: folder.path });
  const error = await t.throwsAsync(startNatsServer({ dataDir: folder.path }), { instanceOf: DataFolderInUseError });
  t.is(error.ownerPid, process.pid);
  t.truthy(await findProcess(first.pid));
});

test("a nats-server ends when the process that started it is killed", async (t) => {
  await using folder = await testFolder();
  const script = `
    import { startNatsServer } from ${JSON.stringify(new URL("../mod.ts", import.meta.url).href)};
    console.log((await startNatsServer({ dataDir: ${JSON.stringify(folder.path)} })).pid);`;
  const owner = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface(owner.stdout), "line");
  t.truthy(await findProcess(Number(line)));
  owner.kill("SIGKILL");
  t.true(await ended(Number(line)));
});

test("a server that an earlier run left behind is stopped by the next start on its folder", async (t) => {
  await using folder = await testFolder();
  const binary = await provisionNatsServer(() => {});
  // A shell that ends at once leaves the server without the parent that the claim names.
  const command = `"${binary}" -a 127.0.0.1 -p -1 -js -sd "${folder.path}/" >/dev/null 2>&1 & echo $!`;
  const shell = spawn("/bin/sh", ["-c", command], { stdio: ["ignore", "pipe", "ignore"], detached: true });
  const [line] = await once(createInterface(shell.stdout), "line");
  const leftBehind = Number(line);
  writeClaim(folder.path, leftBehind);

  const told: string[] = [];
  await using server = await startNatsServer({ dataDir: folder.path, onProgress: (text) => told.push(text) });
  t.true(await ended(leftBehind));
  t.not(server.pid, leftBehind);
  t.true(told.some((text) => text.includes(String(leftBehind))));
});
