import test from "ava";
import { setTimeout as wait } from "node:timers/promises";
import { every } from "../calendar/schedule.ts";
import { openBroker } from "../lease/open_broker.ts";
import { withSchedule } from "../schedule/change_schedule.ts";
import { countOn, type Grid, listen, periodic, startGrid } from "../schedule/_grid_test.ts";
import { startScheduler } from "../schedule/start_scheduler.ts";
import type { Broker } from "../broker/broker.ts";
import { listIncidents } from "../broker/incidents.ts";
import { headersFrom } from "../format/headers.ts";
import { connectNats } from "../connection/connection.ts";
import { changeConfiguration } from "./change_configuration.ts";
import { activeVos, type Configuration, withoutVo, withVo } from "./configuration.ts";
import { type ConfigurationWatch, watchConfiguration } from "./configuration_watch.ts";
import { findConfiguration, readConfiguration } from "./stored_configuration.ts";

interface Process extends AsyncDisposable {
  readonly broker: Broker;
  readonly alarms: string[];
  readonly notes: string[];
}

async function connect({ url }: Grid): Promise<Process> {
  const nc = await connectNats({ url, name: "another process" });
  const [alarms, notes]: [string[], string[]] = [[], []];
  const observer = { alarm: (text: string) => void alarms.push(text), note: (text: string) => void notes.push(text) };
  const broker = await openBroker(nc, { observer: { ...observer, step() {} } });
  return { broker, alarms, notes, [Symbol.asyncDispose]: () => nc.close() };
}

/** A grid on which no process follows the configuration, with two VOs; and an operator. */
async function startQuiet() {
  const grid = await startGrid({ vos: ["lhcb", "cms"] });
  await grid.configuration[Symbol.asyncDispose]();
  return grid;
}

/** An app that starts now. */
async function startApp(grid: Grid): Promise<Process & { readonly configuration: ConfigurationWatch }> {
  const process = await connect(grid);
  const configuration = await watchConfiguration(process.broker);
  async function stop(): Promise<void> {
    await configuration[Symbol.asyncDispose]();
    await process[Symbol.asyncDispose]();
  }
  return { ...process, configuration, [Symbol.asyncDispose]: stop };
}

async function until(isSo: () => Promise<boolean> | boolean, ms = 60_000): Promise<void> {
  for (const late = AbortSignal.timeout(ms); !(await isSo()); await wait(20)) late.throwIfAborted();
}

/** For a change where no app runs that could write anything back. */
const AT_ONCE = { restoredWithinMs: 0 };

const vosOf = (configuration: Configuration) => [...activeVos(configuration)].sort().join();

test("a broken configuration counts for nobody: who runs and who starts goes by the last good one, and any command mends it", async (t) => {
  await using grid = await startQuiet();
  await using running = await startApp(grid);
  const good = running.configuration.found.revision;
  const at = new Date().toISOString();
  const broken = [
    ["garbage", /: it is no JSON: "garbage"; /],
    [JSON.stringify({ vos: { lhcb: { state: "active", changedAt: at, weight: 1e6 } } }), /: vos\.lhcb\.weight: /],
    [
      JSON.stringify({ vos: { lhcb: { state: "active", changedAt: at } }, tasks: { T: { schedule: "evry 5s" } } }),
      /: tasks\.T\.schedule: /,
    ],
  ] as const;
  for (const [value, why] of broken) {
    const revision = await grid.broker.buckets.config.put("current", value);
    await using starting = await startApp(grid);
    t.is(vosOf(starting.configuration.current), "cms,lhcb");
    const { problem } = starting.configuration.found;
    t.like(problem, { kind: "broken", revision });
    t.regex(problem?.text ?? "", why);
    t.regex(
      problem?.text ?? "",
      new RegExp(
        `^Key current of bucket config, revision ${revision}, .*revision ${good} stays in force; any .muster vo`,
      ),
    );
    t.deepEqual(starting.alarms, [problem?.text]);
    await until(() => running.alarms.includes(problem?.text ?? ""));
    t.is(vosOf(await readConfiguration(grid.broker)), "cms,lhcb");
  }
  await using operator = await connect(grid);
  const next = await changeConfiguration(operator.broker, (now) => withVo(now, "dune"));
  t.is(vosOf(next), "cms,dune,lhcb");
  t.regex(operator.alarms.join(), new RegExp(`goes on from revision ${good}: .*tasks\\.T\\.schedule`));
  await until(() => running.configuration.found.problem === undefined);
  t.is(vosOf(running.configuration.current), "cms,dune,lhcb");
  // Kept for the doctor, each once whoever met it.
  await until(async () => (await listIncidents(grid.broker)).length === broken.length);
  for (const { kind, times } of await listIncidents(grid.broker)) t.deepEqual([kind, times], ["configuration", 1]);
});

