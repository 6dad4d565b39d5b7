import { startTestServer } from "@muster/ledger/testing";
import {
  atLeastOnceFactory,
  type EndedChild,
  exponentialBackoff,
  noRetry,
  type Run,
  type StartSchedulerOptions,
  startScheduler,
} from "@muster/tasks";
import {
  cancelGroup,
  cancelTask,
  childrenOfGroup,
  listGroups,
  readGroup,
  requeueDeadLetter,
} from "@muster/tasks/operate";
import test from "ava";
import { once } from "node:events";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf, type SqlDeps } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const defineLooseTask = atLeastOnceFactory();
const defineMixedTask = atLeastOnceFactory<SqlDeps>();
const Numbered = z.strictObject({ number: z.number() });

/** What a callback has seen of its group. */
async function seen({ group }: Pick<Run<unknown, unknown>, "group">) {
  if (group === undefined) throw new Error("it is no callback");
  const children: EndedChild[] = [];
  for await (const child of group.children()) children.push(child);
  return { total: group.total, closed: group.closed, children };
}

/** A callback that keeps in its row what it has seen, and leaves its effect. */
const ThenTask = defineSqlTask({
  name: "ThenTask",
  per: "vo",
  async execute(run) {
    await run.deps.sql(effectOf(run.taskId));
    const { total, closed, children } = await seen(run);
    return {
      total,
      closed,
      ends: children.map(({ key, outcome, result, error }) => ({ key, outcome, result, error })),
    };
  },
});

interface Kept {
  readonly closed: string;
  readonly ends: readonly Omit<EndedChild, "taskId" | "task" | "vo">[];
}

/** What a callback has kept in its row. */
async function keptBy(
  ledger: { recall(id: string): Promise<{ result: unknown } | undefined> },
  id: string,
): Promise<Kept> {
  return JSON.parse(JSON.stringify((await ledger.recall(id))?.result));
}

async function scheduler(
  muster: Muster,
  tasks: StartSchedulerOptions["tasks"],
  ledger?: StartSchedulerOptions["ledger"],
) {
  const nats = { url: muster.nats.url };
  return await startScheduler({ broker: muster.broker, nats, app: "test", tasks, ...(ledger && { ledger }) });
}

