import { setTimeout as pause } from "node:timers/promises";
import test from "ava";
import * as z from "zod";
import { CancelledError } from "../cancel/cancellation.ts";
import { defineLockType } from "../definition/lock_type.ts";
import { exponentialBackoff, noRetry, NeverRetry } from "../definition/retry.ts";
import { atLeastOnceFactory, type TaskDefinition, taskFactory } from "../definition/task.ts";
import { type TestClock, testClock } from "./clock.ts";
import { MissingDepError } from "./given_deps.ts";
import { memoryLedger } from "./memory_ledger.ts";
import { runTask } from "./run_task.ts";
import { runTaskToEnd } from "./run_task_to_end.ts";

interface Deps {
  submit(ce: string): Promise<string>;
  write(text: string): Promise<void>;
  log(message: string, fields: object): void;
}

const defineTask = taskFactory<Deps>();
const ceLock = defineLockType("kit_ce");

const ChildTask = defineTask({
  name: "ChildTask",
  per: "vo",
  payload: z.strictObject({ ce: z.string() }),
  execute() {},
});

const SubmitTask = defineTask({
  name: "SubmitTask",
  per: "vo",
  payload: z.strictObject({ ce: z.string(), count: z.int().default(1) }),
  retry: exponentialBackoff({ maxRetries: 2, firstDelayMs: 60_000, random: () => 1 }),
  locks: ({ ce }, vo) => [ceLock.mutex(`${vo}.${ce}`)],
  async execute({ deps, payload, spawn, leases, now }) {
    deps.log("submits", { ce: payload.ce });
    spawn(ChildTask, { ce: payload.ce }, { at: new Date(now().getTime() + 3_600_000) });
    await ChildTask.schedule({ payload: { ce: "other" } });
    return { id: await deps.submit(payload.ce), count: payload.count, keys: leases.map(({ key }) => key) };
  },
});

const submits = { submit: async (ce: string) => `pilot at ${ce}` };

test("a run that is done tells result, children, log, locks and its row, without any server", async (t) => {
  const outcome = await runTask(SubmitTask, {
    vo: "lhcb",
    payload: { ce: "ce01" },
    taskId: "t1",
    clock: testClock("2026-02-01T10:00:00Z"),
    deps: ({ log }) => ({ ...submits, log }),
  });
  t.like(outcome, {
    kind: "done",
    task: "SubmitTask",
    vo: "lhcb",
    taskId: "t1",
    attempt: 1,
    locks: ["kit_ce.lhcb.ce01"],
  });
  t.deepEqual(outcome.result, { id: "pilot at ce01", count: 1, keys: ["kit_ce.lhcb.ce01"] });
  t.deepEqual(
    outcome.spawned.map(({ task, vo, payload, startAt }) => ({ task, vo, payload, startAt })),
    [
      { task: "ChildTask", vo: "lhcb", payload: { ce: "ce01" }, startAt: "2026-02-01T11:00:00.000Z" },
      { task: "ChildTask", vo: "lhcb", payload: { ce: "other" }, startAt: undefined },
    ],
  );
  t.deepEqual(outcome.scheduled, outcome.spawned.slice(0, 1));
  t.deepEqual(outcome.logged, [{ level: "info", message: "submits", fields: { ce: "ce01" } }]);
  t.like(outcome.row, { outcome: "done", attempt: 1, result: outcome.result });
});

test("all progress that a run told is in its outcome, also of one that failed, and nonsense is left out", async (t) => {
  const CountTask = atLeastOnceFactory()({
    name: "CountTask",
    execute({ progress }) {
      progress(Number.NaN, 2);
      for (const done of [1, 2]) progress(done, 2, "CEs\nasked");
      throw new Error("down");
    },
  });
  const { kind, progress } = await runTask(CountTask);
  t.is(kind, "retry");
  t.deepEqual(progress, [
    { done: 1, total: 2, note: "CEs asked" },
    { done: 2, total: 2, note: "CEs asked" },
  ]);
});

test("a payload that the schema does not take is refused with its field, and nothing runs", async (t) => {
  const deps = () => ({ submit: () => t.fail() as never });
  const outcome = await runTask(SubmitTask, { vo: "lhcb", body: '{"ce":7}', deps });
  t.is(outcome.kind, "refused");
  t.regex(String(outcome.error), /ce: expected a text, found a number/);
  t.is((await runTask(SubmitTask, { vo: "lhcb", body: "{" })).kind, "refused");
});

