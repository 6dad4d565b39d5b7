import { startTestServer } from "@muster/ledger/testing";
import {
  atLeastOnceFactory,
  createPublisher,
  exponentialBackoff,
  type Middleware,
  middlewareOf,
  noRetry,
  StoredAllTheSameError,
} from "@muster/tasks";
import test from "ava";
import { AsyncLocalStorage } from "node:async_hooks";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";

const server = await startTestServer();
const muster = await startMuster({ vos: ["lhcb"] });
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const defineTask = atLeastOnceFactory();
const vo = "lhcb";

test("a header that a middleware gives at publish reaches each attempt, and its trace reaches the children", async (t) => {
  const ChildTask = defineTask({ name: "TracedChildTask", per: "vo", execute() {} });
  const ThenTask = defineTask({ name: "TracedThenTask", per: "vo", execute() {} });
  const ParentTask = defineTask({
    name: "TracedTask",
    per: "vo",
    retry: exponentialBackoff({ firstDelayMs: 1, maxDelayMs: 1 }),
    execute({ attempt, spawn, spawnGroup }) {
      if (attempt === 1) throw new Error("once more");
      spawn(ChildTask, {});
      spawn(ChildTask, {}, { key: "of its own", headers: { "X-Child": "yes" } });
      spawnGroup([{ task: ChildTask, headers: { "X-Grouped": "yes" } }], { then: ThenTask });
    },
  });
  const seen: (readonly [what: string, headers: Readonly<Record<string, string>>])[] = [];
  const publishing: Middleware = {
    name: "publishing",
    async publish({ headers, parentId }, next) {
      t.is(parentId, undefined);
      headers["traceparent"] = "00-trace-span-01";
      headers["X-Site"] = "cern";
      await next();
      headers["X-Late"] = "has no effect";
    },
  };
  const watching: Middleware = {
    name: "watching",
    async run({ task, attempt, headers }, next) {
      seen.push([`${task} ${attempt}`, headers]);
      await next();
    },
  };
  await muster.startWorker({ tasks: [ParentTask, ChildTask, ThenTask], middleware: [watching] });
  const publisher = createPublisher(muster.broker, { middleware: [publishing] });
  const { taskId } = await publisher.publish(ParentTask, { vo, headers: { "X-Own": "1" } });
  await muster.event("done", taskId);
  await muster.events.find(({ step, task }) => step === "done" && task === ThenTask.name, "the callback");
  await muster.settled();
  const trace = { traceparent: "00-trace-span-01" };
  const own = { ...trace, "X-Own": "1", "X-Site": "cern" };
  t.deepEqual(seen.slice(0, 2), [
    ["TracedTask 1", own],
    ["TracedTask 2", own],
  ]);
  const children = seen.slice(2).map(([, headers]) => headers);
  const inOrder = children.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  t.deepEqual(inOrder, [{ "X-Child": "yes", ...trace }, { "X-Grouped": "yes", ...trace }, trace, trace]);
});

test("a middleware of the worker sees each child in the context of the run that spawns it, and its headers are kept with the row", async (t) => {
  await using database = await createTestDatabase(server);
  const ChildTask = defineSqlTask({ name: "SpannedChildTask", per: "vo", execute() {} });
  const ParentTask = defineSqlTask({
    name: "SpannedTask",
    per: "vo",
    execute: ({ spawn }) => void spawn(ChildTask, {}),
  });
  const span = new AsyncLocalStorage<string>();
  const tracing: Middleware = {
    name: "tracing",
    run: ({ taskId }, next) => span.run(`span of ${taskId}`, next),
    async publish({ parentId, headers }, next) {
      headers["traceparent"] = `${span.getStore()} for ${parentId}`;
      await next();
    },
  };
  await muster.startWorker({ tasks: [ParentTask, ChildTask], ...database.forWorker, middleware: [tracing] });
  const { taskId } = await muster.publish(ParentTask, { vo });
  await muster.event("done", taskId);
  const row = await database.database.ledger.recall(taskId);
  t.deepEqual(row?.spawned[0]?.headers, { traceparent: `span of ${taskId} for ${taskId}` });
  await muster.settled();
});