test("the callback of a group runs once when all children have ended, with their results in order", async (t) => {
  const SquareTask = defineSqlTask({
    name: "SquareTask",
    per: "vo",
    payload: Numbered,
    async execute({ deps, payload: { number }, taskId }) {
      await deps.sql(effectOf(taskId));
      return { square: number * number };
    },
  });
  const FanTask = defineSqlTask({
    name: "FanTask",
    per: "vo",
    execute: ({ spawnGroup }) =>
      spawnGroup(
        Array.from({ length: 20 }, (_, number) => ({ task: SquareTask, payload: { number }, key: `n${number}` })),
        { then: ThenTask },
      ),
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  for (let worker = 0; worker < 2; worker++) {
    await muster.startWorker({ tasks: [FanTask, SquareTask, ThenTask], permits: 4, ...database.forWorker });
  }
  const { taskId } = await muster.publish(FanTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  const id = String((await database.database.ledger.recall(taskId))?.result);
  await muster.event("done", `${id}/then`);
  await muster.settled();
  const row = await database.database.ledger.recall(`${id}/then`);
  const ends = Array.from({ length: 20 }, (_, number) => ({
    ...{ key: `n${number}`, outcome: "done", error: null },
    result: { square: number * number },
  }));
  t.deepEqual(row?.result, { total: 20, closed: "all ended", ends });
  t.is(await database.effects(`${id}/then`), 1);
  t.is((await database.sql("select from effect")).length, 21);
  t.like(await readGroup(muster.broker, id), {
    ...{ total: 20, ended: 20, failed: 0, parent: taskId },
    closed: { why: "all ended" },
    callback: { outcome: "done" },
  });
});

test("a group without children calls back at once", async (t) => {
  const EmptyTask = defineSqlTask({
    name: "EmptyTask",
    per: "vo",
    execute: ({ spawnGroup }) => spawnGroup([], { then: ThenTask }),
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [EmptyTask, ThenTask], ...database.forWorker });
  const { taskId } = await muster.publish(EmptyTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  const id = String((await database.database.ledger.recall(taskId))?.result);
  await muster.event("done", `${id}/then`);
  t.deepEqual((await database.database.ledger.recall(`${id}/then`))?.result, {
    total: 0,
    closed: "all ended",
    ends: [],
  });
});

test("children end in every way, and the callback sees each end once, also of one that is retried, requeued or put away", async (t) => {
  const kinds = ["done", "retried", "dropped", "dead", "cancelled", "delayed"] as const;
  const KindTask = (kind: (typeof kinds)[number]) =>
    defineSqlTask({
      name: `Kind_${kind}`,
      per: "vo",
      retry:
        kind === "retried"
          ? exponentialBackoff({ maxRetries: 1, firstDelayMs: 1, maxDelayMs: 1 })
          : noRetry({ then: kind === "dropped" ? "drop" : "dead" }),
      async execute({ attempt, signal }) {
        if (kind === "cancelled") await once(signal, "abort");
        if (kind === "dropped" || kind === "dead" || (kind === "retried" && attempt === 1)) throw new Error(kind);
        return kind;
      },
    });
  const tasks = kinds.map(KindTask);
  const at = new Date(Date.now() + 20 * 86_400_000);
  const deadline = new Date(Date.now() + 29 * 86_400_000);
  const FanTask = defineSqlTask({
    name: "FanTask",
    per: "vo",
    execute: ({ spawnGroup }) =>
      spawnGroup(
        tasks.map((task, index) => ({ task, key: kinds[index] ?? "", ...(index === 5 && { at }) })),
        { then: ThenTask, deadline },
      ),
  });
  await using database = await createTestDatabase(server);
  const { ledger } = database.database;
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [FanTask, ThenTask, ...tasks], ...database.forWorker });
  await using _scheduler = await scheduler(muster, [FanTask, ThenTask, ...tasks], ledger);
  const { taskId } = await muster.publish(FanTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  const id = String((await ledger.recall(taskId))?.result);
  await muster.event("dead", `${id}/dead`);
  const [letter] = await muster.deadLetters();
  t.is(letter?.taskId, `${id}/dead`);
  if (letter !== undefined) await requeueDeadLetter(muster.broker, letter);
  await muster.event("dead", `${id}/dead`, 2);
  await muster.event("started", `${id}/cancelled`);
  t.is((await cancelTask(muster.broker, `${id}/delayed`, { waitMs: 60_000 })).kind, "cancelled");
  const open = async () => ((await readGroup(muster.broker, id))?.ended === 5 ? true : undefined);
  await until(open, "five ends");
  t.is(await ledger.recall(`${id}/then`), undefined);
  t.is((await cancelTask(muster.broker, `${id}/cancelled`, { waitMs: 60_000 })).kind, "cancelled");
  await muster.event("done", `${id}/then`);
  const { ends } = await keptBy(ledger, `${id}/then`);
  t.deepEqual(
    ends.map(({ key, outcome, result, error }) => [key, outcome, result, error]),
    [
      ["done", "done", "done", null],
      ["retried", "done", "retried", null],
      ["dropped", "dropped", null, "Error: dropped"],
      ["dead", "dead", null, "Error: dead"],
      ["cancelled", "cancelled", null, "cancelled"],
      ["delayed", "cancelled", null, "cancelled"],
    ],
  );
  t.deepEqual(muster.events.of(`${id}/then`), ["started", "done"]);
});

test("under fail fast the first failure calls back, and the rest are cancelled, also those that run", async (t) => {
  const HeldTask = defineSqlTask({ name: "HeldTask", per: "vo", execute: ({ signal }) => once(signal, "abort") });
  const FailTask = defineSqlTask({
    name: "FailTask",
    per: "vo",
    retry: noRetry({ then: "drop" }),
    execute() {
      throw new Error("no luck");
    },
  });
  const FanTask = defineSqlTask({
    name: "FanTask",
    per: "vo",
    execute: ({ spawnGroup }) =>
      spawnGroup([{ task: HeldTask }, { task: HeldTask }, { task: FailTask }, { task: HeldTask }], {
        then: ThenTask,
        policy: "fail fast",
      }),
  });
  await using database = await createTestDatabase(server);
  const { ledger } = database.database;
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [FanTask, HeldTask, FailTask, ThenTask], permits: 4, ...database.forWorker });
  const { taskId } = await muster.publish(FanTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  const id = String((await ledger.recall(taskId))?.result);
  await muster.event("done", `${id}/then`);
  for (const index of [0, 1, 3]) await muster.event("cancelled", `${id}/${index}`);
  await muster.settled();
  const result = await keptBy(ledger, `${id}/then`);
  t.is(result.closed, "failed");
  const group = await readGroup(muster.broker, id);
  const later: string[] = [];
  if (group !== undefined) for await (const child of childrenOfGroup(muster.broker, group)) later.push(child.outcome);
  t.deepEqual(later, ["missing", "missing", "dropped", "missing"], "what ended after the closing does not count");
  t.like(result.ends[2], { outcome: "dropped", error: "Error: no luck" });
  t.is(await database.effects(`${id}/then`), 1);
  t.like(await ledger.recall(`${id}/0`), {
    outcome: "cancelled",
    errors: [`cancelled with its group ${id}: another child of its group has failed`],
  });
});

test("a group whose child was purged is closed at its deadline with that child missing, by the scheduler", async (t) => {
  const LostTask = defineMixedTask({ name: "LostTask", per: "vo", execute() {} });
  const KeptTask = defineMixedTask({ name: "KeptTask", per: "vo", execute: () => 7 });
  const FanTask = defineSqlTask({
    name: "FanTask",
    per: "vo",
    execute: ({ spawnGroup }) =>
      spawnGroup([{ task: KeptTask }, { task: LostTask }], {
        then: ThenTask,
        deadline: new Date(Date.now() + 1_000),
      }),
  });
  await using database = await createTestDatabase(server);
  const { ledger } = database.database;
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [FanTask, KeptTask, ThenTask], ...database.forWorker });
  const { taskId } = await muster.publish(FanTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  const id = String((await ledger.recall(taskId))?.result);
  await muster.event("done", `${id}/0`);
  await muster.broker.jsm.streams.purge("TASKS", { filter: "tasks.LostTask.lhcb" });
  await until(
    async () => (Date.now() > Date.parse((await readGroup(muster.broker, id))?.deadlineAt ?? "") ? true : undefined),
    "the deadline",
  );
  await using _scheduler = await scheduler(muster, [FanTask, KeptTask, LostTask, ThenTask], ledger);
  await muster.event("done", `${id}/then`);
  t.like((await ledger.recall(`${id}/then`))?.result, {
    closed: "deadline",
    ends: [
      { outcome: "done", result: 7 },
      { outcome: "missing", result: null },
    ],
  });
});

test("groups of tasks without a database are nested, cancelled as a whole, and call back once over a restart of the broker", async (t) => {
  const ends: string[] = [];
  const goOn = Promise.withResolvers<void>();
  const inside = Promise.withResolvers<void>();
  const Then = defineLooseTask({
    name: "Then",
    per: "vo",
    payload: z.strictObject({ name: z.string() }),
    async execute(run) {
      const { children } = await seen(run);
      ends.push(`${run.payload.name}: ${children.map(({ outcome, result }) => `${outcome} ${result}`).join(", ")}`);
    },
  });
  const LeafTask = defineLooseTask({
    name: "LeafTask",
    per: "vo",
    payload: Numbered,
    async execute({ payload: { number }, signal }) {
      inside.resolve();
      if (number === 1) await Promise.race([goOn.promise, once(signal, "abort")]);
      return number;
    },
  });
  const InnerTask = defineLooseTask({
    name: "InnerTask",
    per: "vo",
    execute: ({ spawnGroup }) =>
      spawnGroup(
        [0, 1].map((number) => ({ task: LeafTask, payload: { number } })),
        {
          then: { task: Then, payload: { name: "inner" } },
        },
      ),
  });
  const OuterTask = defineLooseTask({
    name: "OuterTask",
    per: "vo",
    execute: ({ spawnGroup }) =>
      spawnGroup([{ task: InnerTask }, { task: LeafTask, payload: { number: 5 } }], {
        then: { task: Then, payload: { name: "outer" } },
      }),
  });
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [OuterTask, InnerTask, LeafTask, Then] });
  await muster.publish(OuterTask, { vo: "lhcb" });
  await until(async () => (ends.length === 1 ? true : undefined), "the outer callback");
  // The callback has told what it has seen before its end is kept.
  const known = async () => {
    const groups = await listGroups(muster.broker);
    return groups[0]?.callback?.outcome === "done" ? groups : undefined;
  };
  const [outer, inner] = await until(known, "the end of the outer callback");
  t.is(ends[0], `outer: done ${inner?.id}, done 5`);
  t.like(outer, { closed: { why: "all ended" } });
  t.like(inner, { total: 2, closed: null });
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  goOn.resolve();
  await until(async () => (ends.length === 2 ? true : undefined), "the inner callback");
  t.is(ends[1], "inner: done 0, done 1");
  await muster.settled();
  t.is(ends.length, 2);
});

