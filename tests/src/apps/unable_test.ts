import { migrate } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { commandsOn } from "../cli/run_muster.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { type AppProcess, startApp } from "./app_process.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

interface Reason {
  readonly check: string;
  readonly reason: string;
}

/** Resolves once a check is red for this reason. */
async function untilRed(app: AppProcess, check: string, wanted: RegExp): Promise<void> {
  await until(async () => {
    const { reasons } = JSON.parse((await app.get("/readyz")).text) as { reasons: readonly Reason[] };
    return reasons.some((each) => each.check === check && wanted.test(each.reason)) ? true : undefined;
  }, `${check} to be red: ${wanted}`);
}

async function isGreen(app: AppProcess): Promise<void> {
  await until(async () => ((await app.get("/readyz")).status === 200 ? true : undefined), "readiness");
}

/** An account with limits, for everybody who comes. */
const account = (limits: string) => `
accounts { SITE { jetstream: { max_memory: 10MB, ${limits} }, users: [{ user: "site", password: "site" }] } }
no_auth_user: "site"
`;

async function startSite(nats: TestNats, vos: readonly string[] = ["lhcb"]) {
  const databaseUrl = await server.createUrl();
  await migrate(databaseUrl, { tables: [pilotTables] });
  const muster = await startMuster({ nats, vos });
  const cli = commandsOn({ NATS_URL: nats.url, DATABASE_URL: databaseUrl });
  return {
    muster,
    cli,
    start: (app: string) => startApp(app, { natsUrl: nats.url, databaseUrl }),
    /** The doctor's words, once they match. */
    doctorSays: (pattern: RegExp) =>
      until(async () => {
        const { output } = await cli.run("doctor");
        return pattern.test(output) ? output : undefined;
      }, `the doctor to say ${pattern}`),
    [Symbol.asyncDispose]: () => muster[Symbol.asyncDispose](),
  };
}

test("a worker whose consumer JetStream refuses is red, no other app is, the doctor names worker and limit, and all is well once there is room", async (t) => {
  const most = 6;
  await using nats = await startTestNats({ config: account(`max_file: 100MB, max_consumers: ${most}`) });
  await using site = await startSite(nats);
  const { jsm, js } = site.muster.broker;
  await using scheduler = await site.start("scheduler");
  await isGreen(scheduler);
  for (let count = 0; count < most; count++) {
    const filter = { durable_name: `stranger_${count}`, filter_subjects: [`tasks.Stranger${count}.lhcb`] };
    await jsm.consumers.add("TASKS", { ...filter, ack_policy: "explicit" });
  }
  await using worker = await site.start("check-worker");
  await isGreen(worker);
  await js.publish("tasks.MyCheckPilotsTask.lhcb", "{}");
  const reason =
    /cannot create consumer MyCheckPilotsTask__lhcb, so these tasks reach nobody; JetStream says: maximum consumers limit reached; raise max_consumers of the account, or delete/;
  await untilRed(worker, "worker", reason);
  t.is((await worker.get("/healthz")).status, 200, "a restart would not help");
  t.is((await scheduler.get("/readyz")).status, 200, "it does all of its work");
  const told = await site.doctorSays(new RegExp(`^BAD +workers: check-worker-\\S+: ${reason.source}`, "m"));
  t.regex(told, /^BAD +storage: max_consumers of TASKS is 100 % used, 6 of 6 consumers; delete what/m);

  await jsm.consumers.delete("TASKS", "stranger_0");
  await jsm.consumers.delete("TASKS", "stranger_1");
  await isGreen(worker);
  const after = await site.doctorSays(/^(?!.*BAD +workers: check-worker)/s);
  t.notRegex(after, /^BAD +storage/m);
});

test("at the account's storage limit worker and scheduler are red and alive, the doctor says what to do, and both are well once there is room", async (t) => {
  await using nats = await startTestNats({ config: account("max_file: 2MB") });
  await using site = await startSite(nats);
  await using worker = await site.start("check-worker");
  await using scheduler = await site.start("scheduler");
  const apps = { worker, scheduler };
  await Promise.all(Object.values(apps).map(isGreen));
  const { requests, jsm } = site.muster.broker;
  // Until there is no room for the smallest message either.
  for (const bytes of [100_000, 10_000, 1_000, 100, 1]) {
    await t.throwsAsync(async () => {
      for (;;) await requests.store({ subject: "dead.Unknown.lhcb", body: "x".repeat(bytes) });
    });
  }
  for (const app of Object.values(apps)) {
    await untilRed(app, "storage", /the account's limit is reached .*; delete what is not needed, or raise/);
    t.is((await app.get("/healthz")).status, 200, "a restart would not help");
  }
  const { code, output } = await site.cli.run("doctor");
  t.is(code, 1);
  t.regex(output, /^BAD +storage: Cannot store a message in \S+: the account's limit is reached/m);
  await jsm.streams.purge("DEAD");
  await Promise.all(Object.values(apps).map(isGreen));
  await site.doctorSays(/^ok +storage: takes messages/m);
});

test("without a configuration that was ever valid a worker of VOs' tasks is red as the scheduler is, and green once one is there", async (t) => {
  await using nats = await startTestNats();
  await using site = await startSite(nats, []);
  const { broker } = site.muster;
  await broker.jsm.streams.purge("KV_config");
  await broker.buckets.config.put("current", "garbage");
  await using worker = await site.start("check-worker");
  await using scheduler = await site.start("scheduler");
  const reason = /Key current of bucket config, revision \d+, cannot be used: .*"garbage"/;
  await untilRed(worker, "worker", reason);
  await untilRed(scheduler, "scheduler", reason);
  t.regex((await site.cli.run("doctor")).output, new RegExp(`^BAD +configuration: ${reason.source}`, "m"));
  t.is((await site.cli.run("vo", "add", "lhcb", "--begin-anew")).code, 0);
  await Promise.all([worker, scheduler].map(isGreen));
  t.regex((await site.cli.run("doctor")).output, /^ok +configuration: revision \d+ is in force, with 1 VO$/m);

  // With an older one in force they do all of their work.
  await broker.buckets.config.put("current", "garbage again");
  await site.doctorSays(/^BAD +configuration: .*"garbage again"/m);
  await worker.line(/garbage again/);
  for (const app of [worker, scheduler]) t.is((await app.get("/readyz")).status, 200);
});
