import type { TestServer } from "@muster/ledger/testing";
import {
  type Broker,
  connectNats,
  createPublisher,
  openBroker,
  type RunningWorker,
  startScheduler,
  startWorker,
} from "@muster/tasks";
import { changeConfiguration, deadLetters, withVo } from "@muster/tasks/operate";
import { newWatcher, type Watcher } from "@muster/tasks/testing";
import type { TestCluster } from "../support/cluster.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { countTask } from "./count_task.ts";
import { type Feed, startFeed, VO } from "./feed.ts";

/** Longest wait for the end of all tasks, ms. What was in hand of a server that died comes back after 20 s. */
const ALL_OVER_MS = 150_000;

/** The parts of a test that look at results. */
export interface Checks {
  log(line: string): void;
  deepEqual(found: unknown, expected: unknown, about: string): unknown;
}

/** Tasks that are published without a break to a cluster, with two workers and a scheduler, each on a connection of its own. */
export interface Load extends AsyncDisposable, Pick<Feed, "goesOn"> {
  /** Of the publisher, the workers and the scheduler. */
  readonly brokers: readonly [Broker, ...Broker[]];
  readonly watchers: readonly Watcher[];
  readonly workers: readonly RunningWorker[];
  /** Ends the load, waits for all its tasks, and checks that nothing is lost and nothing doubled. */
  check(t: Checks): Promise<void>;
}

/** Checks by the database that each acknowledged task has had its effect, and none has had it twice. */
async function checkEffects(t: Checks, { sql }: TestDatabase, acknowledged: ReadonlySet<string>): Promise<void> {
  interface Row {
    readonly task_id: string;
  }
  const ids = async (text: string) => (await sql<Row>(text)).map((row) => row.task_id);
  const absent = async () => {
    const known = new Set(await ids("select task_id from task_outcome where outcome = 'done'"));
    return [...acknowledged].filter((id) => !known.has(id));
  };
  await until(
    async () => ((await absent()).length === 0 ? true : undefined),
    "the end of all tasks",
    ALL_OVER_MS,
  ).catch(
    () => {}, // the checks say which are absent
  );
  t.log(`${acknowledged.size} tasks`);
  t.deepEqual(await absent(), [], "each acknowledged task is done");
  const twice = "select task_id from effect group by task_id having count(*) > 1";
  t.deepEqual(await ids(twice), [], "none has had its effect twice");
  const effects = new Set(await ids("select task_id from effect"));
  t.deepEqual(
    [...acknowledged].filter((id) => !effects.has(id)),
    [],
    "each has had its effect",
  );
  t.deepEqual(await ids("select task_id from task_outcome where outcome <> 'done'"), [], "none has ended otherwise");
}

/** Starts a load on a cluster whose streams have not been declared yet. */
export async function startLoad(
  cluster: Pick<TestCluster, "url">,
  server: Pick<TestServer, "createUrl">,
): Promise<Load> {
  await using opened = new AsyncDisposableStack();
  const database = opened.use(await createTestDatabase(server));
  const nats = { url: cluster.url };
  const watchers: Watcher[] = [];
  let feed: Feed | undefined;
  const task = countTask((taskId) => feed?.noteRun(taskId));

  async function connect(name: string): Promise<Broker> {
    const watcher = newWatcher();
    watchers.push(watcher);
    const nc = await connectNats({ ...nats, name });
    opened.defer(() => nc.close());
    return await openBroker(nc, { observer: watcher });
  }

  const broker = await connect("publisher");
  await changeConfiguration(broker, (now) => withVo(now, VO));
  const brokers: [Broker, ...Broker[]] = [broker];
  const workers: RunningWorker[] = [];
  for (const app of ["one", "two"]) {
    const own = await connect(app);
    brokers.push(own);
    const options = { ...database.forWorker, broker: own, nats, app, tasks: [task], drainMs: 2_000 };
    workers.push(opened.use(await startWorker(options)));
  }
  const { ledger } = database.database;
  const schedulers = await connect("scheduler");
  brokers.push(schedulers);
  opened.use(await startScheduler({ broker: schedulers, nats, ledger, app: "scheduler", tasks: [task] }));

  const started = startFeed(createPublisher(broker), task);
  feed = started;
  opened.defer(() => started.stop());
  const kept = opened.move();
  return {
    ...{ brokers, watchers, workers, goesOn: started.goesOn },
    async check(t) {
      await started.stop();
      await checkEffects(t, database, started.acknowledged);
      const letters: string[] = [];
      for await (const { taskId, reason } of deadLetters(broker)) letters.push(`${taskId}: ${reason}`);
      t.deepEqual(letters, [], "none was given up");
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
