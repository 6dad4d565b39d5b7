import { startTestServer } from "@muster/logic/testing";
import { pilotTasks } from "@muster/pilot-tasks";
import {
  changeConfiguration,
  pauseSchedule,
  readConfiguration,
  scheduleTable,
  withSchedule,
  withScheduleSwitched,
} from "@muster/tasks/operate";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
const muster = await startMuster({ vos: ["lhcb"] });
const NATS_URL = muster.nats.url;
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const openCli = async () => commandsOn({ NATS_URL, DATABASE_URL: await server.createUrl() });

test.serial(
  "a CE that is limited to a VO which is not configured is added, and the VO is named on standard error",
  async (t) => {
    const cli = await openCli();
    const added = await cli.run("ce", "add", "CE01", "--capacity", "1", "--vo", "lhcb", "--vo", "lhbc", "--json");
    t.is(added.code, 0);
    t.like(JSON.parse(added.output), { name: "ce01", vos: ["lhcb", "lhbc"] });
    t.is(
      added.errors,
      "VO lhbc is not configured, so nothing of it comes to ce01; add it with `muster vo add lhbc`, or mend its name\n",
    );
    t.is((await cli.run("ce", "change", "Ce01", "--vo", "lhcb")).errors, "");
    t.regex((await cli.run("ce", "change", "ce01", "--vo", "nope")).errors, /^VO nope is not configured/);
    const away = commandsOn({ ...cli.env, NATS_URL: "nats://127.0.0.1:1" });
    const changed = await away.run("ce", "change", "ce01", "--vo", "atlas");
    t.is(changed.code, 0, "NATS is not needed for it");
    t.regex(changed.errors, /^Cannot keep in AUDIT that ce\.change of ce01 was done: .*; the change itself holds$/m);
    t.regex(changed.errors, /^Cannot tell whether these VOs are configured: atlas: Cannot connect to NATS/m);
  },
);

test.serial("a pause is listed with its reason, with who made it and when, and without coming times", async (t) => {
  const cli = await openCli();
  await muster.addVo("paused");
  const task = "MyCheckPilotsTask";
  await cli.json("schedule", "pause", task, "--vo", "paused", "--reason", "disk\u001b[31m change");
  const { output } = await cli.run("schedule", "list", "--vo", "paused");
  t.regex(output, /^MyCheckPilotsTask .* paused .* - +since [-0-9T:.]+Z by \S+@\S+: disk\\x1b\[31m change$/m);
  t.regex(output, /^MySubmitPilotsTask .* on, no leader .* -$/m);

  // A pause of the whole task holds each VO. A pause that a script wrote without a note counts too.
  const pauseOf = async (tasks: typeof pilotTasks) => {
    const configuration = await readConfiguration(muster.broker);
    const rows = await scheduleTable(muster.broker, { tasks, configuration });
    return rows.find((row) => row.task === "MySubmitPilotsTask" && row.vo === "paused");
  };
  t.like(await pauseOf(pilotTasks), { state: "on", pause: null });
  await pauseSchedule(muster.broker, { task: "MySubmitPilotsTask" }, { reason: "all of it" });
  t.like(await pauseOf(pilotTasks), { state: "paused", pause: { reason: "all of it" }, next: [] });
  await muster.broker.buckets.schedules.put("pause.MySubmitPilotsTask", "no JSON");
  t.like(await pauseOf(pilotTasks), { state: "paused", pause: {}, next: [] });
});

test.serial(
  "a change of a schedule names what is in force then, which may be an override of the task and not the definition",
  async (t) => {
    const cli = await openCli();
    const change = async (...args: string[]) => (await cli.run("schedule", ...args, "--vo", "lhcb")).output;
    const task = "MySubmitPilotsTask";
    await changeConfiguration(muster.broker, (now) => withSchedule(now, { task }, "every 20s"));
    t.is(await change("set", task, "every", "10s"), `${task} of lhcb: every 10s\n`);
    t.is(await change("reset", task), `${task} of lhcb: every 20s\n`);
    await changeConfiguration(muster.broker, (now) => withScheduleSwitched(now, { task }, "off"));
    t.is(await change("reset", task), `${task} of lhcb: switched off\n`);
    t.like(await cli.json("schedule", "enable", task, "--vo", "lhcb"), {
      schedule: null,
      inForce: [{ vo: "lhcb", schedule: "every 20s" }],
    });
  },
);

test.serial(
  "a VO whose name differs from another one's by case only is added, and told apart on standard error",
  async (t) => {
    const cli = await openCli();
    const added = await cli.run("vo", "add", "LHCb", "--json");
    t.deepEqual(
      [added.code, added.errors],
      [0, "VO LHCb is another one than lhcb: names of VOs are told apart by case\n"],
    );
    t.notThrows(() => JSON.parse(added.output));
  },
);
