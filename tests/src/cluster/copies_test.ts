import { atLeastOnceFactory, type Broker, connectNats, createPublisher, openBroker } from "@muster/tasks";
import { JetStreamApiError } from "@nats-io/jetstream";
import { changeConfiguration, inspectStreams, withVo } from "@muster/tasks/operate";
import { newWatcher, type Watcher } from "@muster/tasks/testing";
import test from "ava";
import { startTestServer } from "@muster/ledger/testing";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { commandsOn } from "../cli/run_muster.ts";

const QuickTask = atLeastOnceFactory()({ name: "QuickTask", per: "vo", execute() {} });
const LANE = "QuickTask__lhcb";

interface Opened extends AsyncDisposable {
  readonly broker: Broker;
  readonly watcher: Watcher;
}

/** Asks again where nobody answered: a stream or a lane that is moved has no leader for some seconds. */
async function patiently<Found>(ask: () => Promise<Found>): Promise<Found> {
  const asked = async () => {
    try {
      return { found: await ask() };
    } catch (error) {
      if (error instanceof Error && error.name === "TimeoutError") return undefined;
      throw error;
    }
  };
  return (await until(asked, "an answer")).found;
}

async function open(url: string, replicas?: number): Promise<Opened> {
  const watcher = newWatcher();
  const nc = await connectNats({ url, name: "copies test" });
  await using opened = new AsyncDisposableStack();
  opened.defer(() => nc.close());
  const broker = await openBroker(nc, { observer: watcher, ...(replicas === undefined ? {} : { replicas }) });
  const kept = opened.move();
  return { broker, watcher, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The numbers of copies that streams have, each once. */
async function copiesOf({ broker }: Pick<Opened, "broker">): Promise<readonly number[]> {
  return [...new Set((await patiently(() => inspectStreams(broker.nc))).map(({ copies }) => copies?.number ?? 1))];
}

/** What was declared by a Muster that made one copy of all, and had events written to the file a moment later. */
async function declareSingles(cluster: TestCluster): Promise<void> {
  await using old = await open(cluster.url, 1);
  const { jsm } = old.broker;
  await jsm.streams.delete("EVENTS");
  await jsm.streams.add({ name: "EVENTS", subjects: ["events.>"], persist_mode: "async", num_replicas: 1 });
}

/** Makes another copy of the lane lead. A lane without a leader says nothing, and is asked again. */
async function stepDown(nc: Broker["nc"]): Promise<void> {
  const ask = () => nc.request(`$JS.API.CONSUMER.LEADER.STEPDOWN.TASKS.${LANE}`, "", { timeout: 5_000 });
  await until(() => ask().catch(() => undefined), "the end of the lane's lead");
}

test("on one server all has one copy, and more than there are servers is refused with what to do", async (t) => {
  await using nats = await startTestNats();
  const error = await t.throwsAsync(open(nats.url, 3));
  t.regex(
    error.message,
    /^Cannot create LATER with 3 copies: JetStream says ".*"; start more servers, or lower MUSTER_REPLICAS$/,
  );
  await using single = await open(nats.url);
  t.deepEqual(await copiesOf(single), [1]);
});

test("on three servers all has three copies, what had one gets them, EVENTS too, and what waited runs", async (t) => {
  await using cluster = await startTestCluster();
  await declareSingles(cluster);
  await using single = await patiently(() => open(cluster.url, 1));
  t.deepEqual(await copiesOf(single), [1]);
  // Waits in a stream with one copy when the copies are added.
  await changeConfiguration(single.broker, (before) => withVo(before, "lhcb"));
  const publisher = createPublisher(single.broker);
  const now = await publisher.publish(QuickTask, { vo: "lhcb" });
  await using raised = await open(cluster.url);
  t.deepEqual(await copiesOf(raised), [3]);
  t.true(
    raised.watcher.alarms.some((text) =>
      text.startsWith("EVENTS was made again with 3 copies, and the events before are gone"),
    ),
  );
  // Until then a stream that is moved may have no leader, and a change of the configuration gets no answer.
  await cluster.whole();
  await using muster = await startMuster({ nats: cluster });
  const later = await muster.publish(QuickTask, { vo: "lhcb", at: new Date(Date.now() + 2_000) });
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  await muster.event("done", now.taskId);
  await muster.event("done", later.taskId);
  const { config } = await patiently(() => worker.broker.jsm.consumers.info("TASKS", LANE));
  t.falsy(config.mem_storage, "its state is on file");
  // Pulls may find nobody while another copy of the lane begins to lead. Nobody has deleted it then.
  for (let round = 0; round < 3; round++) {
    await stepDown(worker.broker.nc);
    const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
    await muster.event("done", taskId);
  }
  t.deepEqual(worker.watcher.alarms, []);
});

test("copies that an operator adds stay, over a renewal of the source and a program that wants fewer", async (t) => {
  await using cluster = await startTestCluster();
  await using single = await open(cluster.url, 1);
  const { jsm, source } = single.broker;
  await jsm.streams.update("TASKS", { num_replicas: 3 });
  await jsm.streams.update("EVENTS", { num_replicas: 3 });
  await cluster.whole();
  await source.renew();
  await (await open(cluster.url, 1))[Symbol.asyncDispose]();
  for (const stream of ["TASKS", "EVENTS"]) t.is((await jsm.streams.info(stream)).config.num_replicas, 3, stream);
  // What is lowered by hand below the number that is set is raised again, and told.
  await using three = await open(cluster.url, 3);
  await cluster.whole();
  await jsm.streams.update("DEAD", { num_replicas: 1 });
  await three.broker.mendSettings([await jsm.streams.info("DEAD")]);
  t.is((await jsm.streams.info("DEAD")).config.num_replicas, 3);
  t.deepEqual(three.watcher.alarms, ["DEAD had 1 copy and gets 3, as set"]);
});

test("the doctor names a server that is down, streams with fewer copies than set, and streams without a leader", async (t) => {
  await using server = await startTestServer();
  await using cluster = await startTestCluster();
  await using opened = await open(cluster.url);
  const cli = commandsOn({ NATS_URL: cluster.url, DATABASE_URL: await server.createUrl() });
  await cluster.whole();
  t.regex((await cli.run("doctor")).output, /^ok +copies: each stream has 3 at least, all up to date$/m);
  await opened.broker.jsm.streams.update("DEAD", { num_replicas: 1 });
  t.regex(
    (await cli.run("doctor")).output,
    /^BAD +copies: 1 copy of DEAD, and a cluster should have 3; any running app/m,
  );
  const [first, second] = [await cluster.followerOf("TASKS"), await cluster.leaderOf("TASKS")];
  await first.kill();
  const told = async () =>
    ((await cli.run("doctor")).output.match(/^(BAD|WARN) +copies: .*$/gm) ?? []).find((line) =>
      line.includes(first.name),
    );
  t.regex((await until(told, "the server")) ?? "", new RegExp(`${first.name} is (away|behind)`));
  await second.kill();
  const leaderless = async () =>
    /^BAD +copies: no leader of .*TASKS.*start the nats-servers/m.test((await cli.run("doctor")).output) || undefined;
  await until(leaderless, "the streams without a leader");
  // Once the servers are sure that they have no leader, they refuse all questions.
  const refused = () =>
    opened.broker.briefJsm.getAccountInfo().then(
      () => undefined,
      (error: unknown) => (error instanceof JetStreamApiError ? true : undefined),
    );
  await until(refused, "the servers' refusal");
  t.true(await leaderless());
});
