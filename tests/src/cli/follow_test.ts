import { startTestServer } from "@muster/logic/testing";
import { atLeastOnceFactory, noRetry, taskFactory } from "@muster/tasks";
import { cancelTask, type FollowUpdate, followTask, type FoundTask } from "@muster/tasks/operate";
import test from "ava";
import { createTestDatabase, type SqlDeps } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
const muster = await startMuster({ vos: ["lhcb"] });
const database = await createTestDatabase(server);
const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: database.url });
const bare = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: "" });
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const defineTask = taskFactory<SqlDeps>();
const defineBareTask = atLeastOnceFactory<SqlDeps>();

const ChildTask = defineTask({ name: "ChildTask", per: "vo", execute: () => "born" });
const ParentTask = defineTask({
  name: "ParentTask",
  per: "vo",
  execute: ({ spawn }) => ({ child: spawn(ChildTask, {}, { key: "only" }) }),
});
const FailTask = defineTask({
  name: "FailTask",
  per: "vo",
  retry: noRetry(),
  execute: () => Promise.reject(new Error("no\u001b[31m site")),
});
const LostTask = defineBareTask({ name: "LostTask", keepResult: { hours: 1 }, execute: () => ({ asked: 4 }) });
/** Waits in front of nobody: no worker has it. */
const IdleTask = defineBareTask({ name: "IdleTask", per: "vo", execute() {} });

/** Tasks that go on when the test says so. */
const held = new Map<string, PromiseWithResolvers<void>>();
function gateOf(taskId: string): PromiseWithResolvers<void> {
  const gate = held.get(taskId) ?? Promise.withResolvers<void>();
  held.set(taskId, gate);
  return gate;
}
const HeldTask = defineBareTask({
  name: "HeldTask",
  per: "vo",
  keepResult: { hours: 1 },
  async execute({ progress, taskId }) {
    progress(1, 4, "asking ce01");
    await gateOf(taskId).promise;
    progress(4, 4);
    return { asked: 4 };
  },
});
/** Says what it does, and goes on when the test says so. */
const TalkTask = defineBareTask({
  name: "TalkTask",
  per: "vo",
  async execute({ log, taskId }) {
    log.debug("looking");
    log.info("asked\u001b[31m the site", { ceName: "ce01" });
    await gateOf(taskId).promise;
    for (let n = 0; n < 60; n++) log.warn(`line ${n}`);
  },
});
test.before(async () => {
  const tasks = [ChildTask, ParentTask, FailTask, HeldTask, LostTask, TalkTask];
  await muster.startWorker({ tasks, ...database.forWorker });
});

const show = async (id: string) => (await cli.json("task", "show", id)) as FoundTask;

/** Resolves once the bucket has the progress of this task. */
async function untilProgress(id: string): Promise<void> {
  await until(async () => ((await muster.results("progress.")).some((key) => key.endsWith(id)) ? true : undefined), id);
}