test("what a hook throws around a run is the task's failure, and nothing of the run is kept", async (t) => {
  await using database = await createTestDatabase(server);
  const NoteTask = defineSqlTask({
    name: "CheckedTask",
    per: "vo",
    retry: noRetry(),
    payload: z.strictObject({ tenant: z.string() }),
    execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => "noted"),
  });
  const ends: unknown[] = [];
  const tenancy: Middleware = {
    name: "tenancy",
    async run({ payload }, next) {
      const { tenant } = payload as { tenant: string };
      if (tenant === "stranger") throw new Error("no such tenant");
      ends.push(await next().catch((error: unknown) => error));
      if (tenant === "late stranger") throw new Error("no such tenant after all");
      return "ignored";
    },
  };
  const worker = await muster.startWorker({ tasks: [NoteTask], ...database.forWorker, middleware: [tenancy] });
  for (const [tenant, step, effects] of [
    ["known", "done", 1],
    ["stranger", "dead", 0],
    ["late stranger", "dead", 0],
  ] as const) {
    const { taskId } = await muster.publish(NoteTask, { vo, payload: { tenant } });
    const told = await muster.event(step, taskId);
    t.is(await database.effects(taskId), effects, tenant);
    const row = await database.database.ledger.recall(taskId);
    if (step === "done") t.is(row?.result, "noted");
    else t.regex(told.reason ?? "", /^Error in middleware "tenancy": no such tenant/);
  }
  t.deepEqual(ends, ["noted", "noted"]);
  t.deepEqual(worker.watcher.alarms, []);
});

test("what a hook throws around a publish refuses the task, and a parent of a refused child has failed and spawns none", async (t) => {
  const refusing: Middleware = {
    name: "refusing",
    async publish({ payload }, next) {
      await next();
      if (payload["number"] === 2) throw new Error("two is one too many");
    },
  };
  const early: Middleware = {
    name: "early",
    async publish({ payload, headers }, next) {
      if (payload["number"] === 3) throw new Error("three are refused before");
      if (payload["number"] === 4) headers["Task-Id"] = "forged";
      await next();
    },
  };
  const ChildTask = defineTask({
    name: "RefusedTask",
    per: "vo",
    payload: z.strictObject({ number: z.number() }),
    execute() {},
  });
  const ParentTask = defineTask({
    name: "RefusedParentTask",
    per: "vo",
    retry: noRetry(),
    execute({ spawn }) {
      for (const number of [1, 2]) spawn(ChildTask, { number });
    },
  });
  await muster.startWorker({ tasks: [ParentTask], middleware: [refusing] });
  const { taskId } = await muster.publish(ParentTask, { vo });
  t.regex((await muster.event("dead", taskId)).reason ?? "", /^Error in middleware "refusing": two is one too many/);
  const publisher = createPublisher(muster.broker, { middleware: [refusing, early] });
  const publish = (number: number) => publisher.publish(ChildTask, { vo, payload: { number } });
  t.is(middlewareOf(await t.throwsAsync(publish(3), { message: /three are refused before/ })), "early");
  await t.throwsAsync(publish(4), { message: /"Task-Id" as header: such names mean something/ });
  const many = [1, 3, 5].map((number) => ({ vo, payload: { number } }));
  await t.throwsAsync(publisher.publishMany(ChildTask, many), { message: /three are refused before/ });
  const { state } = await muster.broker.jsm.streams.info("TASKS", { subjects_filter: "tasks.RefusedTask.>" });
  t.deepEqual(state.subjects, { "tasks.RefusedTask.lhcb": 2 });
  await muster.broker.jsm.streams.purge("TASKS", { filter: "tasks.RefusedTask.>" });
});

test("a hook that throws after the task is stored refuses nothing, and its publisher is told so with the id", async (t) => {
  const GreetTask = defineTask({ name: "LateRefusalTask", per: "vo", execute() {} });
  const late: Middleware = {
    name: "late",
    async publish(_, next) {
      await next();
      throw new Error("too late");
    },
  };
  const publisher = createPublisher(muster.broker, { middleware: [late] });
  const told = await t.throwsAsync(publisher.publish(GreetTask, { vo, taskId: "late-refusal" }), {
    instanceOf: StoredAllTheSameError,
    message: /^LateRefusalTask late-refusal is stored and will run: .*: middleware "late": too late$/,
  });
  t.is(told.taskId, "late-refusal");
  await t.throwsAsync(publisher.publishMany(GreetTask, [{ vo }]), { message: "too late" });
  await muster.startWorker({ tasks: [GreetTask] });
  await muster.event("done", "late-refusal");
});

test("two middlewares of one name are refused before anything is started", async (t) => {
  const twice = [{ name: "twice" }, { name: "twice" }];
  t.throws(() => createPublisher(muster.broker, { middleware: twice }), { message: /of name "twice"/ });
  await t.throwsAsync(muster.startWorker({ tasks: [], middleware: twice }), { message: /of name "twice"/ });
});
