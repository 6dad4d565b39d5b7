import { startTestServer } from "@muster/logic/testing";
import { nanos } from "@nats-io/transport-node";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { breakStream, startTestNats } from "../support/nats.ts";
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
    /^BAD +settings: TASKS has max_age 500s and Muster needs none: .*; any running app sets it back$/m,
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

/** An account that may store 2 MB, for everybody who comes. */
const SMALL_ACCOUNT = `
accounts { SITE { jetstream: { max_memory: 1MB, max_file: 2MB }, users: [{ user: "site", password: "site" }] } }
no_auth_user: "site"
`;

test("the doctor warns from 80 % of the account's storage on, and names the VO whose waiting tasks take most of it; it is bad at the limit, and who cannot show himself then is not told as missing", async (t) => {
  await using nats = await startTestNats({ config: SMALL_ACCOUNT });
  await using muster = await startMuster({ nats });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  const store = (bytes = 100_000) =>
    muster.broker.requests.store({ subject: "tasks.Unknown.lhcb", body: "x".repeat(bytes) });
  t.regex((await cli.run("doctor")).output, /^ok +storage: takes messages; .* are stored$/m);
  for (let count = 0; count < 17; count++) await store();
  t.regex(
    (await cli.run("doctor")).output,
    /^WARN +storage: the account's storage is 8\d % used, .* of 2.* MB; 17 tasks of VO lhcb that wait take most of it, about 1\.7 MB; delete/m,
  );
  // Until there is no room for the smallest message either.
  for (const bytes of [100_000, 10_000, 1_000, 100, 1]) {
    await t.throwsAsync(async () => {
      for (;;) await store(bytes);
    });
  }
  const { output } = await cli.run("doctor");
  t.regex(output, /^(WARN|BAD ) +storage: the account's storage is (9\d|100) % used/m);
  const follow = (what: string, bucket: string) =>
    new RegExp(`^WARN +${what} cannot be told while bucket ${bucket} takes no messages; see storage$`, "m");
  t.regex(output, follow("scheduler: which scheduler leads what", "locks"));
  t.regex(output, follow("workers: which workers run, and what none of them knows,", "workers"));
  t.notRegex(output, /none leads|none for|no running/);
});

test("while the workers' records cannot be written the doctor does not say that there are none, and says that no scheduler leads", async (t) => {
  await using nats = await startTestNats();
  await using muster = await startMuster({ nats });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  t.regex((await cli.run("doctor")).output, /^BAD +workers: none for MyPilotTask; start one$/m);
  await breakStream(nats, muster.broker.nc, { stream: "KV_workers", subject: "$KV.workers.somebody" });
  const { output } = await cli.run("doctor");
  t.regex(output, /^BAD +storage: KV_workers cannot be written/m);
  t.notRegex(output, /workers: none for/);
  t.regex(output, /^WARN +workers: .* cannot be told while bucket workers takes no messages; see storage$/m);
  t.regex(output, /^BAD +scheduler: none leads/m);
});

test("the doctor says which stream keeps a write error, and what to do", async (t) => {
  await using nats = await startTestNats();
  await using muster = await startMuster({ nats });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  await breakStream(nats, muster.broker.nc, { stream: "DEAD", subject: "dead.Unknown.lhcb" });
  const { code, output } = await cli.run("doctor");
  t.is(code, 1);
  t.regex(output, /^BAD +storage: DEAD cannot be written: .*restart nats-server/m);
});