test("muster task show tells state, place, worker, errors, parent, children, result and timeline of each kind of task", async (t) => {
  const dueAt = new Date(Date.now() + 3_600_000);
  await muster.publish(IdleTask, { vo: "lhcb", taskId: "delayed", at: dueAt });
  t.like(await show("delayed"), { state: "delayed", stream: "LATER", task: "IdleTask", dueAt: dueAt.toISOString() });
  await muster.publish(IdleTask, { vo: "lhcb", taskId: "waiting" });
  const quiet = ["task", "publish", "MyPilotReportTask", "--unique", "report", "--debounce", "10m"];
  const { taskId } = (await cli.json(...quiet)) as { taskId: string };
  t.like(await show(taskId), { state: "delayed", stream: "LATER", task: "MyPilotReportTask" });
  await cancelTask(muster.broker, "waiting", { by: "ana@ui01", reason: "wrong site", waitMs: 0 });
  t.regex(
    (await show("waiting")).notes[0] ?? "",
    /^cancelled by ana@ui01: wrong site at .*; nobody has carried that out/,
  );
  t.like(await show("waiting"), { state: "waiting", stream: "TASKS", vo: "lhcb", attempt: 1, errors: [] });

  await muster.publish(HeldTask, { vo: "lhcb", taskId: "running" });
  await untilProgress("running");
  await until(async () => ((await show("running")).timeline.length > 0 ? true : undefined), "the event");
  const running = await show("running");
  t.like(running, { state: "running", stream: "TASKS", worker: running.timeline[0]?.worker ?? "" });
  t.like(running.progress, { done: 1, total: 4, note: "asking ce01" });
  gateOf("running").resolve();
  await muster.event("done", "running");

  const parent = await muster.publish(ParentTask, { vo: "lhcb", taskId: "parent" });
  const child = `${parent.taskId}/only`;
  await muster.event("done", child);
  t.like(await show("parent"), {
    ...{ state: "done", stream: null, attempt: 1, result: { child }, parent: null, progress: null },
    children: [{ taskId: child, task: "ChildTask", vo: "lhcb" }],
  });
  const born = await show(child);
  t.like(born, { state: "done", parent: "parent", result: "born", notes: [] });
  t.deepEqual(
    born.timeline.map(({ step }) => step),
    ["started", "done"],
  );
  t.false(Number.isNaN(Date.parse(born.endedAt ?? "")));

  // An id that begins with another one's is no proof.
  await muster.publish(ChildTask, { vo: "lhcb", taskId: "parent/stranger" });
  await muster.event("done", "parent/stranger");
  t.is((await show("parent/stranger")).parent, null);

  await muster.publish(FailTask, { vo: "lhcb", taskId: "dead" });
  await muster.event("dead", "dead");
  t.like(await show("dead"), { state: "dead", stream: "DEAD", errors: ["Error: no [31m site"] });
  const { output } = await cli.run("task", "show", "dead");
  t.regex(output, /^task id +dead\ntask +FailTask\nVO +lhcb\nstate +dead at attempt 1\nstream +DEAD\n/);
});

test("muster task show has the lines of a run, fifty of them at most, and they say nothing of the task's state", async (t) => {
  await muster.publish(TalkTask, {
    vo: "lhcb",
    taskId: "talk",
    headers: { traceparent: `00-${"a".repeat(32)}-1234567890abcdef-01` },
  });
  const isToldOf = async () => ((await show("talk")).timeline.length === 2 ? true : undefined);
  await until(isToldOf, "its first line");
  const talking = await show("talk");
  t.like(talking, { state: "running" });
  t.like(talking.timeline[1], {
    ...{ step: "log", level: "info", attempt: 1, reason: 'asked [31m the site {"ceName":"ce01"}' },
    ...{ traceId: "a".repeat(32), worker: talking.worker },
  });
  const updates: FollowUpdate[] = [];
  const following = (async () => {
    for await (const update of followTask(muster.broker, "talk")) updates.push(update);
  })();
  await until(async () => (updates.length > 0 ? true : undefined), "what was known of it");
  gateOf("talk").resolve();
  await following;
  const told = updates.flatMap((update) => (update.kind === "step" ? [update.step.reason ?? update.step.step] : []));
  t.deepEqual(told.slice(0, 2), ["line 0", "line 1"]);
  t.is(told.at(-2), "11 more lines of this run are in its worker's log alone");
  t.is(told.at(-1), "done");
  const ended = await show("talk");
  t.is(ended.state, "done");
  t.is(ended.timeline.filter(({ step }) => step === "log").length, 51);
});

