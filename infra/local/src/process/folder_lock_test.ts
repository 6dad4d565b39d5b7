import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DataFolderInUseError, lockFolder } from "../mod.ts";

const testFolder = () => mkdtempDisposable(join(tmpdir(), "muster-lock-"));

/** A process that takes the lock, says how that went, and stays. */
async function startHolder(dataDir: string) {
  const script = `
    import { lockFolder } from ${JSON.stringify(new URL("../mod.ts", import.meta.url).href)};
    globalThis.kept = await lockFolder(${JSON.stringify(dataDir)}).catch((error) => error);
    console.log(kept instanceof Error ? kept.message : "mine");
    setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface(child.stdout), "line");
  return { child, line: String(line) };
}

test("of several processes that take a new folder at once exactly one has it, and the others say who and since when", async (t) => {
  await using folder = await testFolder();
  const all = await Promise.all([1, 2, 3].map(() => startHolder(folder.path)));
  const winners = all.filter(({ line }) => line === "mine");
  t.is(winners.length, 1);
  for (const { line } of all.filter(({ line }) => line !== "mine")) {
    t.regex(line, new RegExp(`process ${winners[0]?.child.pid} runs there since \\d{4}-\\d\\d-\\d\\dT`));
  }
  for (const { child } of all) child.kill("SIGKILL");
});

test("a folder is free again as soon as its holder was killed, and not while it is frozen", async (t) => {
  await using folder = await testFolder();
  const { child } = await startHolder(folder.path);
  child.kill("SIGSTOP");
  const error = await t.throwsAsync(lockFolder(folder.path), { instanceOf: DataFolderInUseError });
  t.is(error.ownerPid, child.pid);
  child.kill("SIGKILL");
  await once(child, "exit");
  using _mine = await lockFolder(folder.path);
  t.pass();
});
