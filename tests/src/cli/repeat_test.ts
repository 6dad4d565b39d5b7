import { openDatabase } from "@muster/ledger";
import { startTestServer } from "@muster/logic/testing";
import { payloadHash } from "@muster/tasks/operate";
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

test("a task published again is told as published already, in the stream and after its end, and stored only once", async (t) => {
  const publish = [...PUBLISH, "--id", "again"];
  t.like(await cli.json(...publish), { duplicate: false, earlier: null });
  t.like(await cli.json(...publish), { duplicate: true, earlier: { task: "MyPilotTask", vo: "lhcb" } });
  t.is((await cli.run(...publish)).output, "already published as again: MyPilotTask of lhcb; nothing was stored\n");

  const hash = payloadHash({ ceName: "ce01" });
  const row = { taskId: "ended", task: "MyPilotTask", vo: "lhcb", payloadHash: hash, attempt: 1, result: null };
  await using database = await openDatabase({ url: DATABASE_URL });
  await database.ledger.record({ ...row, outcome: "done", spawned: [], dueAt: null, errors: [] });
  const ended = await cli.run(...publish.with(-1, "ended"));
  t.is(ended.code, 0);
  t.is(ended.output, "already published as ended: MyPilotTask of lhcb, which is done; nothing was stored\n");
  t.like(await cli.json(...publish.with(-1, "ended")), { stream: null, duplicate: true, earlier: { outcome: "done" } });
});

test("an id that stands for another task or payload is refused, in the stream and after its end", async (t) => {
  await cli.json(...PUBLISH, "--id", "taken");
  const other = await cli.run(...PUBLISH.with(3, '{"ceName":"ce02"}'), "--id", "taken");
  t.is(other.code, 1);
  t.regex(other.errors, /MyPilotTask of lhcb as taken: the id is used by another payload; publish it under another id/);

  const row = { taskId: "of-atlas", task: "MyPilotTask", vo: "atlas", payloadHash: "", attempt: 1, result: null };
  await using database = await openDatabase({ url: DATABASE_URL });
  await database.ledger.record({ ...row, outcome: "dropped", spawned: [], dueAt: null, errors: [] });
  const ended = await cli.run(...PUBLISH, "--id", "of-atlas");
  t.is(ended.code, 1);
  t.regex(ended.errors, /the id is used by MyPilotTask of atlas/);
  t.is(ended.output, "");
});

test("a debounced task tells when it will run, also where one that waits stands for it", async (t) => {
  const unique = [...PUBLISH, "--unique", "quiet"];
  const soonest = Date.now() + 600_000;
  const told = await cli.run(...unique, "--debounce", "10m");
  const [, dueAt = ""] = /^published MyPilotTask of lhcb as \S+, due (\S+)\n$/.exec(told.output) ?? [];
  t.true(Date.parse(dueAt) >= soonest, told.output);
  t.regex((await cli.run(...unique)).output, new RegExp(`waits under this key and stands for it, due ${dueAt}`));
  t.regex((await cli.run(...unique, "--debounce", "20m")).output, /in place of \S+, which will not run, due \d{4}-/);
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
  // Other tests of this file delay tasks too.
  const ours = tasks.filter(({ taskId }) => ["near", "far"].includes(taskId));
  t.deepEqual(
    ours.map(({ taskId }) => taskId),
    ["near", "far"],
  );
  t.like(ours[1], { task: "MyPilotTask", vo: "lhcb", attempt: 1, dueAt: dueAt.toISOString() });
  t.is(total, tasks.length);
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
