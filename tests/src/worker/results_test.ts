import { startTestServer } from "@muster/ledger/testing";
import {
  atLeastOnceFactory,
  type Broker,
  connectNats,
  createPublisher,
  exponentialBackoff,
  noRetry,
  openBroker,
  type Progress,
  ResultGoneError,
  ResultNotKeptError,
  ResultTimeoutError,
  startScheduler,
  TaskNotDoneError,
} from "@muster/tasks";
import { deadLetters, requeueDeadLetter } from "@muster/tasks/operate";
import { headers as newHeaders } from "@nats-io/transport-node";
import test from "ava";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf, type SqlDeps } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { until, within } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const defineBareTask = atLeastOnceFactory<SqlDeps>();
const keepResult = { hours: 1 };

const SumTask = defineBareTask({
  name: "SumTask",
  payload: z.strictObject({ numbers: z.array(z.number()) }),
  execute: async ({ payload: { numbers } }) => ({ sum: numbers.reduce((a, b) => a + b, 0), at: new Date(0) }),
});

const Numbered = z.strictObject({ number: z.number() });

/** A connection of another process. */
async function connectAgain(muster: Muster) {
  const nc = await connectNats({ url: muster.nats.url, name: "other" });
  return { broker: await openBroker(nc), [Symbol.asyncDispose]: () => nc.close() };
}

test("a result comes to who waits before the task's end, in this process and another, and to who asks after it", async (t) => {
  await using muster = await startMuster();
  await using database = await createTestDatabase(server);
  const goOn = Promise.withResolvers<void>();
  const DatabaseTask = defineSqlTask({
    name: "DatabaseTask",
    per: "vo",
    keepResult,
    async execute({ deps, taskId }) {
      await deps.sql(effectOf(taskId));
      await goOn.promise;
      return { effect: taskId };
    },
  });
  await muster.startWorker({ tasks: [SumTask, DatabaseTask], ...database.forWorker });
  const slow = await muster.publish(DatabaseTask, { vo: "lhcb", taskId: "a *.> \u202e<b>" });
  await using other = await connectAgain(muster);
  const elsewhere = createPublisher(other.broker).resultOf(DatabaseTask, slow.taskId, { vo: "lhcb" });
  const here = slow.result();
  await muster.event("started", slow.taskId);
  goOn.resolve();
  // Its type is known.
  const effect: { readonly effect: string } = await here;
  t.deepEqual([effect, await elsewhere], [{ effect: slow.taskId }, { effect: slow.taskId }]);
  t.deepEqual(await slow.result(), { effect: slow.taskId });

  const quick = await muster.publish(SumTask, { payload: { numbers: [1, 2] }, keepResult });
  const sum: { readonly sum: number; readonly at: string } = await quick.result();
  t.deepEqual(sum, { sum: 3, at: "1970-01-01T00:00:00.000Z" });
  await muster.event("done", quick.taskId);
  t.deepEqual(await muster.resultOf(SumTask, quick.taskId), sum);
});

test("a task whose result nobody asks for leaves nothing in the bucket, and waiting for it is refused at once; a ledger tells it all the same", async (t) => {
  await using muster = await startMuster();
  await using database = await createTestDatabase(server);
  const OnceTask = defineSqlTask({ name: "OnceTask", execute: () => ({ answer: 42 }) });
  await muster.startWorker({ tasks: [SumTask, OnceTask], ...database.forWorker });
  const written: string[] = [];
  muster.broker.nc.subscribe("$KV.results.>", { callback: (_error, { subject }) => void written.push(subject) });
  await muster.broker.nc.flush();
  const bare = await muster.publish(SumTask, { payload: { numbers: [] } });
  const { ledger } = database.database;
  const once = await createPublisher(muster.broker, { ledger }).publish(OnceTask);
  await muster.event("done", bare.taskId);
  await muster.event("done", once.taskId);
  await muster.settled();
  const error = await t.throwsAsync(() => bare.result(), { instanceOf: ResultNotKeptError });
  t.regex(
    error?.message ?? "",
    /^Cannot wait for the result of SumTask ".*": nobody asked to keep it; publish it with/,
  );
  t.deepEqual(await once.result(), { answer: 42 });
  const known = createPublisher(muster.broker, { ledger });
  t.deepEqual(await known.resultOf(OnceTask, once.taskId), { answer: 42 });
  // Since when a server runs is noted by each worker that starts.
  t.deepEqual(
    written.filter((subject) => !subject.startsWith("$KV.results.server.")),
    [],
  );
});