test("where there never was a good one, what is broken is said with the way out, no change begins from nothing by itself, and one that is told to does", async (t) => {
  await using grid = await startGrid({ vos: [] });
  await grid.configuration[Symbol.asyncDispose]();
  await grid.broker.jsm.streams.purge("KV_config");
  await grid.broker.buckets.config.put("current", "garbage");
  await using starting = await startApp(grid);
  t.regex(
    starting.alarms.join(),
    /no earlier one that is valid.*put the one that you have kept there .*`muster vo add <vo> --begin-anew`/,
  );
  t.is(starting.configuration.found.revision, 0);
  const shared = { broker: starting.broker, nats: { url: grid.url }, app: "test", leaderTtlMs: 3_000 };
  await using scheduler = await startScheduler({ ...shared, tasks: [periodic("Tick", every({ seconds: 1 }))] });
  t.regex(scheduler.problems().join(), /: it is no JSON: "garbage"; .*no VO is known/, "it can serve nobody");
  const add = (now: Configuration) => withVo(now, "lhcb");
  await t.throwsAsync(changeConfiguration(grid.broker, add, AT_ONCE), {
    name: "ConfigurationError",
    message: /^Cannot change the configuration: Key current of bucket config, revision .*"garbage"; .*--begin-anew`$/,
  });
  t.is((await grid.broker.buckets.config.get("current"))?.string(), "garbage");
  await changeConfiguration(grid.broker, add, { from: "nothing", ...AT_ONCE });
  await until(() => vosOf(starting.configuration.current) === "lhcb");
  await until(() => scheduler.problems().length === 0);
  await grid.broker.buckets.config.put("current", "garbage again");
  await until(() => starting.configuration.found.problem !== undefined);
  t.deepEqual(scheduler.problems(), [], "by the last good one it does all of its work");
});

test("where all of it was purged or deleted and nobody has a copy, no change begins from nothing by itself, and where somebody runs it goes on", async (t) => {
  await using grid = await startQuiet();
  const add = (now: Configuration) => withVo(now, "dune");
  {
    await using _running = await startApp(grid);
    await grid.broker.jsm.streams.purge("KV_config");
    t.is(vosOf(await changeConfiguration(grid.broker, add)), "cms,dune,lhcb");
  }
  await grid.broker.jsm.streams.purge("KV_config");
  await t.throwsAsync(changeConfiguration(grid.broker, add, AT_ONCE), {
    message: /^Cannot change the configuration: bucket config is empty .*revisions up to \d+: .*--begin-anew`$/,
  });
  await grid.broker.buckets.config.delete("current");
  await t.throwsAsync(changeConfiguration(grid.broker, add, AT_ONCE), {
    message: /: it was deleted; .*--begin-anew`$/,
  });
  t.is(vosOf(await changeConfiguration(grid.broker, add, { from: "nothing", ...AT_ONCE })), "dune");
});

for (const how of ["delete", "purge"] as const) {
  test(`a configuration that is gone by ${how} is written back by who runs, and by who starts next where nobody ran`, async (t) => {
    await using grid = await startQuiet();
    await using operator = await connect(grid);
    await grid.broker.buckets.config[how]("current");
    t.is(vosOf(await readConfiguration(operator.broker)), "cms,lhcb", "nobody runs, and the last one counts");
    const { problem } = await findConfiguration(operator.broker);
    t.regex(problem?.text ?? "", /: it was deleted; revision [0-9]+ stays in force; any app that runs writes it again/);
    {
      await using starting = await startApp(grid);
      t.is(vosOf(starting.configuration.current), "cms,lhcb");
      t.regex(starting.alarms.join(), /was deleted\. Restored the last one in force/);
      t.is((await findConfiguration(operator.broker)).problem, undefined);

      await grid.broker.buckets.config[how]("current");
      await until(async () => (await findConfiguration(operator.broker)).problem === undefined);
      t.is(vosOf(starting.configuration.current), "cms,lhcb");
    }
    await grid.broker.buckets.config[how]("current");
    await changeConfiguration(operator.broker, (now) => withVo(now, "dune"));
    t.is(vosOf(await readConfiguration(operator.broker)), "cms,dune,lhcb", "a change goes on from the last one");
  });
}

test("many broken ones in a row, and a purge after them, do not lose the last good one", async (t) => {
  await using grid = await startQuiet();
  for (let number = 0; number < 30; number++) await grid.broker.buckets.config.put("current", `garbage ${number}`);
  t.is(vosOf(await readConfiguration(grid.broker)), "cms,lhcb");
  await grid.broker.buckets.config.purge("current");
  t.is(vosOf(await readConfiguration(grid.broker)), "cms,lhcb");
});

test("where the copy of the last good one has gone too, the key's history has it", async (t) => {
  await using grid = await startQuiet();
  await grid.broker.buckets.config.purge("good");
  await grid.broker.buckets.config.put("current", "garbage");
  t.is(vosOf(await readConfiguration(grid.broker)), "cms,lhcb");
});

test("a valid one that was written by hand is kept as well", async (t) => {
  await using grid = await startQuiet();
  await using running = await startApp(grid);
  const byHand = withVo(await readConfiguration(grid.broker), "dune");
  await grid.broker.buckets.config.put("current", JSON.stringify(byHand));
  await until(async () => (await grid.broker.buckets.config.get("good"))?.string() === JSON.stringify(byHand));
  await running[Symbol.asyncDispose]();
  await grid.broker.buckets.config.purge("current");
  t.is(vosOf(await readConfiguration(grid.broker)), "cms,dune,lhcb");
});

test("one that names no VO counts only where none before it did; the last VO that is removed by a command is gone", async (t) => {
  await using grid = await startQuiet();
  await using running = await startApp(grid);
  for (const empty of ["{}", '{"vos":{},"tasks":{}}']) {
    await grid.broker.buckets.config.put("current", empty);
    await until(() => running.configuration.found.problem?.kind === "empty");
    t.is(vosOf(running.configuration.current), "cms,lhcb");
  }
  await changeConfiguration(grid.broker, (now) => withoutVo(withoutVo(now, "lhcb"), "cms"));
  await until(() => running.configuration.found.problem === undefined);
  t.is(vosOf(running.configuration.current), "");
});

test("one of a newer version is left to newer programs, and a field that only they know outlives our change", async (t) => {
  await using grid = await startQuiet();
  const now = await readConfiguration(grid.broker);
  await grid.broker.buckets.config.put("current", JSON.stringify({ ...now, version: 2 }));
  await using running = await startApp(grid);
  t.is(vosOf(running.configuration.current), "cms,lhcb");
  const change = changeConfiguration(grid.broker, (before) => withVo(before, "dune"));
  await t.throwsAsync(change, { message: /is of version 2, and this program knows version 1; .*upgrade this program/ });

  await grid.broker.buckets.config.put("current", JSON.stringify({ ...now, quotas: { all: 7 } }));
  await until(() => running.notes.some((note) => note.includes("does not know: quotas")));
  await changeConfiguration(grid.broker, (before) => withVo(before, "dune"));
  const written = JSON.parse((await grid.broker.buckets.config.get("current"))?.string() ?? "");
  t.deepEqual(written.quotas, { all: 7 });
});

test("a schedule goes on by the last good configuration, also in a scheduler that starts after it broke", async (t) => {
  await using grid = await startGrid();
  const Tick = periodic("Tick", every({ days: 40 }));
  await grid.configure((now) => withSchedule(now, { task: "Tick" }, "every 1s"));
  await grid.broker.buckets.config.put("current", '{"vos":{"lhcb":{"state":"active"}}}');
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([Tick]);
  const [one] = await heard.atLeast(1);
  t.is(one?.of, "Tick/lhcb");
  t.deepEqual(Object.keys(await countOn(grid, "markers.>")), ["markers.Tick.lhcb.default"]);
});

test("buckets of an older Muster are given a history, without an alarm", async (t) => {
  await using grid = await startQuiet();
  const { jsm } = grid.broker;
  const { config } = await jsm.streams.info("KV_config");
  t.is(config.max_msgs_per_subject, 20);
  await jsm.streams.update("KV_config", {
    ...{ max_msgs_per_subject: 1, metadata: { ...config.metadata, "muster-settings": "2" } },
  });
  await using process = await connect(grid);
  t.is((await jsm.streams.info("KV_config")).config.max_msgs_per_subject, 20);
  t.deepEqual(process.alarms, []);
});

test("a configuration of which no copy can be kept is in force all the same, and that is told once", async (t) => {
  await using grid = await startQuiet();
  await grid.broker.js.publish("$KV.config.good", "{}"); // so that each process has something to write there
  await using process = await connect(grid);
  const { js } = process.broker;
  const publish: typeof js.publish = async (subject, ...more) => {
    if (subject === "$KV.config.good") throw new Error("no room");
    return await js.publish(subject, ...more);
  };
  const broker: Broker = { ...process.broker, js: Object.assign(Object.create(js), { publish }) };
  await using configuration = await watchConfiguration(broker);
  t.is(vosOf(configuration.current), "cms,lhcb");
  await changeConfiguration(grid.broker, (now) => withVo(now, "atlas"));
  await grid.broker.js.publish("$KV.config.good", "{}");
  t.is(vosOf(await configuration.refresh()), "atlas,cms,lhcb");
  t.deepEqual(
    process.notes.filter((note) => note.includes("copy")),
    ["Cannot keep a copy of the configuration yet; it is in force"],
  );
  t.deepEqual(process.alarms, []);
});

test("where the key and its history were purged, the copy counts before what a process remembers that was frozen meanwhile", async (t) => {
  await using grid = await startQuiet();
  const remembered = await findConfiguration(grid.broker);
  await changeConfiguration(grid.broker, (now) => withVo(now, "atlas"));
  await grid.broker.buckets.config.purge("current");
  t.is(vosOf((await findConfiguration(grid.broker, remembered)).configuration), "atlas,cms,lhcb");
});

test("a roll-up that leaves nothing but an empty configuration loses none: who runs keeps a copy anew, and the next command goes on from it", async (t) => {
  await using grid = await startQuiet();
  await using running = await startApp(grid);
  await grid.broker.js.publish("$KV.config.current", "{}", { headers: headersFrom({ "Nats-Rollup": "all" }) });
  t.is(vosOf(await changeConfiguration(grid.broker, (now) => withVo(now, "atlas"))), "atlas,cms,lhcb");
  t.is(vosOf(await readConfiguration(grid.broker)), "atlas,cms,lhcb");
  await until(() => vosOf(running.configuration.current) === "atlas,cms,lhcb");
});

test("where nobody knows the one that a roll-up took, the next command begins one that judges nothing older than itself", async (t) => {
  await using grid = await startQuiet();
  const at = new Date().toISOString();
  const byHand = JSON.stringify({ vos: { lhcb: { state: "active", changedAt: at } } });
  await grid.broker.js.publish("$KV.config.current", byHand, { headers: headersFrom({ "Nats-Rollup": "all" }) });
  const { createdAt = "" } = await changeConfiguration(grid.broker, (now) => withVo(now, "cms"));
  t.true(Date.parse(createdAt) >= Date.parse(at) - 1_000);
});
