import { startTestServer } from "@muster/logic/testing";
import { atLeastOnceFactory, connectNats, every, openBroker, startScheduler } from "@muster/tasks";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

test("the doctor and the list of schedules name what no running scheduler leads, while one of another application runs", async (t) => {
  await using server = await startTestServer();
  await using muster = await startMuster({ vos: ["lhcb"] });
  const NATS_URL = muster.nats.url;
  const cli = commandsOn({ NATS_URL, DATABASE_URL: await server.createUrl() });
  const CliTickTask = atLeastOnceFactory()({
    name: "CliTickTask",
    per: "vo",
    schedule: every({ seconds: 1 }),
    execute() {},
  });
  const nc = await connectNats({ url: NATS_URL, name: "a stranger" });
  const fired = muster.broker.nc.subscribe("wake.CliTickTask.lhcb", { max: 1 });
  const stranger = await startScheduler({
    ...{ broker: await openBroker(nc), nats: { url: NATS_URL }, app: "stranger", tasks: [CliTickTask] },
  });
  for await (const _occurrence of fired) break;
  const beside = (await cli.run("doctor")).output;
  t.regex(beside, /^ok +scheduler: stranger-\S+ leads CliTickTask$/m);
  t.regex(beside, /^BAD +scheduler: no running one leads MyCheckPilotsTask: its schedules do not fire; start/m);
  t.like(await cli.json("schedule", "list", "--task", "MyPilotReportTask"), [{ leader: null }]);
  const all = (await cli.run("schedule", "list")).output;
  t.regex(all, /\nSchedules of other applications' tasks are not listed: CliTickTask; MUSTER_EXTENSIONS adds them\n$/);
  await stranger.stop();
  await nc.close();
  t.regex(
    (await cli.run("doctor")).output,
    /^BAD +scheduler: no running one leads CliTickTask: its \d+ schedules? do/m,
  );
});
