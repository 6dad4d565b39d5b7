import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findChildren, findProcess } from "./process_table.ts";
import { startServerProcess } from "./server_process.ts";
import { lookUntil } from "./wait.ts";

test("a server that does not end in time is killed with the processes that it has started", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-server-"));
  const server = await startServerProcess({
    command: "/bin/sh",
    // The folder stands for the claim.
    args: ["-c", 'trap "" INT TERM; sleep 60 & wait; wait', folder.path],
    dataDir: folder.path,
    logFile: join(folder.path, "log"),
    stopSignal: "SIGINT",
  });
  const children = await lookUntil(10_000, async () => {
    const found = await findChildren(server.pid);
    return found.length > 0 ? found : undefined;
  });
  t.is(children?.length, 1);
  await server.stop(100);
  t.is((await server.exited).signal, "SIGKILL");
  const gone = async () => ((await findProcess(children?.[0] ?? 0)) === undefined ? true : undefined);
  t.true(await lookUntil(5_000, gone));
});
