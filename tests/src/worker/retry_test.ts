import {
  atLeastOnceFactory,
  exponentialBackoff,
  NeverRetry,
  noRetry,
  RetryTask,
  type RetryPolicy,
} from "@muster/tasks";
import test from "ava";
import * as z from "zod";
import { type Muster, startMuster } from "../support/muster.ts";
import { openOldClient } from "../support/old_client.ts";

const defineTask = atLeastOnceFactory();
const soon = exponentialBackoff({ maxRetries: 3, firstDelayMs: 1, maxDelayMs: 1 });

/** `policy`, and all that it was asked. */
function watched(policy: RetryPolicy): RetryPolicy & { readonly seen: { error: unknown; attempt: number }[] } {
  const seen: { error: unknown; attempt: number }[] = [];
  return {
    name: policy.name,
    seen,
    decide(failure) {
      seen.push(failure);
      return policy.decide(failure);
    },
  };
}

test("maxRetries 3 gives four runs under one id, and the policy sees the error that was thrown, itself", async (t) => {
  const retry = watched(soon);
  const thrown: Error[] = [];
  const runs: { taskId: string; attempt: number }[] = [];
  const FailTask = defineTask({
    name: "FailTask",
    per: "vo",
    retry,
    execute({ taskId, attempt }) {
      runs.push({ taskId, attempt });
      const error = new RangeError(`no. ${attempt}`);
      thrown.push(error);
      throw error;
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [FailTask] });
  const { taskId } = await muster.publish(FailTask, { vo: "lhcb" });
  await muster.event("dead", taskId);
  t.deepEqual(
    runs,
    [1, 2, 3, 4].map((attempt) => ({ taskId, attempt })),
  );
  t.deepEqual(
    retry.seen.map(({ attempt }) => attempt),
    [1, 2, 3, 4],
  );
  for (const [index, { error }] of retry.seen.entries()) t.is(error, thrown[index]);
  await muster.settled();
  const letters = await muster.deadLetters();
  t.is(letters.length, 1);
  t.like(letters[0], { taskId, attempt: 4, reason: "RangeError: no. 4" });
  t.deepEqual(
    letters[0]?.errors,
    [1, 2, 3, 4].map((attempt) => `RangeError: no. ${attempt}`),
  );
});

test("a task may ask for another attempt at its own time, or for none", async (t) => {
  const times: number[] = [];
  const AskTask = defineTask({
    name: "AskTask",
    per: "vo",
    retry: exponentialBackoff({ maxRetries: 3, firstDelayMs: 60_000 }),
    execute({ attempt }) {
      times.push(Date.now());
      if (attempt === 1) throw new RetryTask("not yet", { delayMs: 300 });
      throw new NeverRetry("never");
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [AskTask] });
  const { taskId } = await muster.publish(AskTask, { vo: "lhcb" });
  t.is((await muster.event("dead", taskId)).attempt, 2);
  const [first = 0, second = 0] = times;
  t.true(second - first >= 300, `the second attempt came after ${second - first} ms`);
});

test("a task that is dropped leaves no dead letter, and its event tells why", async (t) => {
  const DropTask = defineTask({
    name: "DropTask",
    per: "vo",
    retry: noRetry({ then: "drop" }),
    execute() {
      throw new Error("the CE did not take it");
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [DropTask] });
  const { taskId } = await muster.publish(DropTask, { vo: "lhcb" });
  t.like(await muster.event("dropped", taskId), { attempt: 1, reason: "Error: the CE did not take it" });
  await muster.settled();
  t.is((await muster.deadLetters()).length, 0);
});

test("a retry keeps who asked for the task: parent, group and trace", async (t) => {
  const headers = {
    "Task-Id": "child",
    "Task-Parent": "parent",
    "Task-Group": "group",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  const OnceMoreTask = defineTask({
    name: "OnceMoreTask",
    per: "vo",
    retry: exponentialBackoff({ firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 }),
    execute() {
      throw new Error("later");
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [OnceMoreTask] });
  await using client = await openOldClient(muster.nats.url);
  await client.publish("tasks.OnceMoreTask.lhcb", { headers });
  await muster.event("retry", "child");
  const retry = await muster.broker.jsm.streams.getMessage("LATER", { last_by_subj: "later.>" });
  for (const [name, value] of Object.entries(headers)) t.is(retry?.header.get(name), value);
  t.is(retry?.header.get("Task-Attempt"), "2");
});

test("an error of 100 kB with control characters and markup is one dead letter on one line of a kilobyte, and the queue goes on", async (t) => {
  const WildTask = defineTask({
    name: "WildTask",
    per: "vo",
    payload: z.object({ wild: z.boolean() }),
    retry: noRetry(),
    execute({ payload }) {
      if (payload.wild) throw new Error(`<b>\u001b[31m\r\nDead-Reason: forged\u0000${"ä".repeat(50_000)}`);
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [WildTask] });
  const wild = await muster.publish(WildTask, { vo: "lhcb", payload: { wild: true } });
  await muster.event("dead", wild.taskId);
  const tame = await muster.publish(WildTask, { vo: "lhcb", payload: { wild: false } });
  await muster.event("done", tame.taskId);
  const [letter, ...others] = await muster.deadLetters();
  t.is(others.length, 0);
  t.true(letter?.reason.startsWith("Error: <b> [31m Dead-Reason: forged ääää"));
  t.true(Buffer.byteLength(letter?.reason ?? "") <= 1_024);
  t.regex(letter?.reason ?? "", /^[^\p{C}]*\.\.\.$/u);
});

const BROKEN: readonly (readonly [what: string, retry: RetryPolicy])[] = [
  [
    "throws",
    {
      name: "Broken",
      decide: () => {
        throw new Error("division by zero");
      },
    },
  ],
  ["gives no time", { name: "Broken", decide: () => ({ kind: "retry", delayMs: Number.NaN }) }],
  ["gives no end", { name: "Broken", decide: () => ({ kind: "retry", delayMs: Number.POSITIVE_INFINITY }) }],
  ["gives a time before now", { name: "Broken", decide: () => ({ kind: "retry", delayMs: -1 }) }],
];

for (const [what, retry] of BROKEN) {
  test(`a retry policy that ${what} ends its task with a dead letter that says so`, async (t) => {
    const FailTask = defineTask({
      name: "FailTask",
      per: "vo",
      retry,
      execute() {
        throw new Error("the task's own");
      },
    });
    await using muster = await startMuster();
    await muster.startWorker({ tasks: [FailTask] });
    const { taskId } = await muster.publish(FailTask, { vo: "lhcb" });
    t.regex((await muster.event("dead", taskId)).reason ?? "", /Broken.*the task's own/);
    await muster.settled();
  });
}

test("a task whose locks cannot be named fails by its policy, and does not go round for ever", async (t) => {
  const LostTask = defineTask({
    name: "LostTask",
    per: "vo",
    retry: noRetry(),
    locks() {
      throw new TypeError("no such lock");
    },
    execute() {},
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [LostTask] });
  const { taskId } = await muster.publish(LostTask, { vo: "lhcb" });
  t.is((await muster.event("dead", taskId)).reason, "TypeError: no such lock");
  await muster.settled();
});

test("a payload at which the schema itself breaks is refused with what it said", async (t) => {
  const Broken = z.object({ name: z.string() }).refine(() => {
    throw new Error("the rule is broken");
  });
  const BreakTask = defineTask({ name: "BreakTask", per: "vo", payload: Broken, execute() {} });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [BreakTask] });
  await using client = await openOldClient(muster.nats.url);
  await client.publish("tasks.BreakTask.lhcb", { headers: { "Task-Id": "broken" }, body: '{"name":"Ada"}' });
  t.regex((await muster.event("refused", "broken")).reason ?? "", /the rule is broken/);
  await t.throwsAsync(muster.publish(BreakTask, { vo: "lhcb", payload: { name: "Ada" } }), {
    name: "PayloadRefusedError",
  });
});

test("the attempt that a raw message claims counts where the ledger knows none for no more than its retries", async (t) => {
  const ClaimTask = defineTask({
    name: "ClaimTask",
    per: "vo",
    retry: soon,
    execute() {
      throw new Error("no");
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [ClaimTask] });
  await using client = await openOldClient(muster.nats.url);
  await client.publish("tasks.ClaimTask.lhcb", { headers: { "Task-Id": "claims", "Task-Attempt": "17" } });
  t.is((await muster.event("dead", "claims")).attempt, 17);
});

const OLDER = "TickTask/lhcb/default/2027-01-01T12:00:00.000Z";
const NEWER = "TickTask/lhcb/default/2027-01-01T12:01:00.000Z";

/** Runs an occurrence that fails its first attempt, when a newer one is out as the scheduler brings it. Resolves when the newer one is done. */
async function overtake(muster: Muster, policy: Pick<Parameters<typeof defineTask>[0], "missed" | "overlap">) {
  const ran: string[] = [];
  const TickTask = defineTask({
    name: "TickTask",
    per: "vo",
    retry: soon,
    ...policy,
    async execute({ taskId, attempt }) {
      ran.push(`${taskId} ${attempt}`);
      if (taskId === NEWER || attempt > 1) return;
      // Once this one's message is gone: the marker, and behind it the occurrence.
      await muster.broker.js.publish("markers.TickTask.lhcb.default", '{"dueAt":"2027-01-01T12:01:00.000Z"}');
      await muster.publish(TickTask, { vo: "lhcb", taskId: NEWER });
      throw new Error("no");
    },
  });
  await muster.startWorker({ tasks: [TickTask] });
  await muster.publish(TickTask, { vo: "lhcb", taskId: OLDER });
  await muster.event("done", NEWER);
  return ran;
}

for (const policy of [{ missed: "all" }, { overlap: "allow" }] as const) {
  test(`with ${JSON.stringify(policy)} a retry of an occurrence runs, though a newer one is out: each of them counts`, async (t) => {
    await using muster = await startMuster();
    const ran = await overtake(muster, policy);
    t.is((await muster.event("done", OLDER)).attempt, 2);
    t.deepEqual(ran.toSorted(), [`${OLDER} 1`, `${OLDER} 2`, `${NEWER} 1`]);
  });
}

test("a retry of an occurrence makes way for the newer one that is out by then", async (t) => {
  await using muster = await startMuster();
  const ran = await overtake(muster, {});
  t.regex((await muster.event("dropped", OLDER)).reason ?? "", /a newer occurrence/);
  await muster.settled();
  t.deepEqual(ran.toSorted(), [`${OLDER} 1`, `${NEWER} 1`]);
  t.deepEqual(await muster.deadLetters(), []);
});
