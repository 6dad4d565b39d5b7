import { migrate, openDatabase } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import { runSql } from "@muster/ledger/testing";
import { startTestServer } from "@muster/logic/testing";
import { connectNats } from "@muster/tasks";
import test from "ava";
import { commandsOn } from "../cli/run_muster.ts";
import { breakStream, startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { type AppProcess, startApp } from "./app_process.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

interface Reason {
  readonly check: string;
  readonly reason: string;
}

/** The reason of one check, once it is red. */
async function red(app: AppProcess, check: string): Promise<string> {
  const look = async () => {
    const { reasons } = JSON.parse((await app.get("/readyz")).text) as { reasons: readonly Reason[] };
    return reasons.find((reason) => reason.check === check)?.reason;
  };
  return await until(look, `${check} to be red`);
}

async function green(app: AppProcess): Promise<void> {
  await until(async () => ((await app.get("/readyz")).status === 200 ? true : undefined), "readiness");
}

for (const name of ["report-worker", "scheduler"]) {
  test(`${name} is unready while TASKS keeps a write error, and while the schema is gone, says what to do, and is ready again by itself`, async (t) => {
    await using nats = await startTestNats();
    const databaseUrl = await server.createUrl();
    await using database = await openDatabase({ url: databaseUrl, tables: [pilotTables] });
    await using app = await startApp(name, { natsUrl: nats.url, databaseUrl });
    await green(app);

    await runSql(database, "drop schema public cascade");
    await runSql(database, "create schema public");
    t.regex(
      await red(app, "database"),
      /its schema lacks ledger\/0001_tables.*pilots\/0001_tables.*; run `muster migrate`/,
    );
    await migrate(databaseUrl, { tables: [pilotTables] });
    await green(app);

    const nc = await connectNats({ url: nats.url, name: "readiness test" });
    await breakStream(nats, nc, { stream: "TASKS", subject: "tasks.Unknown.lhcb" });
    await nc.close();
    t.regex(await red(app, "storage"), /TASKS cannot be written: .*restart nats-server/);
    t.is((await app.get("/healthz")).status, 200, "a restart of the app would not help");
    const cli = commandsOn({ NATS_URL: nats.url, DATABASE_URL: databaseUrl });
    t.regex((await cli.run("doctor")).output, /^BAD +storage: TASKS cannot be written: .*restart nats-server/m);
    await nats.kill();
    await nats.start();
    await green(app);
    t.regex((await cli.run("doctor")).output, /^ok +storage: takes messages/m);
  });
}

test("an app whose first tries at the streams fail counts each thing once when it gets ready", async (t) => {
  await using nats = await startTestNats({ config: "jetstream: false\n" });
  const databaseUrl = await server.createUrl();
  await migrate(databaseUrl);
  await using app = await startApp("report-worker", { natsUrl: nats.url, databaseUrl });
  await red(app, "streams");
  await nats.reload("");
  await nats.stop();
  await nats.start();
  await green(app);
  const { text } = await app.get("/metrics");
  const names = Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name = ""]) => name);
  t.true(names.includes("muster_task_steps_total"), names.join(" "));
  t.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
    "what is told twice",
  );
});
