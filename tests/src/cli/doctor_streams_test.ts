import { startTestServer } from "@muster/logic/testing";
import { nanos } from "@nats-io/transport-node";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("the doctor names what was changed by hand in a stream: what it is now, and when it was set back", async (t) => {
  await using muster = await startMuster();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  await muster.broker.jsm.streams.update("TASKS", { max_age: nanos(500_000) });
  const found = await cli.run("doctor");
  t.is(found.code, 1);
  t.regex(
    found.output,
    /^BAD +settings: TASKS has max_age 500s and Muster needs 0s: .*; any app that runs sets it back$/m,
  );
  // The doctor opens a broker as any app does, so it was set back.
  const after = await cli.run("doctor");
  t.regex(after.output, /^ok +settings: /m);
  t.regex(after.output, /^WARN +incidents: TASKS has max_age 500s .*it was set back \(at 20.*Z\)$/m);
});

test("the doctor names what was changed by hand in a lane's consumer while no scheduler leads", async (t) => {
  await using muster = await startMuster();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  await muster.declareConsumer("MyPilotTask", "lhcb", 1_000);
  const { output } = await cli.run("doctor");
  t.regex(
    output,
    /^BAD +settings: consumer MyPilotTask__lhcb has ack_wait 1s and Muster needs 20s: .*; the leading scheduler sets it back$/m,
  );
});
