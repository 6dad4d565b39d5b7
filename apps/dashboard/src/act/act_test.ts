import { createPublisher } from "@muster/tasks";
import { findConfiguration, listAudit, listQueuePauses } from "@muster/tasks/operate";
import test from "ava";
import { ACTIONS } from "./actions.ts";
import { bodyOf, HelloTask, startTestDashboard } from "../testing/start_dashboard.ts";

const dashboard = await startTestDashboard({ worker: "none" });
const { broker } = dashboard.system;
test.after.always(() => dashboard[Symbol.asyncDispose]());

/** What was said, and with which status. */
async function act(name: string, fields: Readonly<Record<string, string>>): Promise<[number, string]> {
  const response = await dashboard.post(`/act/${name}`, fields);
  const { said, error } = await bodyOf(response);
  return [response.status, said ?? error];
}

async function lastRecord() {
  return (await listAudit(broker, { limit: 1 })).records[0];
}

async function json(path: string) {
  return await bodyOf(await dashboard.get(path));
}

test.serial("a queue is paused and resumed, and each is kept with who did it", async (t) => {
  t.deepEqual(await act("queue.pause", { task: "HelloTask", vo: "lhcb", reason: "CE is down" }), [
    200,
    "Paused HelloTask of lhcb: no worker takes a new one; what runs goes on.",
  ]);
  t.like((await listQueuePauses(broker))[0], {
    target: { task: "HelloTask", vo: "lhcb" },
    note: { by: "ana", reason: "CE is down" },
  });
  const record = await lastRecord();
  t.like(record, { who: "ana", from: "dashboard", action: "queue.pause", target: "HelloTask of lhcb" });
  t.like(record?.detail, { reason: "CE is down", address: "127.0.0.1" });
  t.is((await act("queue.resume", { task: "HelloTask", vo: "lhcb" }))[0], 200);
  const again = await act("queue.resume", { task: "HelloTask", vo: "lhcb" });
  t.is(again[0], 409);
  t.regex(again[1], /has no pause of its own/);
  t.is((await lastRecord())?.action, "queue.resume", "what was refused is not kept");
});

test.serial("the page after an action shows what was done, without a script that would bring it later", async (t) => {
  const queue = async () => await (await dashboard.get("/queue")).text();
  t.is((await act("queue.pause", { task: "HelloTask", vo: "lhcb" }))[0], 200);
  t.regex(await queue(), /Resume HelloTask of lhcb/);
  t.is((await act("queue.resume", { task: "HelloTask", vo: "lhcb" }))[0], 200);
  t.notRegex(await queue(), /Resume HelloTask of lhcb/);
});

test.serial("a CE is disabled and enabled", async (t) => {
  t.is((await act("ce.disable", { name: "ce01.example.org" }))[0], 200);
  const { ces } = await json("/api/ces");
  t.like(ces[0], { name: "ce01.example.org", capacity: 4, active: 0 });
  t.is((await act("ce.enable", { name: "ce01.example.org" }))[0], 200);
  const [status, said] = await act("ce.disable", { name: "ce99" });
  t.is(status, 409);
  t.regex(said, /no CE has this name/);
});

test.serial("a schedule is paused, resumed, changed, taken back, and triggered", async (t) => {
  const of = { task: "TickTask", vo: "_", instance: "default" };
  const state = async () =>
    (await json("/api/schedules")).schedules.find((each: { readonly task: string }) => each.task === "TickTask");
  t.like(await state(), { state: "on", schedule: "every 1h" });
  t.is((await act("schedule.pause", of))[0], 200);
  t.is((await act("schedule.resume", of))[0], 200);
  t.is((await act("schedule.resume", of))[0], 409);
  t.is((await act("schedule.set", { ...of, schedule: "every 5m" }))[0], 200);
  t.is((await findConfiguration(broker)).configuration.tasks["TickTask"]?.schedule, "every 5m");
  t.regex((await act("schedule.set", { ...of, schedule: "sometimes" }))[1], /sometimes/);
  t.is((await act("schedule.disable", of))[0], 200);
  t.is((await findConfiguration(broker)).configuration.tasks["TickTask"]?.enabled, false);
  t.is((await act("schedule.enable", of))[0], 200);
  t.is((await act("schedule.reset", of))[0], 200);
  t.is((await findConfiguration(broker)).configuration.tasks["TickTask"]?.schedule, undefined);
  const [status, said] = await act("schedule.trigger", of);
  t.is(status, 200);
  t.regex(said, /^Triggered TickTask as TickTask\/_\/default\/trigger-/);
});

