import { provisionNatsCli } from "@muster/local";
import { atLeastOnceFactory, NoPublisherError, type PublishableTask } from "@muster/tasks";
import test from "ava";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as z from "zod";
import { startMuster } from "../support/muster.ts";
import { openOldClient } from "../support/old_client.ts";

const defineTask = atLeastOnceFactory();
const GreetTask = defineTask({
  name: "GreetTask",
  per: "vo",
  payload: z.strictObject({ name: z.string().default("nobody") }),
  execute: ({ payload }) => `hello ${payload.name}`,
});
const ReportTask = defineTask({ name: "ReportTask", execute() {} });
const tasks = [GreetTask, ReportTask];

test("a published task runs under the id that its publisher was told, or chose", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks });
  const { taskId } = await muster.publish(GreetTask, { vo: "lhcb", payload: { name: "Ada" } });
  t.like(await muster.event("done", taskId), { task: "GreetTask", vo: "lhcb", attempt: 1 });
  await muster.publish(GreetTask, { vo: "vo.cta.in2p3.fr", taskId: "chosen: ü / 1" });
  t.like(await muster.event("done", "chosen: ü / 1"), { vo: "vo.cta.in2p3.fr" });
  await muster.publish(ReportTask, { taskId: "of no VO" });
  t.like(await muster.event("done", "of no VO"), { vo: "_" });
});

test("a raw task is its Task-Id, else its Nats-Msg-Id, else its place in the stream with the time it was stored", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks });
  await using client = await openOldClient(muster.nats.url);
  const publish = (headers: Record<string, string>) => client.publish("tasks.GreetTask.lhcb", { headers });
  await publish({ "Task-Id": "mine", "Nats-Msg-Id": "the broker's" });
  await muster.event("done", "mine");
  await publish({ "Nats-Msg-Id": "only the broker's" });
  await muster.event("done", "only the broker's");
  const sequence = await publish({});
  const stored = await muster.events.find(({ taskId }) => taskId.startsWith(`TASKS-${sequence}-`), "the third");
  t.regex(stored.taskId, /^TASKS-\d+-1\d{18}$/); // nanoseconds, to the last digit
});

test("without any header and body a message is a complete task, and an id of over 200 bytes is known by its SHA-256", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks });
  await using client = await openOldClient(muster.nats.url);
  client.nc.publish("tasks.ReportTask._");
  await muster.events.find(({ step, task }) => step === "done" && task === "ReportTask", "the report");
  const long = "x".repeat(201);
  await client.publish("tasks.ReportTask._", { headers: { "Task-Id": long } });
  const { taskId } = await muster.events.find((told) => told.taskId.startsWith("sha256-"), "the long one");
  t.is((await muster.publish(ReportTask, { taskId: long })).taskId, taskId);
});

test("a raw delayed task without Task-Id runs under the last token of its subject, escaped or not", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks });
  await using client = await openOldClient(muster.nats.url);
  const at = new Date(Date.now() + 300).toISOString();
  const tokens = { plain: "plain", "a=2Fb": "a/b", "1=1": "1=1", "x=FF": "x=FF" };
  for (const token of Object.keys(tokens)) {
    const headers = { "Nats-Schedule": `@at ${at}`, "Nats-Schedule-Target": "due.GreetTask.lhcb" };
    await client.publish(`later.GreetTask.lhcb.${token}`, { headers });
  }
  for (const taskId of Object.values(tokens)) await muster.event("done", taskId);
  t.pass();
});

test("the real nats command line publishes a task without a header", async (t) => {
  const cli = await provisionNatsCli(() => {});
  if (cli.path === undefined) {
    t.log(`not tried: ${cli.refusals.map(({ source, reason }) => `${source}: ${reason}`).join("; ")}`);
    t.pass();
    return;
  }
  await using muster = await startMuster();
  await muster.startWorker({ tasks });
  const run = promisify(execFile);
  const publish = (subject: string, body: string) =>
    run(cli.path, ["--server", muster.nats.url, "pub", subject, body], { env: { HOME: "/nonexistent", PATH: "" } });
  await publish("tasks.GreetTask.lhcb", '{"name":"Ada"}');
  await muster.events.find(({ step, vo }) => step === "done" && vo === "lhcb", "the good one");
  await publish("tasks.GreetTask.atlas", '{"name":17}');
  const { reason } = await muster.events.find(({ step, vo }) => step === "refused" && vo === "atlas", "the bad one");
  t.regex(reason ?? "", /name: /);
});

test("schedule() needs a publisher around it, and says what to do; with one it publishes", async (t) => {
  const error = await t.throwsAsync(GreetTask.schedule(), { instanceOf: NoPublisherError });
  t.regex(error.message, /publisher\.run.*muster task publish GreetTask/);
  await using muster = await startMuster();
  await muster.startWorker({ tasks });
  const taskId = await muster.run(() => GreetTask.schedule({ vo: "lhcb", payload: { name: "Ada" } }));
  t.like(await muster.event("done", taskId), { vo: "lhcb" });
});

test("what the library publishes is checked before it is sent: names, VO and payload", async (t) => {
  await using muster = await startMuster();
  // As a program has them that does not know the tasks' types.
  const greet: PublishableTask = GreetTask;
  const report: PublishableTask = ReportTask;
  const refused = async (vo: string | undefined, message: RegExp, more: object = {}) =>
    t.throwsAsync(muster.publish(greet, { ...(vo === undefined ? {} : { vo }), ...more }), { message });
  await refused(undefined, /per VO; name one/);
  await refused("_", /per VO; name one/);
  await refused("no such/vo", /holds " "/);
  await refused("vo..fr", /wrong place/);
  await refused("lhcb", /control character/, { taskId: "two\nlines" });
  await refused("lhcb", /name: /, { payload: { name: 17 } });
  await refused("lhcb", /bytes of JSON; .* are the limit/, { payload: { name: "x".repeat(1_000_000) } });
  await t.throwsAsync(muster.publish(report, { vo: "lhcb" }), { message: /not per VO/ });
  t.is(await muster.waiting(), 0);
});
