import { openDatabase } from "@muster/ledger";
import { addCe } from "@muster/logic";
import { outcome } from "@muster/ledger/testing";
import { startTestServer } from "@muster/logic/testing";
import { atLeastOnceFactory } from "@muster/tasks";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("a broken configuration is told by doctor and the lists with key, field and way out, and the next command mends it", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  t.regex((await cli.run("doctor")).output, /^ok +configuration: revision 1 is in force, with 1 VO$/m);
  const { config } = muster.broker.buckets;
  const before = JSON.parse((await config.get("current"))?.string() ?? "");
  await config.put("current", JSON.stringify({ ...before, tasks: { MyCheckPilotsTask: { schedule: "evry 5s" } } }));

  const told =
    /^Key current of bucket config, revision 3, cannot be used: tasks\.MyCheckPilotsTask\.schedule: .*"evry 5s".*; revision 1 stays in force; any `muster vo`/m;
  const list = await cli.run("vo", "list", "--json");
  t.like(JSON.parse(list.output), [{ vo: "lhcb" }]);
  t.regex(list.errors, told);
  const schedules = await cli.run("schedule", "list", "--task", "MyCheckPilotsTask", "--json");
  t.like(JSON.parse(schedules.output), [{ vo: "lhcb", schedule: "every 30s" }]);
  t.regex(schedules.errors, told);
  t.regex((await cli.run("doctor")).output, /^BAD +configuration: Key current of bucket config, revision 3, cannot/m);

  const added = await cli.run("vo", "add", "dune");
  t.is(added.code, 0, added.errors);
  t.regex(added.errors, /The change goes on from revision 1: .*evry 5s.*It was replaced by revision 4/);
  const after = await cli.run("vo", "list");
  t.regex(after.output, /dune.*lhcb/s);
  t.is(after.errors, "");

  await muster.startWorker({ tasks: [atLeastOnceFactory()({ name: "IdleTask", per: "vo", execute() {} })] });
  const garbage = await config.put("current", "garbage");
  const kept = () => muster.results("incident.configuration.");
  await until(async () => ((await kept()).length > 0 ? true : undefined), "an incident");
  t.notRegex((await cli.run("doctor")).output, /incidents:.*garbage/, "it lasts, and is told as it is");
  t.is((await cli.run("vo", "remove", "dune")).code, 0);
  t.regex(
    (await cli.run("doctor")).output,
    new RegExp(`^WARN +incidents: Key current of bucket config, revision ${garbage}, .*"garbage"`, "m"),
  );

  const misspelt = { ...JSON.parse((await config.get("current"))?.string() ?? ""), vso: {} };
  await config.put("current", JSON.stringify(misspelt));
  t.regex(
    (await cli.run("doctor")).output,
    /^WARN +configuration: .*no effect: vso; misspelt, or of a newer version$/m,
  );
});

test("where no configuration is left that was ever valid, vo add begins with one VO alone only when it is told to", async (t) => {
  await using muster = await startMuster({ vos: [] });
  const { broker } = muster;
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  await broker.jsm.streams.purge("KV_config");
  await broker.buckets.config.put("current", "garbage");
  const refused = await cli.run("vo", "add", "lhcb");
  t.like(refused, { code: 1, output: "" });
  t.regex(
    refused.errors,
    /^Cannot change the configuration: .*"garbage"; .*`nats kv put config current`, or .*--begin-anew`$/m,
  );
  t.is((await broker.buckets.config.get("current"))?.string(), "garbage");
  const begun = await cli.run("vo", "add", "lhcb", "--begin-anew");
  t.is(begun.code, 0, begun.errors);
  t.regex(begun.errors, /The change goes on from an empty one: .*"garbage".*It was replaced by revision/);
  t.like(await cli.json("vo", "list"), [{ vo: "lhcb" }]);
});

test("with no VO configured the doctor names those that the database has heard of, and on a new system says to add one", async (t) => {
  await using muster = await startMuster({ vos: [] });
  const url = await server.createUrl();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: url });
  t.regex(
    (await cli.run("doctor")).output,
    /^WARN +configuration: no VO is configured yet; add one with `muster vo add`$/m,
  );
  await using database = await openDatabase({ url });
  await database.transaction((transaction) => addCe(transaction, { name: "ce01", capacity: 1, successRate: 1 }));
  await database.ledger.record(outcome("a", { vo: "lhcb" }));
  await database.ledger.record(outcome("b", { vo: "cms" }));
  const { code, output } = await cli.run("doctor");
  t.is(code, 1);
  t.regex(
    output,
    /^BAD +configuration: no VO is configured, and the database has pilots or outcomes of cms, lhcb: .*lost; add/m,
  );
});