test("who waits hears of every other end by a typed error with the outcome, the attempt and the error, and a retry is no end", async (t) => {
  await using muster = await startMuster();
  const policy = { maxRetries: 1, firstDelayMs: 1, maxDelayMs: 1 };
  const fail = (name: string, retry: ReturnType<typeof noRetry>) =>
    defineBareTask({ name, retry, execute: ({ attempt }) => Promise.reject(new Error(`down ${attempt}`)) });
  const DeadTask = fail("DeadTask", exponentialBackoff(policy));
  const DropTask = fail("DropTask", noRetry({ then: "drop" }));
  await muster.startWorker({ tasks: [DeadTask, DropTask, SumTask] });
  const dead = await muster.publish(DeadTask, { keepResult });
  const error = await t.throwsAsync(() => dead.result(), { instanceOf: TaskNotDoneError });
  t.like(error, {
    outcome: "dead",
    attempt: 2,
    task: "DeadTask",
    vo: "_",
    error: "Error: down 2",
    taskId: dead.taskId,
  });
  t.regex(error?.message ?? "", /attempt 2 ended dead, Error: down 2$/);
  const dropped = await muster.publish(DropTask, { keepResult });
  t.like(await t.throwsAsync(() => dropped.result()), { outcome: "dropped", attempt: 1 });
  const body = JSON.stringify({ numbers: "none" });
  const headers = { "Task-Id": "wrong", "Task-Keep-Result": "90s" };
  await store(muster.broker, body, headers);
  t.like(await t.throwsAsync(() => muster.resultOf(SumTask, "wrong")), { outcome: "refused" });
});

/** Publishes a SumTask as any client does. */
async function store({ js }: Broker, body: string, given: Record<string, string>): Promise<void> {
  const headers = newHeaders();
  for (const [name, value] of Object.entries(given)) headers.set(name, value);
  await js.publish("tasks.SumTask._", body, { headers });
}

test("a header that states no time is a dead letter with its name and value, and the task beside it runs", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [SumTask] });
  for (const [id, time] of [
    ["no-time", "soon"],
    ["too-short", "0.5s"],
    ["too-long", "721h"],
  ] as const) {
    await store(muster.broker, '{"numbers":[]}', { "Task-Id": id, "Task-Keep-Result": time });
    const { reason = "" } = await muster.event("refused", id);
    t.true(reason.includes("Task-Keep-Result") && reason.includes(time), reason);
  }
  t.throws(() => defineBareTask({ name: "A", keepResult: { days: 31 }, execute() {} }), { message: /1 s to 30 d/ });
  const good = await muster.publish(SumTask, { payload: { numbers: [7] }, keepResult });
  t.is((await good.result()).sum, 7);
});

test("a wait ends at its timeout and at its signal, and the task goes on", async (t) => {
  await using muster = await startMuster();
  const handle = await muster.publish(SumTask, { payload: { numbers: [1] }, keepResult });
  t.like(await t.throwsAsync(() => handle.result({ timeoutMs: 1 }), { instanceOf: ResultTimeoutError }), {
    taskId: handle.taskId,
    timeoutMs: 1,
  });
  const reason = new Error("changed my mind");
  const ending = new AbortController();
  const waiting = handle.result({ signal: ending.signal });
  ending.abort(reason);
  t.is(await t.throwsAsync(() => waiting), reason);
  await t.throwsAsync(() => handle.result({ signal: ending.signal }), { is: reason });
  await muster.startWorker({ tasks: [SumTask] });
  t.is((await handle.result()).sum, 1);
});

