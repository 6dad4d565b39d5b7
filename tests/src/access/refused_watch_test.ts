import { migrate } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import { startTestServer } from "@muster/logic/testing";
import { connectNats, openBroker } from "@muster/tasks";
import test from "ava";
import { type AppProcess, startApp } from "../apps/app_process.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** `ours` may do everything but publish to `denied`. Who does not log in is `ops`. */
const users = (...denied: string[]) => `authorization { users: [
    { user: "ops", password: "x" }
    { user: "ours", password: "x", permissions: { publish: { deny: ${JSON.stringify(["none", ...denied])} } } }
  ] }
  no_auth_user: "ops"\n`;

async function startSite(nats: TestNats) {
  const databaseUrl = await server.createUrl();
  await migrate(databaseUrl, { tables: [pilotTables] });
  const muster = await startMuster({ nats, vos: ["lhcb"] });
  const more = { NATS_USER: "ours", NATS_PASSWORD: "x" };
  return {
    muster,
    start: (app: string) => startApp(app, { natsUrl: nats.url, databaseUrl, more }),
    [Symbol.asyncDispose]: () => muster[Symbol.asyncDispose](),
  };
}

interface Reason {
  readonly check: string;
  readonly reason: string;
}

/** The reason why a check is red, once it matches. */
async function red(app: AppProcess, check: string, wanted: RegExp): Promise<string> {
  return await until(async () => {
    const { reasons } = JSON.parse((await app.get("/readyz")).text) as { reasons: readonly Reason[] };
    return reasons.find((each) => each.check === check && wanted.test(each.reason))?.reason;
  }, `${check} to be red: ${wanted}`);
}

async function green(app: AppProcess): Promise<void> {
  await until(async () => ((await app.get("/readyz")).status === 200 ? true : undefined), "readiness");
}

for (const [app, check, bucket, what] of [
  ["scheduler", "scheduler", "config", "the configuration, current in bucket config"],
  ["check-worker", "worker", "schedules", "the pauses of tasks and VOs, queue.> in bucket schedules"],
] as const) {
  test(`${app} that may not watch bucket ${bucket} when it starts says which right it lacks, is red and alive, and starts once it has it`, async (t) => {
    await using nats = await startTestNats({ config: users() });
    await using site = await startSite(nats);
    await nats.reload(users(`$JS.API.CONSUMER.CREATE.KV_${bucket}.>`));
    await using process = await site.start(app);
    const reason = await red(process, check, /Cannot follow/);
    t.is(
      reason,
      `Cannot follow ${what}: Cannot publish to $JS.API.CONSUMER.CREATE.KV_${bucket}.>: the NATS user of this process, user "ours" (NATS_USER), lacks the permission to publish there; ask for it`,
    );
    t.is((await process.get("/healthz")).status, 200);
    // At least one more try has failed, and the log is not filled with it.
    await process.line(/cannot start the .* yet; trying again/);
    t.is(process.lines.filter((line) => line.includes('"Cannot publish to $JS.API.CONSUMER.CREATE')).length, 1);
    await nats.reload(users());
    await green(process);
  });
}

test("a worker that may not watch the locks is red before any task waits for one, and green once it may", async (t) => {
  await using nats = await startTestNats({ config: users() });
  await using site = await startSite(nats);
  await nats.reload(users("$JS.API.CONSUMER.CREATE.KV_locks.>"));
  await using worker = await site.start("check-worker");
  const reason = await red(worker, "worker", /KV_locks/);
  t.regex(
    reason,
    /^Cannot publish to \$JS\.API\.CONSUMER\.CREATE\.KV_locks\.>: the NATS user .* "ours" .*lacks the permission/,
  );
  await nats.reload(users());
  await green(worker);
});

test("an app whose bucket is missing and that may not create it says so, and starts once somebody has made it", async (t) => {
  await using nats = await startTestNats({ config: users() });
  await using site = await startSite(nats);
  await nats.reload(users("$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>"));
  await site.muster.broker.jsm.streams.delete("KV_config");
  await using scheduler = await site.start("scheduler");
  t.regex(
    await red(scheduler, "streams", /KV_config/),
    /^Cannot use KV_config: it does not exist, and the NATS user of this process may not create it; start a scheduler/,
  );
  const nc = await connectNats({ url: nats.url, name: "operator" });
  await openBroker(nc);
  await nc.close();
  await green(scheduler);
});
