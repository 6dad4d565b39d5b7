import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

const muster = await startMuster({ vos: ["lhcb", "atlas"] });
const cli = commandsOn({ NATS_URL: muster.nats.url });
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
});

interface Row {
  readonly vo: string;
  readonly instance: string;
  readonly schedule: string;
  readonly state: string;
  readonly next: readonly string[];
  readonly local: readonly string[];
}

const rowsOf = async (...args: string[]) => (await cli.json("schedule", ...args)) as Row[];
const CERN = '{"ceRegex":".*\\\\.cern\\\\.ch"}';

test.serial(
  "an instance is added for one VO with its payload, listed, changed, switched, paused, and taken away",
  async (t) => {
    const name = ["MySubmitPilotsTask", "--instance", "SubmitPilotsCERN"];
    const added = await cli.run(
      "schedule",
      "set",
      "MySubmitPilotsTask",
      "every 2h",
      "--instance",
      "SubmitPilotsCERN",
      "--payload",
      CERN,
      "--vo",
      "lhcb",
    );
    t.is(added.output, "MySubmitPilotsTask of lhcb, instance SubmitPilotsCERN: every 2h\n", added.errors);
    const { current } = { current: await muster.broker.buckets.config.get("current") };
    const { tasks } = current?.json<{ tasks: Record<string, { instances: unknown }> }>() ?? t.fail();
    t.deepEqual(tasks["MySubmitPilotsTask"]?.instances, {
      SubmitPilotsCERN: {
        schedule: "every 2h",
        payload: { ceRegex: ".*\\.cern\\.ch" },
        payloadVersion: 1,
        vos: ["lhcb"],
      },
    });
    const listed = await rowsOf("list", "--task", "MySubmitPilotsTask", "--instance", "SubmitPilotsCERN");
    t.deepEqual(
      listed.map(({ vo, schedule, state }) => [vo, schedule, state]),
      [["lhcb", "every 2h", "on"]],
    );

    // Another schedule leaves payload and VOs as they are, and a wrong payload changes nothing.
    t.like(await cli.json("schedule", "set", name[0] ?? "", "rrule FREQ=HOURLY;INTERVAL=3", ...name.slice(1)), {
      schedule: "rrule FREQ=HOURLY;INTERVAL=3 UTC",
      inForce: [{ vo: "lhcb", instance: "SubmitPilotsCERN" }],
    });
    const wrong = await cli.run(
      "schedule",
      "set",
      name[0] ?? "",
      "every 9h",
      ...name.slice(1),
      "--payload",
      '{"ceRegexp":"x"}',
    );
    t.is(wrong.code, 2);
    t.regex(wrong.errors, /instance "SubmitPilotsCERN" of MySubmitPilotsTask: .*"ceRegexp"/);

    t.like(await cli.json("schedule", "disable", ...name), { enabled: false, inForce: [{ schedule: "off" }] });
    t.like(await cli.json("schedule", "enable", ...name), { enabled: true });
    await cli.json("schedule", "pause", ...name, "--vo", "lhcb", "--reason", "CE is down");
    t.like((await rowsOf("list", "--instance", "SubmitPilotsCERN"))[0], { state: "paused", next: [] });
    t.like(await cli.json("schedule", "resume", ...name, "--vo", "lhcb"), { wasPaused: true });
    const unknown = await cli.run("schedule", "disable", "MySubmitPilotsTask", "--instance", "nobody");
    t.is(unknown.code, 1);
    t.regex(unknown.errors, /MySubmitPilotsTask has no instance "nobody"; there are default, SubmitPilotsCERN/);
    const taken = await cli.run("schedule", "reset", ...name);
    t.is(taken.output, "MySubmitPilotsTask has no instance SubmitPilotsCERN in force\n");
    t.deepEqual(await rowsOf("list", "--instance", "SubmitPilotsCERN"), []);
  },
);

