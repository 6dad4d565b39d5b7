import { atLeastOnceFactory, openBroker, startScheduler } from "@muster/tasks";
import { type Incident, inspectRights, listIncidents } from "@muster/tasks/operate";
import { type ConsumerConfig, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import test from "ava";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { newWatcher } from "@muster/tasks/testing";

const QuickTask = atLeastOnceFactory()({ name: "QuickTask", per: "vo", execute() {} });
const LANE = "QuickTask__vo=2Ecta=2Ein2p3=2Efr";
const vo = "vo.cta.in2p3.fr";

/** A grid whose lane has been used, its leading scheduler, and an operator at a connection of his own. */
async function startLed() {
  const opened = new AsyncDisposableStack();
  const muster = opened.use(await startMuster());
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  const { taskId } = await muster.publish(QuickTask, { vo });
  await muster.event("done", taskId);
  await muster.broker.requests.store({ subject: "markers.QuickTask.nobody.default", body: "{}" });
  const nc = await connect({ servers: muster.nats.url });
  opened.defer(() => nc.close());
  const watcher = newWatcher();
  const broker = await openBroker(nc, { observer: watcher });
  const leads = Promise.withResolvers<void>();
  opened.use(
    await startScheduler({
      ...{ broker, nats: { url: muster.nats.url }, app: "test", tasks: [QuickTask] },
      onRole: (role) => void (role === "leading" && leads.resolve()),
    }),
  );
  await leads.promise;
  await nc.flush();
  const operator = await connect({ servers: muster.nats.url });
  opened.defer(() => operator.close());
  const jsm = await jetstreamManager(operator);
  return { muster, worker, watcher, operator, jsm, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function incidentAbout({ broker }: Pick<Muster, "broker">, about: string): Promise<Incident> {
  const find = async () => (await listIncidents(broker)).find((incident) => incident.about === about);
  return await until(find, `an incident about ${about}`);
}

async function runsAgain(muster: Muster): Promise<void> {
  const { taskId } = await muster.publish(QuickTask, { vo });
  await muster.event("done", taskId);
}

const EDITS: readonly (readonly [field: string, edit: Partial<ConsumerConfig>])[] = [
  ["ack_wait", { ack_wait: nanos(1_000) }],
  ["max_deliver", { max_deliver: 3 }],
  ["max_ack_pending", { max_ack_pending: 1 }],
  // As an older version writes them, too: then what it wrote must go.
  ["filter_subjects", { filter_subject: "", filter_subjects: ["tasks.Nothing.lhcb"] }],
  ["headers_only", { headers_only: true }],
  ["max_batch", { max_batch: 1 }],
];

test("a lane's consumer that was edited by hand is set back within a second or two, with an alarm, and the lane works", async (t) => {
  await using led = await startLed();
  const { muster, watcher, jsm } = led;
  for (const [field, edit] of EDITS) {
    watcher.alarms.splice(0);
    await jsm.consumers.update("TASKS", LANE, edit);
    const alarm = await until(async () => watcher.alarms.find((text) => text.includes(` has ${field} `)), field);
    t.true(alarm.startsWith(`consumer ${LANE} has ${field}`) && alarm.endsWith("it was set back"), alarm);
    t.is(watcher.alarms.length, 1, watcher.alarms.join("; "));
    await runsAgain(muster);
  }
  const { config } = await jsm.consumers.info("TASKS", LANE);
  t.like(config, { ack_wait: nanos(20_000), max_deliver: -1, filter_subject: `tasks.QuickTask.${vo}` });
  t.is(config.filter_subjects, undefined);
  const kept = async () => (await listIncidents(muster.broker)).filter(({ about }) => about === `consumer ${LANE}`);
  const all = async () => ((await kept()).length === EDITS.length ? kept() : undefined);
  for (const { kind, times } of await until(all, "an incident for each edit"))
    t.deepEqual([kind, times], ["settings", 1]);
});

test("a lane's consumer that somebody paused goes on within a second or two, with an alarm", async (t) => {
  await using led = await startLed();
  const { muster, watcher, jsm } = led;
  await jsm.consumers.pause("TASKS", LANE, new Date(Date.now() + 3_600_000));
  const alarm = await until(async () => watcher.alarms[0], "the alarm");
  t.is(alarm, `consumer ${LANE} has paused true and Muster needs false: its tasks are not delivered; it was set back`);
  await runsAgain(muster);
});

test("description, metadata and replicas of a lane's consumer are the operator's", async (t) => {
  await using led = await startLed();
  const { muster, watcher, jsm } = led;
  const { config } = await jsm.consumers.info("TASKS", LANE);
  t.is(config.description, `Muster: QuickTask of VO ${vo}, one for all workers`);
  const edit = { description: "ours", metadata: { ...config.metadata, owner: "the site" } };
  await jsm.consumers.update("TASKS", LANE, edit);
  // What comes after it has been looked at after it.
  await jsm.consumers.update("TASKS", LANE, { ack_wait: nanos(1_000) });
  await until(async () => watcher.alarms[0], "the alarm");
  t.like((await jsm.consumers.info("TASKS", LANE)).config, { ...edit, ack_wait: nanos(20_000) });
  t.is(watcher.alarms.length, 1, watcher.alarms.join("; "));
  await runsAgain(muster);
});

test("a purge of TASKS, LATER or DEAD by hand is told by an alarm and kept for the doctor; Muster's own purges are not", async (t) => {
  await using led = await startLed();
  const { muster, watcher, jsm } = led;
  // The first sweep of the leader clears a marker that nobody wants.
  const left = async () => (await jsm.streams.info("TASKS", { subjects_filter: "markers.>" })).state.subjects;
  await until(async () => (Object.keys((await left()) ?? {}).length === 0 ? true : undefined), "the sweep");
  t.deepEqual(watcher.alarms, []);
  for (const stream of ["TASKS", "LATER", "DEAD", "KV_results"]) {
    await jsm.streams.purge(stream, stream === "LATER" ? { filter: "later.>" } : undefined);
    const { kind, text } = await incidentAbout(muster, stream);
    t.is(kind, "purged");
    t.regex(text, new RegExp(`^Somebody purged ${stream}.*: what it held is lost`));
    t.true(watcher.alarms.includes(text), watcher.alarms.join("; "));
  }
  t.is(watcher.alarms.length, 4, watcher.alarms.join("; "));
  // The way to take one delayed task back.
  await jsm.streams.purge("LATER", { filter: "later.QuickTask.lhcb.mine-2" });
  await jsm.streams.purge("DEAD", { filter: "dead.QuickTask.>" });
  await until(async () => watcher.alarms[4], "the last alarm");
  t.true(watcher.alarms[4]?.startsWith("Somebody purged DEAD"), watcher.alarms.join("; "));
});

test("a consumer that somebody deletes is told by the leading scheduler, also where no worker is there to miss it", async (t) => {
  await using led = await startLed();
  const { muster, worker, watcher, jsm } = led;
  await worker.drain();
  await jsm.consumers.delete("TASKS", LANE);
  const incident = await incidentAbout(muster, `consumer ${LANE}`);
  t.is(incident.kind, "deleted");
  t.deepEqual(watcher.alarms, [incident.text]);
});

test("a purge of the markers of one task, as of one that is no more, is no alarm; that of all markers is", async (t) => {
  await using led = await startLed();
  const { muster, watcher, jsm } = led;
  await jsm.streams.purge("TASKS", { filter: "markers.GoneTask.>" });
  // The sweep works in the order in which it hears. This message takes all markers away.
  await jsm.streams.purge("TASKS", { filter: "markers.>" });
  const { text, times } = await incidentAbout(muster, "TASKS");
  t.is(times, 1);
  t.deepEqual(watcher.alarms, [text]);
  t.true(text.startsWith('Somebody purged TASKS ({"filter":"markers.>"})'), text);
});

test("the doctor's trial of each right is no change by hand, and leaves nothing in the leader's log", async (t) => {
  await using led = await startLed();
  const { watcher, operator, jsm } = led;
  const before = watcher.notes.length;
  t.deepEqual(await inspectRights(operator, ["QuickTask"], vo), []);
  // Each consumer is looked at after the same time. One that is changed later is looked at later.
  await jsm.consumers.update("TASKS", LANE, { ack_wait: nanos(1_000) });
  await until(async () => watcher.alarms[0], "the alarm");
  await jsm.consumers.update("TASKS", LANE, { ack_wait: nanos(1_000) });
  await until(async () => watcher.alarms[1], "the second alarm");
  t.deepEqual(
    watcher.notes.slice(before).filter((note) => note.includes("muster-doctor")),
    [],
  );
});
