import { startTestServer } from "@muster/logic/testing";
import { atLeastOnceFactory } from "@muster/tasks";
import type { UnknownTask, Waiting } from "@muster/tasks/operate";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
const muster = await startMuster({ vos: ["lhcb"] });
const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const MANY = 1_000;

interface List {
  readonly waiting: readonly Waiting[];
  readonly unknown: readonly UnknownTask[];
}

test.serial("thousands of unknown VOs and names are summed up beyond some dozens, and JSON has them all", async (t) => {
  const publish = (subject: string) => muster.broker.js.publish(subject, "{}");
  const numbers = Array.from({ length: MANY }, (_, number) => number);
  await Promise.all(
    numbers
      .flatMap((number) => [`MyPilotTask.vo${number}`, `Unknown${number}.lhcb`])
      .map((to) => publish(`tasks.${to}`)),
  );
  await publish("tasks.MyCheckPilotsTask.lhcb");

  const { output } = await cli.run("task", "list");
  t.true(output.split("\n").length < 130, output);
  t.regex(output, /WAITING .*\nMyCheckPilotsTask +lhcb +1 +0\n/, "what somebody can run comes first");
  t.regex(
    output,
    /\nand 1,951 more: 1,951 tasks of 951 VOs; all with --json\n|\nand 1,951 more: 1,951 tasks of [0-9,]+ VOs; all with --json\n/,
  );
  t.regex(output, /\nNo running worker knows MyPilotTask: 1,000 tasks of 1,000 VOs, the oldest for \w+\n/);
  t.regex(output, /\nAnd 952 more names that no running worker knows: 952 tasks of 1 VO\n$/);

  const { waiting, unknown } = (await cli.json("task", "list")) as List;
  t.is(waiting.length, 2 * MANY + 1);
  t.is(unknown.length, MANY + 2);
  t.is(unknown[0]?.vos.length, MANY);
  const doctor = await cli.run("doctor");
  t.true(doctor.output.split("\n").length < 100, doctor.output);
  t.regex(doctor.output, /\nWARN {2}tasks: and 952 more names that no running worker knows: 952 tasks of 1 VO\n/);
});

test.serial(
  "a doctor who comes just after bucket workers was deleted waits until the workers have shown themselves",
  async (t) => {
    const GreetTask = atLeastOnceFactory()({ name: "MyPilotReportTask", execute() {} });
    await using _worker = await muster.startWorker({ tasks: [GreetTask] });
    // Buckets that are made within two seconds of TASKS count as made with it.
    const { created, ts = created } = await muster.broker.jsm.streams.info("TASKS");
    await pause(Math.max(0, 2_100 - (Date.parse(ts) - Date.parse(created))));
    await muster.broker.jsm.streams.delete("KV_workers");
    await muster.broker.declareMissing();
    t.regex((await cli.run("doctor")).output, /^ok +workers: 1 worker for MyPilotReportTask$/m);
  },
);