test("a task that ended long ago and whose result has lapsed is told as gone, and not waited for", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [SumTask] });
  const handle = await muster.publish(SumTask, { payload: { numbers: [1] }, keepResult: { seconds: 1 } });
  await muster.event("done", handle.taskId);
  await until(async () => ((await muster.results("result.")).length === 0 ? true : undefined), "the end of the result");
  await muster.settled();
  await t.throwsAsync(() => handle.result(), { instanceOf: ResultGoneError });
  await t.throwsAsync(() => muster.resultOf(SumTask, "never-was"), { instanceOf: ResultGoneError });
  // What waits for its time is not gone.
  const later = await muster.publish(SumTask, {
    ...{ payload: { numbers: [1] }, taskId: "later", keepResult, at: new Date(Date.now() + 3_600_000) },
  });
  await t.throwsAsync(() => later.result({ timeoutMs: 500 }), { instanceOf: ResultTimeoutError });
  await t.throwsAsync(() => muster.resultOf(SumTask, "later", { timeoutMs: 500 }), { instanceOf: ResultTimeoutError });
});

/** The broker, on which the answer to the first reading of a kept result is held until `untilMs` resolves. */
function withHeldReading(broker: Broker, hold: () => Promise<void>): Broker {
  let isFirst = true;
  const streams = new Proxy(broker.jsm.streams, {
    get(target, name) {
      if (name !== "getMessage") return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name);
      return async (stream: string, query: Parameters<typeof target.getMessage>[1]) => {
        const found = await target.getMessage(stream, query);
        if (stream === "KV_results" && isFirst) {
          isFirst = false;
          await hold();
        }
        return found;
      };
    },
  });
  const jsm = new Proxy(broker.jsm, {
    get: (target, name) => (name === "streams" ? streams : Reflect.get(target, name)),
  });
  return { ...broker, jsm };
}

test("I31: a task that ends while its result is being read is heard of", async (t) => {
  await using muster = await startMuster();
  await using other = await connectAgain(muster);
  const VoTask = defineBareTask({ name: "VoTask", per: "vo", keepResult, execute: () => "between" });
  const held = withHeldReading(other.broker, async () => {
    await muster.startWorker({ tasks: [VoTask] });
    await muster.event("done", "between");
    await muster.settled();
  });
  await muster.publish(VoTask, { vo: "lhcb", taskId: "between" });
  // Without its VO nobody can tell that its message has gone.
  t.is(await within(createPublisher(held).resultOf(VoTask, "between"), () => "the result"), "between");
});

test("I31: a wait holds over a hard restart of the server, and a kept result outlives it", async (t) => {
  await using muster = await startMuster();
  const goOn = Promise.withResolvers<void>();
  const SlowTask = defineBareTask({ name: "SlowTask", keepResult, execute: () => goOn.promise.then(() => "late") });
  await muster.startWorker({ tasks: [SlowTask, SumTask] });
  const before = await muster.publish(SumTask, { payload: { numbers: [1] }, keepResult });
  await before.result();
  const slow = await muster.publish(SlowTask);
  const waiting = slow.result();
  await muster.event("started", slow.taskId);
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  goOn.resolve();
  t.is(await within(waiting, () => "the result"), "late");
  t.is((await before.result()).sum, 1);
});

