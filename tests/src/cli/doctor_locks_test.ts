import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("the doctor names a lock that somebody has stored by hand, with the command that frees it", async (t) => {
  await using muster = await startMuster();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  await muster.hold("my_pilot.ce01.example.org");
  t.regex((await cli.run("doctor")).output, /^ok +locks: none was stored by hand$/m);
  await muster.broker.buckets.locks.put("my_pilot.ce02.example.org", "downtime\u001b[31m");
  t.regex(
    (await cli.run("doctor")).output,
    /^WARN +locks: my_pilot\.ce02\.example\.org was stored by hand at 20.*Z \("downtime\\u001b\[31m"\); .*: nats kv del locks 'my_pilot\.ce02\.example\.org'$/m,
  );
});