test.serial(
  "next shows the times of what is in force and of a rule that is typed in, from an instant, on a zone's clock",
  async (t) => {
    const typed = ["--from", "2027-03-27T00:00:00Z", "--zone", "Europe/Zurich", "--times", "3"];
    const { output } = await cli.run("schedule", "next", "--rule", "rrule FREQ=DAILY;BYHOUR=2;BYMINUTE=30", ...typed);
    t.deepEqual(output.split("\n").slice(0, 3), [
      "2027-03-27T01:30:00.000Z  2027-03-27T02:30:00+01:00[Europe/Zurich]",
      "2027-03-28T01:30:00.000Z  2027-03-28T03:30:00+02:00[Europe/Zurich]",
      "2027-03-29T00:30:00.000Z  2027-03-29T02:30:00+02:00[Europe/Zurich]",
    ]);
    const ended = await cli.run(
      "schedule",
      "next",
      "--rule",
      "rrule FREQ=DAILY;COUNT=1 from 2027-03-27T06:00",
      ...typed,
    );
    t.regex(ended.output, /^2027-03-27T05:00:00.000Z .*\nNo time of rrule FREQ=DAILY;COUNT=1 .* comes after that\n$/);
    await cli.json("schedule", "set", "MyPilotReportTask", "rrule FREQ=DAILY;BYHOUR=2;BYMINUTE=30 Europe/Zurich");
    const [report] = await rowsOf("next", "MyPilotReportTask", "--from", "2027-03-28T00:00:00Z", "--times", "1");
    t.deepEqual(report?.next, ["2027-03-28T01:30:00.000Z"]);
    t.deepEqual(report?.local, ["2027-03-28T03:30:00+02:00[Europe/Zurich]"]);
    const [first = "", second = ""] = (await rowsOf("next", "MyCheckPilotsTask", "--vo", "lhcb"))[0]?.next ?? [];
    t.is(Date.parse(second) - Date.parse(first), 30_000);
    await cli.json("schedule", "reset", "MyPilotReportTask");
  },
);

test.serial(
  "trigger publishes one task with the schedule's payload, under an id of its own, and says what waits before it",
  async (t) => {
    await cli.json("schedule", "set", "MySubmitPilotsTask", "every 2h", "--instance", "cern", "--payload", CERN);
    const trigger = ["schedule", "trigger", "MySubmitPilotsTask", "--vo", "lhcb", "--instance", "cern"];
    const first = (await cli.json(...trigger)) as { taskId: string; waiting: number };
    t.like(first, { waiting: 0, state: "on", instance: "cern" });
    t.regex(first.taskId, /^MySubmitPilotsTask\/lhcb\/cern\/trigger-/);
    const stored = await muster.broker.jsm.streams.getMessage("TASKS", {
      last_by_subj: "tasks.MySubmitPilotsTask.lhcb",
    });
    t.deepEqual(stored?.json(), { ceRegex: ".*\\.cern\\.ch" });
    t.is(stored?.header.get("Task-Id"), first.taskId);

    await cli.json("schedule", "disable", "MySubmitPilotsTask", "--instance", "cern");
    const again = (await cli.run(...trigger)).output;
    t.regex(again, /^triggered MySubmitPilotsTask of lhcb, instance cern, as MySubmitPilotsTask\/lhcb\/cern\/trigger-/);
    t.regex(
      again,
      /; 1 task of MySubmitPilotsTask of lhcb still waits or runs before it; its schedule is switched off, and this one runs all the same\n$/,
    );
    const { state } = await muster.broker.jsm.streams.info("TASKS", {
      subjects_filter: "tasks.MySubmitPilotsTask.lhcb",
    });
    t.deepEqual(state.subjects, { "tasks.MySubmitPilotsTask.lhcb": 2 });
    const unknown = await cli.run("schedule", "trigger", "MySubmitPilotsTask", "--vo", "lhcb", "--instance", "nobody");
    t.is(unknown.code, 1);
    t.regex(unknown.errors, /MySubmitPilotsTask of lhcb has no schedule instance "nobody"; there are default, cern/);
    t.regex(
      (await cli.run("schedule", "trigger", "MyPilotReportTask")).output,
      /^triggered MyPilotReportTask as MyPilotReportTask\/_\/default\/trigger-/,
    );
  },
);
