import { atLeastOnceFactory, connectNats, openBroker } from "@muster/tasks";
import { inspectStreams } from "@muster/tasks/operate";
import test from "ava";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTestCluster } from "../support/cluster.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { findNatsCli } from "../support/nats_cli.ts";
import { until } from "../support/until.ts";

const PAGE = join(import.meta.dirname, "..", "..", "..", "docs", "how-to", "cluster.md");
const MoveTask = atLeastOnceFactory()({ name: "MoveTask", per: "vo", execute() {} });
const TASKS = 20;

/** The words of the page's command that begins with `nats account <verb>`, with a folder of the test. */
async function printed(verb: "backup" | "restore", folder: string): Promise<readonly string[]> {
  const [, command] = new RegExp(`\`nats (account ${verb} [^\`]*)\``).exec(await readFile(PAGE, "utf8")) ?? [];
  if (command === undefined) throw new Error(`the page prints no nats account ${verb}`);
  return command.replace("/backup/nats", folder).split(" ");
}

/** Runs the page's command on a server, or says why there is no `nats` here. */
async function nats(url: string, words: readonly string[]): Promise<void> {
  const { run, why } = await findNatsCli(url);
  if (run === undefined) throw new Error(`there is no nats command: ${why}`);
  await run(...words);
}

test("the page's way from one server to three loses no task, and the apps make the copies", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-move-"));
  const backup = join(folder.path, "backup");
  await using one = await startTestNats();
  const ids: string[] = [];
  {
    await using before = await startMuster({ nats: one, vos: ["lhcb"] });
    for (let count = 0; count < TASKS; count++) ids.push((await before.publish(MoveTask, { vo: "lhcb" })).taskId);
    await before.publish(MoveTask, { vo: "lhcb", at: new Date(Date.now() + 3_600_000) });
    await nats(one.url, await printed("backup", backup));
  }
  await one.stop();

  await using three = await startTestCluster();
  const [first] = three.nodes;
  await nats(first?.url ?? "", await printed("restore", backup));
  const nc = await connectNats({ url: three.url, name: "migration" });
  t.teardown(() => nc.close());
  const { jsm } = await openBroker(nc);
  await three.whole();
  const copies = async () => (await inspectStreams(nc)).every((stream) => stream.copies?.number === 3) || undefined;
  await until(copies, "three copies of each stream");

  await using after = await startMuster({ nats: three, vos: ["lhcb"] });
  await after.startWorker({ tasks: [MoveTask] });
  for (const taskId of ids) await after.event("done", taskId);
  t.is((await jsm.streams.info("LATER")).state.messages, 1, "the delayed task waits");
  t.is(await after.waiting(), 0);
});
