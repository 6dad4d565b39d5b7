import { openDatabase } from "@muster/ledger";
import { runSql } from "@muster/ledger/testing";
import { startTestServer } from "@muster/logic/testing";
import { atLeastOnceFactory } from "@muster/tasks";
import test from "ava";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { startMuster } from "../support/muster.ts";
import { within } from "../support/until.ts";
import { openOldClient } from "../support/old_client.ts";
import { commandsOn, runMuster } from "./run_muster.ts";

const server = await startTestServer();
const muster = await startMuster({ vos: ["lhcb"] });
const NATS_URL = muster.nats.url;
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Commands on one database of their own. */
const openCli = async (url?: string) => commandsOn({ NATS_URL, DATABASE_URL: url ?? (await server.createUrl()) });

test("migrate makes the schema once, and whoever comes before it is told", async (t) => {
  const cli = await openCli(await server.createEmptyUrl());
  const early = await cli.run("ce", "list");
  t.is(early.code, 1);
  t.regex(early.errors, /lacks ledger\/0001_tables, .*; run `muster migrate`/);
  const looked = (await cli.run("doctor")).output;
  t.deepEqual(looked.match(/^BAD +PostgreSQL: .*/gm)?.length, 1, looked);
  t.notRegex(looked, /relation ".*" does not exist|^BAD +pilots/m, "one cause is told once");
  const { applied } = (await cli.json("migrate")) as { applied: string[] };
  t.is(applied[0], "ledger/0001_tables");
  t.deepEqual(await cli.json("migrate"), { applied: [] });
});

test("a CE is added, changed, disabled, enabled, listed and removed", async (t) => {
  const cli = await openCli();
  const name = "ce01.example.org:9619/condor";
  t.like(await cli.json("ce", "add", name, "--capacity", "7", "--vo", "lhcb", "--vo", "atlas"), {
    ...{ name, capacity: 7, successRate: 1, enabled: true, active: 0 },
    vos: ["lhcb", "atlas"],
  });
  t.like(await cli.json("ce", "change", name, "--success-rate", "0.5", "--all-vos"), {
    capacity: 7,
    successRate: 0.5,
    vos: null,
  });
  t.like(await cli.json("ce", "disable", name), { enabled: false });
  t.like(await cli.json("ce", "enable", name), { enabled: true });
  const list = await cli.run("ce", "list");
  t.regex(
    list.output,
    /^CE +STATE +CAPACITY .*\nce01\.example\.org:9619\/condor +enabled +7 +0 +0 +0 +0\.5 +all +-\n$/,
  );
  t.deepEqual(await cli.json("ce", "remove", name), { name, activePilots: 0 });
  t.deepEqual(await cli.json("ce", "list"), []);
});