test("muster task show is honest where sources are gone or were not asked, and shows a stranger's id as text", async (t) => {
  const id = "a *.> \u{202E}<b>";
  await muster.publish(LostTask, { taskId: id });
  await muster.event("done", id);
  await muster.broker.jsm.streams.purge("EVENTS", { filter: "events.LostTask._.*" });
  const { output } = await bare.run("task", "show", id);
  t.true(output.startsWith("task id   a *.> \\u202E<b>\n") || output.includes("a *.> \\u"), output);
  t.regex(output, /result +\{"asked":4\}/);
  t.regex(output, /Note: the ledger was not asked: no database is known here\nNote: no event of it is left: EVENTS /);

  for (const nobody of ["never-was", "*", ">", "x.>"]) {
    const unknown = await cli.run("task", "show", nobody);
    t.is(unknown.code, 1);
    t.regex(unknown.output, /state +unknown: neither streams, ledger, results nor events tell of it/);
    t.notRegex(unknown.output, /lhcb/);
  }
});

test("muster task result prints what was returned, waits for it, and fails where the task has not ended or is not done", async (t) => {
  await muster.publish(HeldTask, { vo: "lhcb", taskId: "asked" });
  await muster.event("started", "asked");
  const early = await cli.run("task", "result", "asked");
  t.deepEqual([early.code, early.output], [1, ""]);
  t.regex(early.errors, /^Cannot print the result of "asked": it has not ended: running, attempt 1/);
  const short = await cli.run("task", "result", "asked", "--wait", "1s");
  t.is(short.code, 1);
  const waiting = cli.json("task", "result", "asked", "--wait");
  gateOf("asked").resolve();
  t.like(await waiting, { outcome: "done", result: { asked: 4 }, attempt: 1, error: null });
  t.is((await bare.run("task", "result", "asked")).output, '{\n  "asked": 4\n}\n');

  await muster.publish(FailTask, { vo: "lhcb", taskId: "failed" });
  await muster.event("dead", "failed");
  const failed = await cli.run("task", "result", "failed");
  t.is(failed.code, 1);
  t.regex(failed.output, /^dead at attempt 1: Error: no \[31m site\n$/);
});

/** Takes updates up to the first of this kind. */
async function next(updates: AsyncGenerator<FollowUpdate>, matches: (update: FollowUpdate) => boolean) {
  const seen: FollowUpdate[] = [];
  for (;;) {
    const { value, done } = await updates.next();
    if (done) return seen;
    seen.push(value);
    if (matches(value)) return seen;
  }
}

test("a task is followed by its steps and progress from what it was to its end, and muster task watch exits by its outcome", async (t) => {
  const updates = followTask(muster.broker, "followed", { ledger: database.database.ledger });
  await muster.publish(HeldTask, { vo: "lhcb", taskId: "followed" });
  const [found] = await next(updates, ({ kind }) => kind === "found");
  t.true(found?.kind === "found" && ["waiting", "running"].includes(found.task.state));
  gateOf("followed").resolve();
  const seen = await next(updates, ({ kind }) => kind === "ended");
  const last = seen.at(-1);
  t.true(last?.kind === "ended" && last.task.state === "done");
  t.true(seen.some((update) => update.kind === "step" && update.step.step === "done"));

  await muster.publish(HeldTask, { vo: "lhcb", taskId: "watched" });
  await untilProgress("watched");
  const watching = cli.run("task", "watch", "watched");
  gateOf("watched").resolve();
  const watched = await watching;
  t.is(watched.code, 0);
  t.regex(watched.output, /done at attempt 1\n\{"asked":4\}\n$/);
  const lines = (await cli.run("task", "watch", "watched", "--json")).output.trim().split("\n");
  t.deepEqual(
    lines.map((line) => JSON.parse(line).kind),
    ["found", "ended"],
  );
  await muster.publish(FailTask, { vo: "lhcb", taskId: "broken" });
  const broken = await cli.run("task", "watch", "broken");
  t.is(broken.code, 1);
  t.regex(broken.output, /dead at attempt 1: Error: no \[31m site\n$/);
  t.is((await cli.run("task", "watch", "nobody")).code, 1);
});