test("a failed attempt is tried again when its policy says so, by the test's clock, and spawns nothing", async (t) => {
  const down = new Error("the CE is down");
  const outcome = await runTask(SubmitTask, {
    vo: "lhcb",
    payload: { ce: "ce01" },
    clock: testClock("2026-02-01T10:00:00Z"),
    deps: ({ log }) => ({ log, submit: () => Promise.reject(down) }),
  });
  t.like(outcome, {
    kind: "retry",
    attempt: 1,
    dueAt: new Date("2026-02-01T10:01:00Z"),
    spawned: [],
    result: undefined,
  });
  t.is(outcome.error, down);
  t.is(outcome.logged.length, 1);
  t.deepEqual(outcome.row?.errors, ["Error: the CE is down"]);
});

test("an attempt of a given number, an error for ever and a policy that drops end as they do in a worker", async (t) => {
  const fails = (error: Error) => ({ log: () => {}, submit: () => Promise.reject(error) });
  const run = { vo: "lhcb", payload: { ce: "ce01" } };
  t.is((await runTask(SubmitTask, { ...run, attempt: 3, deps: () => fails(new Error("down")) })).kind, "dead");
  t.is((await runTask(SubmitTask, { ...run, deps: () => fails(new NeverRetry("gone")) })).kind, "dead");
  const DropTask = { ...SubmitTask, retry: noRetry({ then: "drop" }) };
  t.is((await runTask(DropTask, { ...run, deps: () => fails(new Error("down")) })).kind, "dropped");
});

test("attempt after attempt runs without waiting, each at its due time, until the task is done or dead", async (t) => {
  const clock = testClock("2026-02-01T10:00:00Z");
  const seen: string[] = [];
  const submit = async () => {
    seen.push(clock.now().toISOString());
    if (seen.length < 3) throw new Error("down");
    return "pilot";
  };
  const run = { vo: "lhcb", payload: { ce: "ce01" } };
  const outcomes = await runTaskToEnd(SubmitTask, { ...run, clock, deps: () => ({ submit, log: () => {} }) });
  t.deepEqual(
    outcomes.map(({ kind, attempt }) => [kind, attempt]),
    [
      ["retry", 1],
      ["retry", 2],
      ["done", 3],
    ],
  );
  t.deepEqual(seen, ["2026-02-01T10:00:00.000Z", "2026-02-01T10:01:00.000Z", "2026-02-01T10:03:00.000Z"]);
  const down = () => ({ log: () => {}, submit: () => Promise.reject(new Error("down")) });
  const dead = await runTaskToEnd(SubmitTask, { ...run, deps: down });
  t.like(dead.at(-1), { kind: "dead", attempt: 3 });
  t.is(dead.at(-1)?.row?.errors.length, 3);
});

test("attempts of a task that is at least once follow each other too, with the errors before them", async (t) => {
  const FlakyTask = atLeastOnceFactory()({
    name: "FlakyTask",
    retry: exponentialBackoff({ maxRetries: 1, firstDelayMs: 1_000 }),
    execute: () => Promise.reject(new Error("down")),
  });
  const outcomes = await runTaskToEnd(FlakyTask);
  t.deepEqual(
    outcomes.map(({ kind }) => kind),
    ["retry", "dead"],
  );
  t.is(outcomes[1]?.row?.errors.length, 2);
});

test("with one ledger an id runs once, goes on after its last attempt, and belongs to one payload", async (t) => {
  const ledger = memoryLedger();
  const run = { vo: "lhcb", payload: { ce: "ce01" }, taskId: "t1", ledger };
  const fails = () => ({ log: () => {}, submit: () => Promise.reject(new Error("down")) });
  t.like(await runTask(SubmitTask, { ...run, deps: fails }), { kind: "retry", attempt: 1 });
  t.like(await runTask(SubmitTask, { ...run, attempt: 1, deps: fails }), { kind: "duplicate" });
  t.like(await runTask(SubmitTask, { ...run, deps: () => ({ ...submits, log: () => {} }) }), {
    kind: "done",
    attempt: 2,
  });
  t.like(await runTask(SubmitTask, { ...run, deps: fails }), { kind: "duplicate", row: { outcome: "done" } });
  t.deepEqual(
    ledger.rows().map(({ taskId, outcome }) => [taskId, outcome]),
    [["t1", "done"]],
  );
  await t.throwsAsync(runTask(SubmitTask, { ...run, payload: { ce: "ce02" } }), {
    message: /id already used by another payload/,
  });
});

test("what a task uses and the test does not give is named, also where the task swallows the error", async (t) => {
  const run = { vo: "lhcb", payload: { ce: "ce01" } };
  const error = await t.throwsAsync(runTask(SubmitTask, { ...run, deps: () => ({ log: () => {} }) }), {
    instanceOf: MissingDepError,
  });
  t.is(
    error.message,
    "Cannot use deps.submit in SubmitTask: this test gives only log; give runTask deps: () => ({ log, submit })",
  );
  const CalmTask = defineTask({
    name: "CalmTask",
    execute: ({ deps }) =>
      Promise.resolve()
        .then(() => deps.submit("ce01"))
        .catch(() => "calm"),
  });
  await t.throwsAsync(runTask(CalmTask), { message: /deps\.submit in CalmTask: this test gives no deps/ });
});