test("what cannot be is refused in one line, with the value, and nothing on standard output", async (t) => {
  const cli = await openCli();
  const refused: readonly (readonly [code: number, error: RegExp, ...args: string[]])[] = [
    [2, /"ce 1".*" " \(U\+0020\)/, "ce", "add", "ce 1", "--capacity", "1", "--json"],
    [2, /--capacity/, "ce", "add", "ce1", "--json"],
    [2, /no task "Nope"; there are MyCheckPilotsTask/, "task", "publish", "Nope", "--json"],
    [2, /no JSON/, "task", "publish", "MyPilotTask", "{", "--vo", "lhcb", "--json"],
    [2, /ceName/, "task", "publish", "MyPilotTask", "{}", "--vo", "lhcb", "--json"],
    [
      1,
      /"zzz" is not configured \(there are .*lhcb.*muster vo add zzz/,
      "task",
      "publish",
      "MyPilotTask",
      '{"ceName":"ce01"}',
      "--vo",
      "zzz",
    ],
    [1, /"zzz" is not configured \(there are .*lhcb.*; nothing was removed/, "vo", "remove", "zzz"],
    [1, /"zzz" is not configured/, "schedule", "pause", "MyCheckPilotsTask", "--vo", "zzz", "--json"],
    [
      1,
      /MyCheckPilotsTask of lhcb has no schedule instance "zzz"; there are default/,
      "schedule",
      "pause",
      "MyCheckPilotsTask",
      "--vo",
      "lhcb",
      "--instance",
      "zzz",
    ],
    [2, /"_" as VO name/, "schedule", "pause", "MyCheckPilotsTask", "--vo", "_"],
    [2, /no task "Nope"/, "schedule", "list", "--task", "Nope", "--json"],
    [1, /dead letter 4711/, "dead", "show", "4711", "--json"],
    [2, /none of "every", "cron" and "rrule"/, "schedule", "set", "MyCheckPilotsTask", "evry 5s"],
    [2, /unknown command/, "bogus"],
  ];
  const ended = await Promise.all(refused.map(([, , ...args]) => cli.run(...args)));
  for (const [index, [code, error, ...args]] of refused.entries()) {
    t.is(ended[index]?.code, code, args.join(" "));
    t.regex(ended[index]?.errors ?? "", error);
    t.notRegex(ended[index]?.errors ?? "", /\n {4}at /, "no stack");
    t.is(ended[index]?.output, "");
  }
});

test("a server that does not answer is told in one line, and a command asks only for the server that it needs", async (t) => {
  const { env } = await openCli();
  const down = await runMuster(["vo", "list", "--json"], { ...env, NATS_URL: "nats://me:s3cret@127.0.0.1:1" });
  t.deepEqual([down.code, down.output], [1, ""]);
  t.regex(down.errors, /^Cannot connect to NATS at nats:\/\/.*127\.0\.0\.1:1.*\n$/);
  t.notRegex(down.errors, /s3cret/);
  const gone = await runMuster(["ce", "list"], { ...env, DATABASE_URL: "postgres://a:s3cret@127.0.0.1:1/x" });
  t.is(gone.code, 1);
  t.notRegex(gone.errors, /s3cret/);
  t.regex(gone.errors, /^Cannot reach the database: .*\n$/);
  t.is((await runMuster(["vo", "list"], { ...env, DATABASE_URL: "" })).code, 0);
});

test("a task is published once under its id, also from standard input, and later ones are listed as delayed", async (t) => {
  const cli = await openCli();
  const payload = '{"ceName":"ce01"}';
  const publish = ["task", "publish", "MyPilotTask", payload, "--vo", "lhcb"];
  t.like(await cli.json(...publish, "--id", "cli-1"), { taskId: "cli-1", stream: "TASKS", duplicate: false });
  t.like(await cli.json(...publish, "--id", "cli-1"), { taskId: "cli-1", duplicate: true });
  const piped = await runMuster(["task", "publish", "MyPilotTask", "-", "--vo", "lhcb"], cli.env, payload);
  t.regex(piped.output, /^published MyPilotTask of lhcb as \S+\n$/);
  t.like(await cli.json(...publish, "--delay", "2h"), { stream: "LATER" });
  t.like(await cli.json("task", "publish", "CliUnknownTask", "--unchecked"), {
    task: "CliUnknownTask",
    duplicate: false,
  });
  const list = (await cli.json("task", "list")) as { tasks: object[]; waiting: object[]; unknown: object[] };
  t.like(
    list.tasks.find((task) => "name" in task && task.name === "MyPilotTask"),
    {
      ...{ per: "vo", priority: "normal", size: "small", retry: "NoRetry", schedule: null },
      ...{ workers: 0, ready: 2, delayed: 1 },
    },
  );
  t.true(list.unknown.some((each) => "task" in each && each.task === "CliUnknownTask"));
  t.regex((await cli.run("task", "list")).output, /No running worker knows CliUnknownTask: 1 task of _/);
});

test("a task that is called runs here: its result is printed, its effect is in the database, and its failure is an exit code", async (t) => {
  const cli = await openCli();
  await cli.run("ce", "add", "ce01", "--capacity", "1");
  const call = ["task", "call", "MyPilotTask", '{"ceName":"ce01"}', "--vo", "lhcb"];
  t.like(((await cli.json(...call)) as { result: object }).result, { kind: "submitted" });
  t.like((await cli.json("pilot", "summary", "--vo", "lhcb")) as object, {
    pilots: { SUBMITTED: 1, RUNNING: 0, DONE: 0, FAILED: 0 },
  });
  t.regex((await cli.run("pilot", "summary")).output, /ce01 +lhcb +1 +0 +0 +0/);
  t.is((await cli.run("pilot", "summary", "--ce", "nope")).output, 'There is no pilot at "nope" yet\n');
  await cli.run("ce", "disable", "ce01");
  const failed = await cli.run(...call, "--json");
  t.deepEqual([failed.code, failed.output], [1, ""]);
  t.regex(failed.errors, /the CE is disabled/);
});

test("a task that is paused is called only where that is asked for, and a call says under which id it can be cancelled", async (t) => {
  const cli = await openCli();
  const call = ["task", "call", "MyCheckPilotsTask", "--vo", "lhcb"];
  await cli.run("queue", "pause", "MyCheckPilotsTask", "--vo", "lhcb", "--reason", "drill");
  const refused = await cli.run(...call);
  t.like(refused, { code: 1, output: "" });
  t.regex(
    refused.errors,
    /paused MyCheckPilotsTask of lhcb \(since .* by .*: drill\); run it all the same with --paused, or `muster queue resume MyCheckPilotsTask --vo lhcb`/,
  );
  const called = await cli.run(...call, "--paused");
  t.is(called.code, 0);
  t.regex(called.errors, /^calls MyCheckPilotsTask as (call-\S+); Ctrl-C or "muster task cancel \1" ends it$/m);
  await cli.run("queue", "resume", "MyCheckPilotsTask", "--vo", "lhcb");
});

test("the pilots of a VO that is removed are counted, named by the doctor, and written off once it is gone", async (t) => {
  const url = await server.createUrl();
  const cli = await openCli(url);
  await cli.json("vo", "add", "leaving");
  await using database = await openDatabase({ url });
  await runSql(
    database,
    `insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read) values
       ('ce01', 'leaving', 'RUNNING', 'a', 0, 9), ('ce01', 'leaving', 'SUBMITTED', 'b', 0, 9), ('ce01', 'leaving', 'DONE', 'c', 0, 9)`,
  );
  const early = await cli.run("pilot", "write-off", "--vo", "leaving");
  t.is(early.code, 1);
  t.regex(early.errors, /"leaving" is configured.*remove it first/);
  const removed = await cli.run("vo", "remove", "leaving");
  t.regex(removed.output, /removed leaving; 2 pilots of it keep their slots.*\n`muster pilot write-off --vo leaving`/);
  t.regex(
    (await cli.run("doctor")).output,
    /WARN +pilots: 2 pilots of VO leaving hold slots, and it is not configured/,
  );
  t.deepEqual(await cli.json("pilot", "write-off", "--vo", "leaving", "--dry-run"), { vo: "leaving", matching: 2 });
  t.deepEqual(await cli.json("pilot", "write-off", "--vo", "leaving"), { vo: "leaving", writtenOff: 2 });
  t.notRegex((await cli.run("doctor")).output, /VO leaving/);
  t.like(await cli.json("pilot", "summary", "--vo", "leaving"), {
    pilots: { SUBMITTED: 0, RUNNING: 0, DONE: 1, FAILED: 2 },
  });
});

test("schedules are listed with their next times, changed, reset, paused and resumed", async (t) => {
  const cli = await openCli();
  await cli.run("vo", "add", "sched");
  const rows = async () =>
    (await cli.json("schedule", "list", "--vo", "sched", "--times", "2")) as {
      task: string;
      schedule: string;
      state: string;
      next: string[];
    }[];
  const stateOf = async (task: string) => (await rows()).find((row) => row.task === task);
  t.like(await stateOf("MyCheckPilotsTask"), { schedule: "every 30s", state: "on", leader: null });
  const shown = (await cli.run("schedule", "list", "--vo", "sched", "--task", "MyCheckPilotsTask")).output;
  t.regex(shown, /every 30s +on, no leader +never +idle +-\n/);
  t.regex(shown, /^No running scheduler leads MyCheckPilotsTask: nothing fires; start apps\/scheduler$/m);
  const [first = "", second = ""] = (await stateOf("MyCheckPilotsTask"))?.next ?? [];
  t.is(Date.parse(second) - Date.parse(first), 30_000);
  const target = ["MyCheckPilotsTask", "--vo", "sched"];
  t.like(await cli.json("schedule", "set", "MyCheckPilotsTask", "every 10s", "--vo", "sched"), {
    schedule: "every 10s",
  });
  await cli.json("schedule", "pause", ...target, "--reason", "maintenance");
  t.like(await stateOf("MyCheckPilotsTask"), { schedule: "every 10s", state: "paused", next: [] });
  t.like(await cli.json("schedule", "resume", ...target), { paused: false, wasPaused: true });
  t.is(
    (await cli.run("schedule", "resume", ...target)).output,
    "MyCheckPilotsTask of sched had no pause of its own; nothing was changed\n",
  );
  await cli.json("schedule", "disable", ...target);
  t.like(await stateOf("MyCheckPilotsTask"), { state: "off", next: [] });
  await cli.json("schedule", "enable", ...target);
  await cli.json("schedule", "reset", ...target);
  t.like(await stateOf("MyCheckPilotsTask"), { schedule: "every 30s", state: "on" });
  await cli.json("vo", "remove", "sched");
  t.deepEqual(await rows(), []);
});

test("dead letters are listed, shown with their payload, and requeued by their sequence or by a filter that says its count", async (t) => {
  const cli = await openCli();
  const GreetTask = atLeastOnceFactory()({ name: "CliGreetTask", per: "vo", execute() {} });
  const worker = await muster.startWorker({ tasks: [GreetTask] });
  await using client = await openOldClient(NATS_URL);
  const red = "\u001b[31m";
  for (const index of [1, 2, 3]) {
    await client.publish("tasks.CliGreetTask.lhcb", {
      body: `[${index}]`,
      headers: { "Task-Id": `dead-${index} <b>` },
    });
    await muster.event("refused", `dead-${index} <b>`);
  }
  await client.publish("tasks.CliGreetTask.lhcb", { body: red, headers: { "Task-Id": "dead-escape" } });
  await muster.event("refused", "dead-escape");
  await worker.drain();
  const filter = ["--task", "CliGreetTask"];
  const { total, letters } = (await cli.json("dead", "list", ...filter)) as {
    total: number;
    letters: { sequence: number; taskId: string }[];
  };
  t.is(total, 4);
  const [first, , , last] = letters;
  t.is(first?.taskId, "dead-1 <b>");
  const page = await cli.run("dead", "list", ...filter, "--limit", "2");
  t.regex(page.output, new RegExp(`2 dead letters of 4; more with --after ${letters[1]?.sequence}`));
  const second = ["dead", "list", ...filter, "--limit", "2", "--after", String(letters[1]?.sequence)];
  t.regex((await cli.run(...second)).output, /2 dead letters of 4; there is no more behind them\n$/);
  t.like(await cli.json(...second), { total: 4, next: null });
  const end = String(last?.sequence);
  t.is(
    (await cli.run("dead", "list", ...filter, "--after", end)).output,
    `There is no dead letter of "CliGreetTask" behind ${end}: all 4 lie before it\n`,
  );
  const shown = await cli.run("dead", "show", String(last?.sequence));
  t.false(shown.output.includes(red));
  t.like(await cli.json("dead", "show", String(last?.sequence)), { body: red, taskId: "dead-escape" });
  const some = await cli.run("dead", "requeue", "99999", String(first?.sequence), "--json");
  t.is(some.code, 1);
  t.deepEqual(JSON.parse(some.output), { matching: 2, requeued: ["dead-1 <b>"], refused: [], missing: [99_999] });
  t.is(some.errors, "There is no dead letter 99999; see `muster dead list`\n");
  t.is((await cli.run("dead", "requeue", ...filter, "--dry-run")).output, "would requeue 3 dead letters\n");
  t.is((await cli.run("dead", "requeue", ...filter)).output, "requeued 3 of 3 dead letters\n");
  t.like(await cli.json("dead", "list", ...filter), { total: 0, letters: [] });
  t.is((await cli.run("dead", "list", ...filter)).output, 'There is no dead letter of "CliGreetTask"\n');
});

test("the doctor finds what is missing, and says so with its exit code", async (t) => {
  const cli = await openCli();
  const { code, output } = await cli.run("doctor");
  t.is(code, 1);
  t.regex(output, /^ok +PostgreSQL: answers/m);
  t.regex(output, /^ok +streams: 10 are there$/m);
  t.regex(output, /^ok +settings: those of streams and buckets are right$/m);
  t.regex(output, /^BAD +scheduler: none leads/m);
  const locks = muster.broker.buckets.locks;
  await locks.put("scheduler.leader", "maintenance\u001b[31m");
  const foreign = (await cli.run("doctor")).output;
  t.regex(foreign, /^WARN +scheduler: key scheduler\.leader of bucket locks holds "maintenance\\u001b\[31m", which/m);
  await locks.purge("scheduler.leader");
  t.regex(output, /^BAD +workers: none for MyPilotTask; start one$/m);
  const away = await runMuster(["doctor", "--json"], { ...cli.env, NATS_URL: "nats://127.0.0.1:1" });
  t.is(away.code, 1);
  const findings: { about: string; state: string }[] = JSON.parse(away.output).findings;
  t.is(findings.find(({ about }) => about === "NATS")?.state, "bad");
});

test("a server that takes connections and says nothing ends a command with its reason, and holds nobody up", async (t) => {
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const env = { NATS_URL: `nats://127.0.0.1:${port}`, DATABASE_URL: `postgres://127.0.0.1:${port}/muster` };
  const ended = await within(runMuster(["vo", "list", "--json"], env), () => "the end of the command", 60_000);
  t.is(ended.code, 1);
  t.is(ended.output, "");
  t.regex(ended.errors, /Cannot connect to NATS/);
  silent.close();
});
