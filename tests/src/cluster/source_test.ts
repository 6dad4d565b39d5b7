import { atLeastOnceFactory, connectNats, createPublisher, openBroker, startWorker } from "@muster/tasks";
import { changeConfiguration, withVo } from "@muster/tasks/operate";
import { newWatcher } from "@muster/tasks/testing";
import test from "ava";
import { startTestCluster } from "../support/cluster.ts";
import { until } from "../support/until.ts";

const VO = "lhcb";
const LOST = "TASKS had lost its source LATER, as after a restart of the server; it was made to look for it again";

// Eight rounds without the mend take four minutes. Mostly the first or second one has what is looked for.
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

  // The server asks again after 30 s. Where this machine needs longer than that to get so far, nobody else has to.
  let asked = 0;
  nc.subscribe("$JS.API.CONSUMER.CREATE.LATER.>", { callback: () => void asked++ });
  for (let round = 0; round < 8 && !watcher.notes.includes(LOST); round++) {
    await ofLater.kill();
    asked = 0;
    await moveTasksFrom((await cluster.leaderOf("TASKS")).name);
    await until(async () => (asked > 0 ? true : undefined), "the question of the new leader of TASKS");
    await ofLater.start();
    await cluster.led();
    const at = new Date(Date.now() + 500);
    const { taskId } = await createPublisher(broker).publish(task, { vo: VO, at });
    await until(async () => (ran.includes(taskId) ? true : undefined), "the delayed task");
  }
  t.true(watcher.notes.includes(LOST));
});
