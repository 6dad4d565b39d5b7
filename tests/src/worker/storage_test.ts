import { atLeastOnceFactory, connectNats, openBroker, PublishUnknownError, StorageLimitError } from "@muster/tasks";
import { watchStorage } from "@muster/tasks/operate";
import test from "ava";
import { type Muster, startMuster } from "../support/muster.ts";
import { breakStream, limitFiles, startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const QuickTask = atLeastOnceFactory()({ name: "QuickTask", per: "vo", execute() {} });
const LARGE = "x".repeat(9_000);

const problemsOf = (holder: Pick<Muster, "broker">) => holder.broker.storage.problems();
const isWell = async (holder: Pick<Muster, "broker">) => (problemsOf(holder).length === 0 ? true : undefined);
const isAmiss = async (holder: Pick<Muster, "broker">) => problemsOf(holder)[0];

const OF_TASKS = { stream: "TASKS", subject: "tasks.Unknown.lhcb" };

test("after a full disk a worker hears within 15 s that TASKS cannot be written, and what to do, though there is room again; and of the restart", async (t) => {
  await using nats = await startTestNats();
  await using muster = await startMuster({ nats });
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  // Nobody of ours has met it, and there is room again.
  await breakStream(nats, muster.broker.nc, OF_TASKS);
  const fullAtMs = performance.now();
  const problem = await until(() => isAmiss(worker), "the problem");
  t.true(performance.now() - fullAtMs < 60_000); // 15 s on a machine of its own
  t.regex(problem, /^TASKS cannot be written: .*file too large; see that there is room .* restart nats-server/);
  t.deepEqual(worker.watcher.alarms, [problem]);
  t.deepEqual(worker.broker.storage.brokenStreams(), ["TASKS"]);
  await nats.kill();
  await nats.start();
  await until(() => isWell(worker), "the end of the problem");
  const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  t.true(worker.watcher.notes.includes("Messages can be stored again"));
});

test("while the disk is full an idle worker hears of it by the record of its own that it stores", async (t) => {
  await using nats = await startTestNats();
  await using muster = await startMuster({ nats });
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  // No file may grow at all: the next write that anybody makes is the worker's own.
  await limitFiles(nats, 1);
  const problem = await until(() => isAmiss(worker), "the problem");
  t.regex(problem, /^KV_workers cannot be written/);
});

test("a publisher that meets a stream's write error hears at the end why nobody answered", async (t) => {
  await using nats = await startTestNats();
  await using muster = await startMuster({ nats });
  await breakStream(nats, muster.broker.nc, OF_TASKS);
  const error = await t.throwsAsync(muster.publish(QuickTask, { vo: "lhcb" }), { instanceOf: PublishUnknownError });
  t.regex(error.message, /no answer in 20 s \(TASKS cannot be written: .*restart nats-server.*\); publish it again/);
});

test("at the server's storage limit a publisher hears which limit it is, workers say so, and all is well by itself once there is room", async (t) => {
  await using nats = await startTestNats({ maxFileStore: "200KB" });
  await using muster = await startMuster({ nats });
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  const fill = async (count: number) => {
    for (let each = 0; each < count; each++) {
      await muster.broker.requests.store({ subject: "dead.Unknown.lhcb", body: LARGE });
    }
  };
  const error = await t.throwsAsync(fill(40), { instanceOf: StorageLimitError });
  t.regex(
    error.message,
    /^Cannot store a message in DEAD: the server's limit \(max_file_store .*\) is reached .*delete what is not needed/,
  );
  const refused = await t.throwsAsync(muster.publish(QuickTask, { vo: "lhcb" }), { instanceOf: StorageLimitError });
  t.is(refused.stream, "TASKS");
  t.regex(await until(() => isAmiss(worker), "the worker's word"), /the server's limit \(max_file_store/);
  await muster.broker.jsm.streams.purge("DEAD");
  await until(() => isWell(worker), "the end of the problem");
  const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
  await muster.event("done", taskId);
});

test("at a stream's own limit its publisher hears so, workers say so, and all is well by itself once it is raised", async (t) => {
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  await muster.broker.requests.store({ subject: "tasks.Unknown.lhcb", body: LARGE });
  await muster.broker.jsm.streams.update("TASKS", { max_msgs: 1 });
  t.regex(
    await until(() => isAmiss(worker), "the worker's word"),
    /^TASKS takes no more messages: its max_msgs of 1 is reached/,
  );
  const error = await t.throwsAsync(muster.publish(QuickTask, { vo: "lhcb" }), { instanceOf: StorageLimitError });
  t.regex(error.message, /TASKS: the stream's own limit is reached \(JetStream says: maximum messages exceeded\)/);
  await muster.broker.jsm.streams.update("TASKS", { max_msgs: -1 });
  await until(() => isWell(worker), "the end of the problem");
  const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
  await muster.event("done", taskId);
});

/** A process that looks at the stores, on a connection of its own. */
async function startWatching(url: string, options: Parameters<typeof watchStorage>[1]) {
  const nc = await connectNats({ url, name: "storage watch" });
  const broker = await openBroker(nc);
  const watching = watchStorage(broker, options);
  return {
    broker,
    async [Symbol.asyncDispose]() {
      watching[Symbol.dispose]();
      await nc.close();
    },
  };
}

test("of many processes one asks TASKS for a write error at a time, and the others take its word", async (t) => {
  const [lookMs, spreadMs, processes, asks] = [1_000, 1_000, 6, 6];
  await using muster = await startMuster();
  await using opened = new AsyncDisposableStack();
  const askedAtMs: number[] = [];
  const enough = Promise.withResolvers<void>();
  const { nc } = muster.broker;
  nc.subscribe("$JS.API.STREAM.PURGE.TASKS", {
    callback() {
      askedAtMs.push(performance.now());
      // Each of them begins with a look of its own.
      if (askedAtMs.length === processes + asks) enough.resolve();
    },
  });
  await nc.flush();
  for (let count = 0; count < processes; count++) {
    opened.use(await startWatching(muster.nats.url, { lookMs, spreadMs }));
  }
  await enough.promise;
  const later = askedAtMs.slice(processes);
  const gaps = later.slice(1).map((atMs, index) => atMs - (later[index] ?? atMs));
  // If each worker kept its own time only, all would ask at nearly the same time. One pair may have asked at the same moment.
  t.true(Math.max(...gaps) > 0.95 * lookMs, gaps.join(" "));
});

test("what one process finds broken the others look at at once", async (t) => {
  await using nats = await startTestNats();
  await using muster = await startMuster({ nats });
  await using deaf = await startWatching(nats.url, { lookMs: 3_600_000 });
  await breakStream(nats, muster.broker.nc, OF_TASKS);
  t.deepEqual(problemsOf(deaf), []);
  await using _finder = await startWatching(nats.url, {});
  t.regex(await until(() => isAmiss(deaf), "the word"), /^TASKS cannot be written/);
});