test("deps of a class with private fields reach the task as they are", async (t) => {
  class Site implements Pick<Deps, "submit"> {
    readonly #name = "site";
    submit = async () => this.#name;
    log(): void {}
  }
  const SiteTask = defineTask({ name: "SiteTask", execute: ({ deps }) => deps.submit("ce01") });
  t.is((await runTask(SiteTask, { deps: () => new Site() })).result, "site");
});

test("a run has the transaction that the test gives, and says so where it asks for one that is not there", async (t) => {
  const WriteTask = taskFactory<Pick<Deps, "write">>()({
    name: "WriteTask",
    retry: noRetry(),
    execute: ({ deps }) => deps.write("a row"),
  });
  const written: string[] = [];
  const ledger = memoryLedger({ begin: () => written });
  const writes = await runTask(WriteTask, {
    ledger,
    deps: ({ transaction }) => ({ write: async (text) => void (await transaction()).push(text) }),
  });
  t.is(writes.kind, "done");
  t.deepEqual(written, ["a row"]);
  const none = await runTask(WriteTask, {
    deps: ({ transaction }) => ({ write: async () => void (await transaction()) }),
  });
  t.regex(
    String(none.error),
    /Cannot open a transaction for WriteTask: this test has no database; give runTask a ledger/,
  );
});

test("an aborted run is abandoned with the reason, a cancelled one is cancelled, and a run over its timeout has failed", async (t) => {
  const WaitTask = atLeastOnceFactory()({
    name: "WaitTask",
    timeoutMs: 1,
    retry: noRetry(),
    execute: ({ signal }) => pause(600_000, undefined, { signal }),
  });
  t.like(await runTask(WaitTask), { kind: "dead", error: { name: "TaskTimeoutError" } });
  const reason = new Error("the worker drains");
  const LongTask = { ...WaitTask, timeoutMs: 600_000 };
  const outcome = await runTask(LongTask, { signal: AbortSignal.abort(reason) });
  t.is(outcome.kind, "abandoned");
  t.is(outcome.error, reason);
  t.is(outcome.row, undefined);
  const wish = { id: "test", of: "task", at: "2027-01-31T12:00:00Z", by: "ana@ui01" } as const;
  const cancelled = await runTask(LongTask, { signal: AbortSignal.abort(new CancelledError(wish)) });
  t.like(cancelled, { kind: "cancelled", row: { outcome: "cancelled", errors: ["cancelled by ana@ui01"] } });
});

test("mistakes of the test are thrown and are no outcome", async (t) => {
  const anyTask: TaskDefinition = SubmitTask;
  await t.throwsAsync(runTask(anyTask, { payload: { ce: "ce01" } }), { name: "InvalidNameError" });
  const ledger = { ...memoryLedger(), transactionTimeoutMs: 1_000 };
  await t.throwsAsync(runTask(SubmitTask, { vo: "lhcb", payload: { ce: "ce01" }, ledger }), { instanceOf: TypeError });
});

test("a clock stands still, and goes where the test sets it", (t) => {
  const clock: TestClock = testClock();
  t.is(clock.now().toISOString(), "2026-01-01T00:00:00.000Z");
  clock.advance({ days: 1, seconds: 0.5 });
  t.is(clock.now().toISOString(), "2026-01-02T00:00:00.500Z");
  clock.set("2025-01-01T00:00:00Z");
  t.is(clock.now().toISOString(), "2025-01-01T00:00:00.000Z");
  t.throws(() => clock.set("soon"), {
    message: "Cannot set the clock to soon: it is no time; give a Date or RFC 3339",
  });
  t.throws(() => clock.advance({ seconds: -1 }), { instanceOf: RangeError });
});

test("a body of an older version is migrated as a worker does it, and a step that fails refuses it", async (t) => {
  const MovedTask = atLeastOnceFactory()({
    name: "MovedTask",
    payload: z.strictObject({ to: z.string() }),
    payloadVersion: 2,
    migrate: { 1: ({ place }: { place: string }) => ({ to: place.trim() }) },
    execute: ({ payload }) => payload.to,
  });
  const moved = await runTask(MovedTask, { body: '{"place":" here "}', payloadVersion: 1 });
  t.is(moved.result, "here");
  t.is((await runTask(MovedTask, { payload: { to: "there" } })).result, "there");
  t.is((await runTask(MovedTask, { body: "{}", payloadVersion: 1 })).kind, "refused");
});
