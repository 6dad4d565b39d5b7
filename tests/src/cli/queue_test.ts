import { atLeastOnceFactory } from "@muster/tasks";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

const defineTask = atLeastOnceFactory();
const MyPilotTask = defineTask({ name: "MyPilotTask", per: "vo", execute() {} });

test("a pause is shown by queue list, task list and doctor with who, when, why and what waits, until exactly it is taken back", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb", "cms"] });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: "" });
  t.is((await cli.run("queue", "list")).output, "Nothing is paused\n\nNothing waits\n");
  t.regex((await cli.run("doctor")).output, /^ok +queues: nothing is paused$/m);

  const paused = await cli.run("queue", "pause", "MyPilotTask", "--vo", "lhcb", "--reason", "CE is down\u001b[31m");
  t.like(paused, { code: 0, output: "paused MyPilotTask of lhcb: no worker takes a new one; what runs goes on\n" });
  t.like(await cli.json("queue", "pause", "--vo", "cms"), { task: null, vo: "cms", paused: true });
  t.regex((await cli.run("doctor")).output, /^ok +queues: 2 pauses, and nothing waits because of that$/m);
  for (const vo of ["lhcb", "lhcb", "cms"]) await muster.publish(MyPilotTask, { vo });

  const { output: list } = await cli.run("queue", "list");
  t.regex(list, /^MyPilotTask of lhcb +2 +0 +since \d{4}-\S+Z by \S+@\S+: CE is down\\x1b\[31m$/m);
  t.regex(list, /^all tasks of cms +1 +0 +since \d{4}-\S+Z by \S+@\S+$/m);
  t.regex(list, /^MyPilotTask +lhcb +normal +paused +2 +0 +0 +(?:now|\d+s) +0$/m);
  const lists = await cli.json("queue", "list");
  t.like(lists, {
    queues: [
      { task: "MyPilotTask", vo: "cms", ready: 1, waiting: 1, inHand: 0, pauses: [{ task: null, vo: "cms" }] },
      { vo: "lhcb" },
    ],
  });
  const { queues: ofCms } = Object(await cli.json("queue", "list", "--vo", "cms"));
  t.deepEqual(
    ofCms.map(({ vo }: { vo: string }) => vo),
    ["cms"],
  );
  const doctor = await cli.run("doctor");
  t.regex(
    doctor.output,
    /^WARN +queues: 2 tasks wait because MyPilotTask of lhcb is paused \(since .* by .*: CE is down\\x1b\[31m\); `muster queue resume MyPilotTask --vo lhcb`$/m,
  );
  t.regex(
    doctor.output,
    /^WARN +queues: 1 task waits because all tasks of cms are paused \(.*\); `muster queue resume --vo cms`$/m,
  );
  t.regex(
    (await cli.run("task", "list")).output,
    /^Paused: MyPilotTask of lhcb \(since .*\); 2 tasks wait; see `muster queue list`$/m,
  );
  const { pauses } = Object(await cli.json("task", "list"));
  t.like(pauses, [
    { task: "MyPilotTask", vo: "lhcb", ready: 2 },
    { task: null, vo: "cms", ready: 1 },
  ]);

  const not = await cli.run("queue", "resume", "MyPilotTask");
  t.like(not, { code: 0, output: "MyPilotTask had no pause of its own; nothing was changed\n" });
  t.like(await cli.json("queue", "resume", "MyPilotTask", "--vo", "lhcb"), { paused: false, wasPaused: true });
  t.is((await cli.run("queue", "resume", "--vo", "cms")).output, "resumed all tasks of cms\n");
  t.regex((await cli.run("queue", "list")).output, /^Nothing is paused\n\nTASK/);
});

test("a VO that is not configured cannot be paused, and a pause of one that is gone meanwhile can be taken back", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb", "cms"] });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: "" });
  const refused = await cli.run("queue", "pause", "--vo", "lhbc");
  t.like(refused, { code: 1, output: "" });
  t.regex(refused.errors, /VO "lhbc" is not configured \(there are lhcb, cms\)/);
  t.is((await cli.run("queue", "pause", "MyPilotTask", "--vo", "cms")).code, 0);
  await muster.removeVo("cms");
  t.regex((await cli.run("queue", "list")).output, /^MyPilotTask of cms/m);
  t.is((await cli.run("queue", "resume", "MyPilotTask", "--vo", "cms")).output, "resumed MyPilotTask of cms\n");
  // What somebody stores by hand under another key pauses nothing and breaks nothing.
  await muster.broker.buckets.schedules.put("queue.nonsense", "{");
  await muster.broker.buckets.schedules.put("queue.task.MyPilotTask", "\u0000");
  t.like(await cli.json("queue", "list"), { pauses: [{ task: "MyPilotTask", vo: null }] });
});