test.serial("what waits is shown a page at a time, and a task is cancelled", async (t) => {
  const publisher = createPublisher(broker);
  for (let count = 0; count < 30; count++) {
    await publisher.publish(HelloTask, { vo: "lhcb", payload: { name: `n${count}` }, taskId: `hello-${count}` });
  }
  const first = await json("/api/waiting?task=HelloTask&vo=lhcb");
  t.is(first.tasks.length, 25);
  t.like(first.tasks[0], { taskId: "hello-0", payload: '{"name":"n0"}', attempt: 1 });
  const second = await json(`/api/waiting?task=HelloTask&vo=lhcb&after=${first.next}`);
  t.deepEqual([second.tasks.length, second.tasks[0].taskId, second.next], [5, "hello-25", null]);
  const list = await (await dashboard.get("/tasks?task=HelloTask&vo=lhcb")).text();
  t.regex(
    list,
    /action="\/act\/task\.cancel"[^>]*><input type="hidden" name="id" value="hello-3"><button [^>]*aria-label="Cancel hello-3"/,
  );
  t.regex(list, /class="quiet small hint">To cancel a task: <code>muster task cancel &lt;id&gt;<\/code>/);
  const open = await (await dashboard.get("/task?id=hello-3")).text();
  t.regex(open, /hint">To cancel it: <code>muster task cancel hello-3<\/code>/);
  t.is((await act("task.cancel", { id: "hello-3", reason: "by mistake" }))[0], 200);
  t.like((await lastRecord())?.detail, { reason: "by mistake", became: "requested" });
});

test.serial("dead letters are requeued and dropped in exactly the number that was confirmed", async (t) => {
  const { nc } = broker;
  for (let count = 0; count < 5; count++) nc.publish(`dead.HelloTask.${count < 2 ? "lhcb" : "cms"}`, "{}");
  await nc.flush();
  const { total, letters } = await json("/api/dead?vo=cms");
  t.is(total, 3);
  const none = await json("/api/dead?vo=cms&reason=nothing");
  t.like(none, { total: 0, letters: [] });
  const sequence = String(letters[0].sequence);
  const page = await (await dashboard.get(`/dead/confirm?do=drop-all&vo=cms`)).text();
  t.regex(page, /Drop 3 dead letters of cms\?/);
  t.regex(
    await (await dashboard.get(`/dead/confirm?do=drop&sequence=${sequence}&sequence=1`)).text(),
    /Drop 2 dead letters\?/,
  );
  const typed = await act("dead.drop", { vo: "cms", count: "3", confirmed: "2" });
  t.is(typed[0], 409);
  t.regex(typed[1], /You typed 2, and there were 3: nothing was done/);
  nc.publish("dead.HelloTask.cms", "{}");
  await nc.flush();
  t.regex(
    (await act("dead.drop", { vo: "cms", count: "3", confirmed: "3" }))[1],
    /There are 4 now, and you confirmed 3: nothing was done/,
  );
  t.is((await act("dead.drop", { sequence, count: "1", confirmed: "1" }))[1], "Dropped 1 dead letter.");
  const gone = " 1 letter was gone: somebody else has requeued or dropped what was chosen.";
  for (const [name, did] of [
    ["dead.drop", "Dropped"],
    ["dead.requeue", "Requeued"],
  ] as const) {
    t.is((await act(name, { sequence, count: "1", confirmed: "1" }))[1], `${did} 0 dead letters.${gone}`);
  }
  t.is((await act("dead.drop", { vo: "cms", count: "3", confirmed: "3" }))[1], "Dropped 3 dead letters.");
  t.is(
    (await act("dead.requeue", { count: "2", confirmed: "2" }))[0],
    200,
    "letters without a task stay, and it says so",
  );
  t.like((await lastRecord())?.detail, { done: 0, stayed: 2 });
});

test.serial("letters of an age are counted, shown and dropped, and those that died meanwhile stay", async (t) => {
  const { nc } = broker;
  for (let count = 0; count < 3; count++) nc.publish("dead.HelloTask.atlas", "{}");
  await nc.flush();
  const all = (await json("/api/dead?vo=atlas")).letters.length;
  t.is(all, 3);
  t.like(await json("/api/dead?vo=atlas&age=%3C1h"), { total: 3, letters: { length: 3 } });
  t.like(await json("/api/dead?vo=atlas&age=%3E1h"), { total: 0, letters: [] });
  t.like(await json("/api/dead?vo=atlas&age=%3C1h&reason=nothing"), { total: 0, letters: [] });
  t.is((await dashboard.get("/api/dead?age=1h")).status, 400);
  const page = await (await dashboard.get("/dead?vo=atlas&age=%3E999999d")).text();
  t.regex(page, /0 letters of atlas older than 999999d/);
  t.regex(page, /<option value="&gt;999999d" selected>/);

  const confirm = await (await dashboard.get("/dead/confirm?do=drop-all&vo=atlas&age=%3C1h")).text();
  t.regex(confirm, /Drop 3 dead letters of atlas since \d{4}-\d{2}-\d{2} \d{2}:\d{2} UTC\?/);
  const from = /name="from" value="([^"]+)"/.exec(confirm)?.[1] ?? "";
  t.true(Math.abs(Date.now() - 3_600_000 - Date.parse(from)) < 600_000, from);
  t.notRegex(confirm, /name="age"/, "what is confirmed has a fixed begin");
  const later = new Date(Date.now() + 3_600_000).toISOString();
  t.regex((await act("dead.drop", { vo: "atlas", from: later, count: "3", confirmed: "3" }))[1], /There are 0 now/);
  t.regex((await act("dead.drop", { vo: "atlas", from: "soon", count: "3", confirmed: "3" }))[1], /^from: /);
  t.is((await act("dead.drop", { vo: "atlas", from, count: "3", confirmed: "3" }))[1], "Dropped 3 dead letters.");
  t.regex((await lastRecord())?.target ?? "", /^dead letters of atlas since \d/);
});