test("a message under the id of a task that is done is refused, and the task's result stays", async (t) => {
  await using muster = await startMuster();
  await using database = await createTestDatabase(server);
  const OnceTask = defineSqlTask({
    name: "OnceTask",
    keepResult,
    payload: Numbered,
    execute: ({ payload }) => payload,
  });
  await muster.startWorker({ tasks: [OnceTask], ...database.forWorker });
  const { taskId, ...handle } = await muster.publish(OnceTask, { taskId: "mine", payload: { number: 1 } });
  t.deepEqual(await handle.result(), { number: 1 });
  const headers = newHeaders();
  headers.set("Task-Id", taskId);
  headers.set("Task-Attempt", "2");
  await muster.broker.js.publish("tasks.OnceTask._", '{"number":2}', { headers });
  await muster.event("refused", taskId);
  t.deepEqual(await handle.result(), { number: 1 });
});

test("a requeued task's earlier end is forgotten, and its next end is the one that counts", async (t) => {
  await using muster = await startMuster();
  let isDown = true;
  const FlakyTask = defineBareTask({
    name: "FlakyTask",
    keepResult,
    retry: noRetry(),
    execute: () => (isDown ? Promise.reject(new Error("down")) : "up"),
  });
  await muster.startWorker({ tasks: [FlakyTask] });
  const handle = await muster.publish(FlakyTask);
  await t.throwsAsync(() => handle.result(), { instanceOf: TaskNotDoneError });
  isDown = false;
  for await (const letter of deadLetters(muster.broker)) await requeueDeadLetter(muster.broker, letter);
  t.is(await muster.resultOf(FlakyTask, handle.taskId), "up");
});

test("who waits for a task of a VO that is removed hears that it was dropped", async (t) => {
  await using muster = await startMuster({ vos: ["gone", "stays"] });
  const WaitsTask = defineBareTask({ name: "WaitsTask", per: "vo", execute() {} });
  const handle = await muster.publish(WaitsTask, { vo: "gone", keepResult });
  await muster.removeVo("gone");
  await using _scheduler = await startScheduler({
    ...{ broker: muster.broker, nats: { url: muster.nats.url }, app: "test", tasks: [WaitsTask] },
  });
  const error = await t.throwsAsync(() => handle.result(), { instanceOf: TaskNotDoneError });
  t.like(error, { outcome: "dropped", error: "VO gone was removed" });
});

test("progress is sent at once and then twice a second at most, the newest one, and goes with the run; nonsense is left out", async (t) => {
  await using muster = await startMuster();
  const told: string[] = [];
  muster.broker.nc.subscribe("$KV.results.progress.>", {
    callback: (_error, message) => void told.push(message.headers?.get("KV-Operation") || message.string()),
  });
  await muster.broker.nc.flush();
  const goOn = Promise.withResolvers<void>();
  const CountTask = defineBareTask({
    name: "CountTask",
    async execute({ progress }) {
      progress(Number.NaN, 1);
      for (let done = 1; done <= 1_000; done++) progress(done, 1_000, `CE ${done}\u001b[31m\n${"x".repeat(5_000)}`);
      await goOn.promise;
    },
  });
  await muster.startWorker({ tasks: [CountTask] });
  const { taskId } = await muster.publish(CountTask, { taskId: "count > *" });
  await until(async () => (told.length === 2 ? true : undefined), "the second update");
  const stored = async () => (await muster.broker.buckets.results.get("progress.count=20=3E=20=2A"))?.json<Progress>();
  const entry = await until(async () => {
    const found = await stored();
    return found?.done === 1_000 ? found : undefined;
  }, "the newest progress");
  t.like(entry, { done: 1_000, total: 1_000, attempt: 1 });
  const note = entry.note ?? "";
  t.regex(note, /^CE 1000 \[31m xxx.*\.\.\.$/);
  t.true(Buffer.byteLength(note) <= 1024);
  t.like(JSON.parse(told[0] ?? ""), { done: 1 });
  goOn.resolve();
  await muster.event("done", taskId);
  await until(async () => (told.length === 3 ? true : undefined), "the end of the progress");
  t.is(told[2], "PURGE");
  await until(async () => ((await muster.results("progress.")).length === 0 ? true : undefined), "no progress");
});
