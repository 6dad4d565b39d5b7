import { atLeastOnceFactory, connectNats, openBroker } from "@muster/tasks";
import { inspectStreams, listIncidents } from "@muster/tasks/operate";
import { type StreamConfig, StoreCompression, type StreamInfo } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import test from "ava";
import { type Muster, startMuster } from "../support/muster.ts";
import { findNatsCli } from "../support/nats_cli.ts";
import { until } from "../support/until.ts";
import { newWatcher } from "@muster/tasks/testing";

const QuickTask = atLeastOnceFactory()({ name: "QuickTask", per: "vo", execute() {} });

type Edit = Partial<StreamConfig>;

/** Opens another broker, as a new app does. Returns what it reported. */
async function startApp({ nats }: Pick<Muster, "nats">) {
  const nc = await connectNats({ url: nats.url, name: "settings test" });
  const watcher = newWatcher();
  await openBroker(nc, { observer: watcher });
  await nc.close();
  return watcher;
}

const configOf = async ({ broker }: Pick<Muster, "broker">, stream: string) =>
  (await broker.jsm.streams.info(stream)).config;

/** Settings that somebody changes by hand and that lose something, and their values after they were set back. */
const HARMFUL: readonly (readonly [stream: string, edit: Edit])[] = [
  ["TASKS", { max_age: nanos(5_000), duplicate_window: nanos(5_000) }],
  ["TASKS", { max_msgs_per_subject: 1 }],
  ["TASKS", { discard: "old", max_msgs: 1_000 }],
  ["TASKS", { allow_direct: true }],
  ["TASKS", { allow_rollup_hdrs: true }],
  ["TASKS", { max_msg_size: 1_048_000 }],
  ["TASKS", { subjects: ["tasks.>"] }],
  ["TASKS", { sources: [] }],
  ["TASKS", { republish: { src: "tasks.>", dest: "elsewhere.>" } }],
  ["TASKS", { subject_transform: { src: "tasks.>", dest: "tasks.moved.>" } }],
  ["TASKS", { no_ack: true }],
  ["TASKS", { max_consumers: 1 }],
  ["LATER", { max_bytes: 1_000_000 }],
  ["LATER", { subjects: ["later.>"] }],
  ["DEAD", { max_age: nanos(3_600_000) }],
  ["DEAD", { max_msgs: 10 }],
  ["DEAD", { retention: "interest" }],
  ["EVENTS", { subjects: ["events.Nothing.>"] }],
  ["KV_locks", { max_age: nanos(5_000), duplicate_window: nanos(5_000) }],
  ["KV_locks", { subject_delete_marker_ttl: nanos(1_000) }],
  ["KV_results", { allow_rollup_hdrs: false, subject_delete_marker_ttl: 0 }],
  ["KV_config", { max_msgs_per_subject: -1 }],
];

test("whatever setting of a stream or bucket is changed by hand so that something could be lost: whoever starts next sets it back and says so", async (t) => {
  await using muster = await startMuster();
  for (const [stream, edit] of HARMFUL) {
    const about = `${stream} ${JSON.stringify(edit)}`;
    const before = await configOf(muster, stream);
    await muster.broker.jsm.streams.update(stream, edit);
    t.notDeepEqual(await configOf(muster, stream), before, about);
    const { alarms } = await startApp(muster);
    t.deepEqual(await configOf(muster, stream), before, about);
    t.true(alarms.length > 0 && alarms.every((alarm) => alarm.startsWith(`${stream} has `)), `${about}: ${alarms}`);
    t.true(alarms[0]?.endsWith("it was set back"), alarms[0]);
  }
});

/** Edits by hand that are the operator's business. */
const HARMLESS: readonly (readonly [stream: string, edit: Edit])[] = [
  ["TASKS", { description: "ours", metadata: { owner: "the grid site" } }],
  ["TASKS", { compression: StoreCompression.S2 }],
  ["TASKS", { max_bytes: 1_000_000_000, max_msgs: 5_000_000 }],
  ["TASKS", { duplicate_window: nanos(600_000) }],
  ["TASKS", { subjects: ["tasks.>", "markers.>", "site.>"] }],
  ["DEAD", { description: "", metadata: { owner: "the grid site" } }],
  ["DEAD", { discard: "new", max_msgs: 1_000_000 }],
  ["EVENTS", { max_age: nanos(60_000), duplicate_window: nanos(60_000), max_msgs: 7, discard: "new" }],
  ["KV_config", { max_bytes: 1_000_000 }],
  ["KV_schedules", { max_msgs_per_subject: 5 }],
];

test("what is the operator's in a stream stays as it is, also over our own changes of that stream", async (t) => {
  await using muster = await startMuster();
  for (const [stream, edit] of HARMLESS) {
    const { config } = await muster.broker.jsm.streams.info(stream);
    const metadata = { ...config.metadata, ...edit.metadata };
    await muster.broker.jsm.streams.update(stream, { ...edit, ...(edit.metadata ? { metadata } : {}) });
  }
  const streams = ["TASKS", "DEAD", "EVENTS", "KV_config", "KV_schedules"];
  const edited = await Promise.all(streams.map((stream) => configOf(muster, stream)));
  const { alarms } = await startApp(muster);
  t.deepEqual(alarms, []);
  await muster.broker.source.renew();
  await muster.broker.jsm.streams.update("TASKS", { max_age: nanos(5_000) }).catch(() => undefined);
  await muster.broker.jsm.streams.update("TASKS", { max_age: nanos(700_000) });
  t.is((await startApp(muster)).alarms.length, 1);
  t.deepEqual(await Promise.all(streams.map((stream) => configOf(muster, stream))), edited);
});

