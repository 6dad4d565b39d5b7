import { atLeastOnceFactory, connectNats, createPublisher, openBroker, startWorker } from "@muster/tasks";
import { changeConfiguration, withVo } from "@muster/tasks/operate";
import { newWatcher } from "@muster/tasks/testing";
import test from "ava";
import { startTestCluster } from "../support/cluster.ts";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const VO = "lhcb";
const LOST = "TASKS had lost its source LATER, as after a restart of the server; it was made to look for it again";

/** The server asks again by itself after 30 s. A gap of this length between two questions is that wait, and no pause of the machine, ms. */
const WAITED_OUT_MS = 25_000;
/** Rounds in which LATER is down as TASKS asks. Mostly the first or second one leaves the source lost. */
const ROUNDS = 4;

test("a source that TASKS has not heard for some seconds is looked for again, and it hears what is due", async (t) => {
  const ran: string[] = [];
  const task = atLeastOnceFactory()({ name: "RanTask", per: "vo", execute: ({ taskId }) => void ran.push(taskId) });
  await using muster = await startMuster();
  const watcher = newWatcher();
  const nc = await connectNats({ url: muster.nats.url, name: "source test" });
  await using _closed = { [Symbol.asyncDispose]: () => nc.close() };
  const broker = await openBroker(nc, { observer: watcher });
  await changeConfiguration(broker, (now) => withVo(now, VO));
  const info = await broker.jsm.streams.info("TASKS");
  const unheard = { ...info, sources: (info.sources ?? []).map((source) => ({ ...source, active: -1 })) };
  broker.source.note(unheard);
  t.deepEqual(watcher.notes, [], "a source is given a moment to be heard");
  const isToldOf = async () => {
    broker.source.note(unheard);
    return watcher.notes.includes(LOST) ? true : undefined;
  };
  await until(isToldOf, "the note of a lost source");
  // Not sooner: a worker looks at the real source, which is well.
  await using _worker = await startWorker({
    broker,
    nats: { url: muster.nats.url },
    app: "source-test",
    tasks: [task],
  });
  const { taskId } = await createPublisher(broker).publish(task, { vo: VO, at: new Date(Date.now() + 500) });
  t.true(await until(async () => (ran.includes(taskId) ? true : undefined), "the delayed task"));
});

test("delayed tasks come soon though TASKS asked LATER for them while LATER had no leader", async (t) => {
  const ran: string[] = [];
  const task = atLeastOnceFactory()({ name: "RanTask", per: "vo", execute: ({ taskId }) => void ran.push(taskId) });
  await using cluster = await startTestCluster();
  const watcher = newWatcher();
  const nc = await connectNats({ url: cluster.url, name: "source test" });
  await using _closed = { [Symbol.asyncDispose]: () => nc.close() };
  // All has one server. TASKS alone gets more, and is led by another server than LATER.
  const broker = await openBroker(nc, { observer: watcher, replicas: 1 });
  await changeConfiguration(broker, (now) => withVo(now, VO));
  await broker.jsm.streams.update("TASKS", { num_replicas: 3 });
  await cluster.whole();
  const ofLater = await cluster.leaderOf("LATER");
  /** Lets other servers lead TASKS until it is another one than this. */
  async function moveTasksFrom(name: string): Promise<void> {
    const isElsewhere = async () => {
      if ((await cluster.leaderOf("TASKS")).name !== name) return true;
      await nc.request("$JS.API.STREAM.LEADER.STEPDOWN.TASKS").catch(() => {
        // It is asked again.
      });
      return undefined;
    };
    await until(isElsewhere, "another leader of TASKS");
  }
  await moveTasksFrom(ofLater.name);
  await using _worker = await startWorker({ broker, nats: { url: cluster.url }, app: "source-test", tasks: [task] });

  let askedAtMs: number[] = [];
  nc.subscribe("$JS.API.CONSUMER.CREATE.LATER.>", { callback: () => void askedAtMs.push(performance.now()) });
  for (let round = 0; round < ROUNDS && !watcher.notes.includes(LOST); round++) {
    await ofLater.kill();
    askedAtMs = [];
    await moveTasksFrom((await cluster.leaderOf("TASKS")).name);
    await until(async () => (askedAtMs.length > 0 ? true : undefined), "the question of the new leader of TASKS");
    await ofLater.start();
    await cluster.led();
    const at = new Date(Date.now() + 500);
    const { taskId } = await createPublisher(broker).publish(task, { vo: VO, at });
    await until(async () => (ran.includes(taskId) ? true : undefined), "the delayed task");
    // A source may also come back by itself: through another election, or where LATER had a leader in time.
    const waitedOut = askedAtMs.some((at, i) => at - (askedAtMs[i - 1] ?? at) >= WAITED_OUT_MS);
    t.true(watcher.notes.includes(LOST) || !waitedOut, `the server asked after ${askedAtMs}`);
  }
});