test("a group is cancelled as a whole by its id, and its callback still runs, with what had ended", async (t) => {
  const HeldTask = defineSqlTask({ name: "HeldTask", per: "vo", execute: ({ signal }) => once(signal, "abort") });
  const FanTask = defineSqlTask({
    name: "FanTask",
    per: "vo",
    execute: ({ spawnGroup }) =>
      spawnGroup(
        Array.from({ length: 6 }, () => ({ task: HeldTask })),
        { then: ThenTask },
      ),
  });
  await using database = await createTestDatabase(server);
  const { ledger } = database.database;
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [FanTask, HeldTask, ThenTask], permits: 3, ...database.forWorker });
  const { taskId } = await muster.publish(FanTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  const id = String((await ledger.recall(taskId))?.result);
  await muster.event("started", `${id}/2`);
  t.like(await cancelGroup(muster.broker, id, { by: "ana@ui01" }), { id, total: 6, closed: null });
  await muster.event("done", `${id}/then`);
  const group = await readGroup(muster.broker, id);
  t.like(group, { ended: 6, failed: 6, closed: { why: "all ended" } });
  if (group === undefined) return;
  for await (const { outcome, error } of childrenOfGroup(muster.broker, group)) {
    t.deepEqual([outcome, error], ["cancelled", `cancelled with its group ${id} by ana@ui01`]);
  }
});

test("a result that the server's messages have no room for leaves its child done, with size and limit in place of the result", async (t) => {
  const WideTask = defineLooseTask({ name: "WideTask", per: "vo", execute: () => "x".repeat(100_000) });
  const ended = Promise.withResolvers<Awaited<ReturnType<typeof seen>>>();
  const Then = defineLooseTask({ name: "Then", per: "vo", execute: async (run) => ended.resolve(await seen(run)) });
  const FanTask = defineLooseTask({
    name: "FanTask",
    per: "vo",
    execute: ({ spawnGroup }) => spawnGroup([{ task: WideTask }], { then: Then }),
  });
  await using nats = await startTestNats({ config: "max_payload: 131072\n" });
  await using muster = await startMuster({ vos: ["lhcb"], nats });
  await muster.startWorker({ tasks: [FanTask, WideTask, Then] });
  await muster.publish(FanTask, { vo: "lhcb" });
  const { children } = await ended.promise;
  t.like(children, [{ outcome: "done", result: null }]);
  t.regex(children[0]?.error ?? "", /its result has 100002 bytes of JSON; 61440 are the limit/);
});
