import { openDatabase } from "@muster/ledger";
import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
const muster = await startMuster({ vos: ["lhcb"] });
const DATABASE_URL = await server.createUrl();
const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL });
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const PUBLISH = ["task", "publish", "MyPilotTask", '{"ceName":"ce01"}', "--vo", "lhcb"];

test("a task published again tells what its id was used for, in the stream and after its end", async (t) => {
  const publish = [...PUBLISH, "--id", "again"];
  t.like(await cli.json(...publish), { duplicate: false, earlier: null });
  t.like(await cli.json(...publish), { duplicate: true, earlier: { task: "MyPilotTask", vo: "lhcb" } });

  const row = { taskId: "ended", task: "MyPilotTask", vo: "atlas", payloadHash: "", attempt: 1, result: null };
  await using database = await openDatabase({ url: DATABASE_URL });
  await database.ledger.record({ ...row, outcome: "dropped", spawned: [], dueAt: null, errors: [] });
  const ended = await cli.run(...publish.with(-1, "ended"));
  t.regex(ended.output, /the ledger has this id already: MyPilotTask of atlas, dropped/);
});

test("what waits for its time is listed with it, and a day that there is not is refused", async (t) => {
  const dueAt = new Date(Math.floor(Date.now() / 1_000 + 200 * 86_400) * 1_000);
  const twoHoursOn = new Date(dueAt.getTime() + 7_200_000).toISOString();
  await cli.json(...PUBLISH, "--id", "far", "--at", twoHoursOn.replace(".000Z", "+02:00"));
  await cli.json(...PUBLISH, "--id", "near", "--delay", "2h");
  const { tasks, total } = (await cli.json("task", "delayed")) as {
    tasks: { taskId: string; dueAt: string }[];
    total: number;
  };
  t.deepEqual(
    tasks.map(({ taskId }) => taskId),
    ["near", "far"],
  );
  t.like(tasks[1], { task: "MyPilotTask", vo: "lhcb", attempt: 1, dueAt: dueAt.toISOString() });
  t.is(total, 2);
  const refused = await cli.run(...PUBLISH, "--at", "2027-02-30T12:00:00Z");
  t.is(refused.code, 2);
  t.regex(refused.errors, /an existing day/);
});

test("a task under a unique key tells which one stands, and which one it has replaced", async (t) => {
  const unique = [...PUBLISH, "--unique", "probe of ce01"];
  const { taskId } = (await cli.json(...unique)) as { taskId: string };
  t.like(await cli.json(...unique), { taskId, duplicate: true, duplicateOf: taskId });
  const told = await cli.run(...unique);
  t.is(told.output, `nothing was published: ${taskId} waits under this key and stands for it\n`);
  const replacing = await cli.run(...unique, "--replace");
  t.regex(
    replacing.output,
    new RegExp(`^published MyPilotTask of lhcb as \\S+ in place of ${taskId}, which will not run\n$`),
  );
});
