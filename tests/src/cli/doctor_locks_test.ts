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
    /^WARN +locks: my_pilot\.ce02\.example\.org was stored by hand at 20.*Z \("downtime\\u001b\[31m"\); .*: muster lock release 'my_pilot\.ce02\.example\.org'$/m,
  );
});

test("the doctor names each entry of the locks on a subject that is a pattern, and no other for it, with the command that deletes it", async (t) => {
  await using muster = await startMuster();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  await muster.hold("my_pilot.ce01.example.org");
  const { js } = muster.broker;
  const patterns = ["my_pilot.*", "*", ">"];
  for (const key of patterns) await js.publish(`$KV.locks.${key}`, "mine");
  await muster.hold("my_pilot.ce02.example.org");
  const { output } = await cli.run("doctor");
  const told = output.split("\n").filter((line) => /^\S+ +locks: /.test(line));
  t.is(told.length, 3, told.join("\n"));
  for (const [index, key] of ["my_pilot\\.\\*", "\\*", ">"].entries()) {
    const way = `delete it: muster lock release '${key}'`;
    t.regex(told[index] ?? "", new RegExp(`^WARN +locks: ${key} was stored by hand at .*no lock's key.*; ${way}$`));
  }
  for (const key of patterns) t.is((await cli.run("lock", "release", key)).code, 0);
  t.regex((await cli.run("doctor")).output, /^ok +locks: none was stored by hand$/m);
});

test("what somebody has stored among the workers' records is named with the command that deletes it, and counts for no worker", async (t) => {
  await using muster = await startMuster();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  const forged = { name: "forged", host: "h", pid: 1, startedAt: "2026-01-01", tasks: ["MyPilotTask"], permits: 1 };
  await muster.broker.buckets.workers.put("forged", JSON.stringify(forged));
  await muster.broker.buckets.workers.put("note", "maintenance");
  const { seq } = await muster.broker.js.publish("$KV.workers.*", "a pattern");
  const { output } = await cli.run("doctor");
  t.regex(output, /^BAD +workers: none for MyPilotTask; start one$/m);
  t.regex(
    output,
    /^WARN +workers: forged of bucket workers was .*tells of no worker; delete it: nats kv del workers 'forged'$/m,
  );
  t.regex(output, /^WARN +workers: note of .*\("maintenance"\), .*: nats kv del workers 'note'$/m);
  t.regex(output, new RegExp(`^WARN +workers: \\* of .*: nats stream rmm KV_workers ${seq}$`, "m"));
});