test.serial("a configuration is applied after its difference was shown, unless somebody was faster", async (t) => {
  const { yaml, revision } = await json("/api/configuration");
  t.regex(yaml, /lhcb/);
  const changed = "vos:\n  lhcb: { weight: 3 }\n  vo.cta.in2p3.fr: {}\ntasks:\n  TickTask: { schedule: every 7m }\n";
  const difference = await dashboard.post("/configuration/difference", { yaml: changed }, { accept: "text/html" });
  const text = await difference.text();
  t.regex(text, /\+ vos\.lhcb\.weight: 3/);
  t.regex(text, /\+ tasks\.TickTask\.schedule: every 7m/);
  const wrong = await dashboard.post(
    "/configuration/difference",
    { yaml: "vos: { lhcb: { wieght: 3 } }" },
    { accept: "text/html" },
  );
  t.is(wrong.status, 400);
  t.regex(await wrong.text(), /unknown field &quot;wieght&quot;; did you mean &quot;weight&quot;/);
  const strict = await dashboard.post(
    "/configuration/difference",
    { yaml: "vos: &all\n  lhcb: {}\n  lhcb: {}\n" },
    { accept: "text/html" },
  );
  t.regex(
    await strict.text(),
    /line 2, column 3:<\/span> an anchor .*line 3, column 3:<\/span> &quot;lhcb&quot; stands here twice/,
    "what the command refuses is refused here, with the same place",
  );
  const doubtful = await dashboard.post(
    "/configuration/difference",
    { yaml: "vos: { lhcb: {} }\ntasks:\n  TickTsk: { schedule: every 7m }\n" },
    { accept: "text/html" },
  );
  t.regex(await doubtful.text(), /line 3, column 3:<\/span> neither this program .* did you mean TickTask\?/);
  const stale = await act("config.apply", { yaml: changed, revision: String(revision + 7) });
  t.regex(stale[1], /Somebody changed the configuration/);
  const applied = await act("config.apply", { yaml: changed, revision: String(revision) });
  t.regex(applied[1], /^Applied 3 changes: revision \d+ is in force\.$/);
  t.is((await findConfiguration(broker)).configuration.vos["lhcb"]?.weight, 3);
});

test.serial("what cannot be done says why, and what is not known is no action", async (t) => {
  t.regex((await act("lock.release", { key: "my_pilot.ce01" }))[1], /nobody holds it/);
  t.regex((await act("worker.drain", { name: "nobody" }))[1], /nobody/);
  t.regex((await act("group.cancel", { id: "nobody" }))[1], /There is no group nobody/);
  t.regex((await act("ce.disable", {}))[1], /^name: /);
  t.is((await dashboard.post("/act/nothing", {})).status, 404);
  t.true(ACTIONS.size >= 17);
});