test("`nats stream edit TASKS --max-age=5s` while all runs: told at once, set back within seconds, and `doctor` can tell since when", async (t) => {
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  const editedAtMs = performance.now();
  await muster.broker.jsm.streams.update("TASKS", { max_age: nanos(5_000), duplicate_window: nanos(5_000) });
  await until(async () => ((await configOf(muster, "TASKS")).max_age === 0 ? true : undefined), "no max_age");
  t.true(performance.now() - editedAtMs < 40_000);
  await until(async () => worker.watcher.alarms[1], "the alarms");
  t.deepEqual(worker.watcher.alarms, [
    "TASKS has max_age 5s and Muster needs none: older messages are deleted without a trace; it was set back",
    "TASKS has duplicate_window 5s and Muster needs 120s: a message that is published again is stored again sooner; it was set back",
  ]);
  const [incident] = await until(
    async () => ((await listIncidents(muster.broker)).length > 0 ? listIncidents(muster.broker) : undefined),
    "the incident",
  );
  t.like(incident, { kind: "settings", about: "TASKS", times: 1 });
  t.true(incident?.text.startsWith("TASKS has max_age 5s"));
  const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
  await muster.event("done", taskId);
});

test("a setting that the server lets nobody change is told once, with what to do, and shows for as long as it is so", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [QuickTask] });
  await muster.broker.jsm.streams.update("DEAD", { deny_purge: true });
  const [alarm] = (await startApp(muster)).alarms;
  t.true(alarm?.startsWith("DEAD has deny_purge true and Muster needs false"), alarm);
  t.true(alarm?.includes("the server does not allow the change") && alarm.includes("delete the stream"), alarm);
  const state = (await inspectStreams(muster.broker.nc)).find(({ name }) => name === "DEAD");
  t.deepEqual(
    state?.differences.map(({ field, canBeSetBack }) => [field, canBeSetBack]),
    [["deny_purge", "no"]],
  );
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  for (let look = 0; look < 3; look++) {
    await worker.broker.mendSettings([await worker.broker.jsm.streams.info("DEAD")]);
  }
  t.is(worker.watcher.alarms.length, 1, worker.watcher.alarms.join("; "));
});

test("settings of a newer version are left alone, and those of an older one are brought up to date without an alarm", async (t) => {
  await using muster = await startMuster();
  const { streams } = muster.broker.jsm;
  const { metadata } = await configOf(muster, "TASKS");
  const write = (version: string) =>
    streams.update("TASKS", {
      ...{ max_age: nanos(500_000), description: "" },
      metadata: { ...metadata, "muster-settings": version },
    });
  await write("1000");
  t.deepEqual((await startApp(muster)).alarms, []);
  t.is((await configOf(muster, "TASKS")).max_age, nanos(500_000));
  await write("1");
  const { alarms, notes } = await startApp(muster);
  t.deepEqual(alarms, []);
  t.true(notes.includes("The settings of TASKS were brought up to date"), notes.join("; "));
  const mended = await configOf(muster, "TASKS");
  t.is(mended.max_age, 0);
  t.is(mended.metadata?.["muster-settings"], metadata?.["muster-settings"]);
  t.true(mended.description?.startsWith("Muster: "));
});

test("every stream and bucket explains itself to whoever lists them", async (t) => {
  await using muster = await startMuster();
  const found: StreamInfo[] = [];
  for await (const info of muster.broker.jsm.streams.list()) found.push(info);
  t.is(found.length, muster.broker.streams.length);
  const texts = found.map(({ config }) => config.description ?? "");
  for (const text of texts) t.true(/^Muster: [a-z].{20,100}$/.test(text), text);
  t.is(new Set(texts).size, found.length);
});

test("to the real nats command line streams, consumers and buckets explain themselves, and what it edits is set back", async (t) => {
  await using muster = await startMuster();
  const { run, why } = await findNatsCli(muster.nats.url);
  if (run === undefined) {
    t.log(`not tried: ${why}`);
    t.pass();
    return;
  }
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  t.regex(await run("stream", "ls"), /TASKS .*Muster: tasks that wait or run/);
  t.regex(await run("kv", "ls"), /locks .*Muster: who holds which lock/);
  t.regex(await run("consumer", "ls", "TASKS"), /QuickTask__lhcb .*Muster: QuickTask of VO lhcb/);
  await run("stream", "edit", "TASKS", "--max-age=5s", "--dupe-window=5s", "-f");
  const text = "TASKS has max_age 5s and Muster needs none";
  await until(async () => worker.watcher.alarms.find((alarm) => alarm.startsWith(text)), "the alarm");
  await until(async () => ((await configOf(muster, "TASKS")).max_age === 0 ? true : undefined), "no max_age");
});
