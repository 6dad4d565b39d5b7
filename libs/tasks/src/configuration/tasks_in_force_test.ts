import test from "ava";
import { exponentialBackoff } from "../definition/retry.ts";
import { type AnyTask, atLeastOnceFactory, taskFactory } from "../definition/task.ts";
import { checkConfiguration } from "./check_configuration.ts";
import { createTasksInForce, describeUnusable, type UnusableTimeout } from "./tasks_in_force.ts";

const OnceTask: AnyTask = taskFactory<undefined>()({ name: "OnceTask", per: "vo", timeoutMs: 60_000, execute() {} });
const FreeTask: AnyTask = atLeastOnceFactory()({ name: "FreeTask", timeoutMs: 60_000, execute() {} });

function open(tasks: object, longestMs?: number) {
  const checked = checkConfiguration(JSON.stringify({ tasks }));
  if (checked.kind !== "good") throw new Error(checked.reason);
  const { configuration } = checked;
  const unusable: UnusableTimeout[] = [];
  const inForce = createTasksInForce({
    configuration: () => configuration,
    longestMs,
    onUnusable: (found) => void unusable.push(found),
  });
  return { ...inForce, unusable };
}

test("a task of which the configuration says nothing is the very definition, whatever it says of others", (t) => {
  const { of } = open({
    FreeTask: { enabled: false, vos: { lhcb: { schedule: "every 5s" } } },
    Other: { timeout: "1s" },
  });
  t.is(of(FreeTask, "lhcb"), FreeTask);
  t.is(of(OnceTask, "lhcb"), OnceTask);
  t.is(of({ ...FreeTask, name: "constructor" }, "lhcb").timeoutMs, 60_000);
});

test("what a task has for one VO goes before what it has for all, field by field, and the rest is the definition's", (t) => {
  const { of } = open({
    OnceTask: {
      timeout: "5m",
      priority: "background",
      vos: { lhcb: { timeout: "90s", retry: { maxRetries: 0, then: "drop" } } },
    },
  });
  t.like(of(OnceTask, "lhcb"), { name: "OnceTask", timeoutMs: 90_000, priority: "background", per: "vo" });
  t.like(of(OnceTask, "cms"), { timeoutMs: 300_000, priority: "background", retry: OnceTask.retry });
  const { retry } = of(OnceTask, "lhcb");
  t.deepEqual(retry.decide({ error: new Error("no"), attempt: 1 }), { kind: "drop" });
});

test("a retry policy of the configuration takes the place of the definition's, with the defaults of the library", (t) => {
  const { of } = open({ FreeTask: { retry: { maxRetries: 2, firstDelay: "10s", factor: 3, maxDelay: "20s" } } });
  const { retry } = of(FreeTask, "_");
  const same = exponentialBackoff({ maxRetries: 2, firstDelayMs: 10_000, factor: 3, maxDelayMs: 20_000 });
  t.is(retry.name, same.name);
  for (const [attempt, fullMs] of [
    [1, 10_000],
    [2, 20_000],
  ] as const) {
    const decision = retry.decide({ error: new Error("no"), attempt });
    if (decision.kind !== "retry") return t.fail(decision.kind);
    t.true(decision.delayMs >= fullMs / 2 && decision.delayMs <= fullMs, String(decision.delayMs));
  }
  t.deepEqual(retry.decide({ error: new Error("no"), attempt: 3 }), { kind: "dead" });
});

test("a timeout above the ledger's longest transaction is told with field and way out and changes nothing, for tasks with an effect once alone", (t) => {
  const tasks = { timeout: "2h", priority: "realtime", vos: { lhcb: { timeout: "3h" }, cms: { timeout: "10m" } } };
  const { of, unusable, longestTimeoutMs } = open({ OnceTask: tasks, FreeTask: tasks }, 600_000);
  t.like(of(OnceTask, "lhcb"), { timeoutMs: 60_000, priority: "realtime" });
  t.deepEqual(unusable, [
    { task: "OnceTask", vo: "lhcb", timeout: "3h", longestMs: 600_000 },
    { task: "OnceTask", vo: undefined, timeout: "2h", longestMs: 600_000 },
  ]);
  t.deepEqual(unusable.map(describeUnusable), [
    "Cannot use tasks.OnceTask.vos.lhcb.timeout of the configuration: it is 3h, and the database ends every transaction of this worker after 10m; it changes nothing. Give at most 10m",
    "Cannot use tasks.OnceTask.timeout of the configuration: it is 2h, and the database ends every transaction of this worker after 10m; it changes nothing. Give at most 10m",
  ]);
  t.is(of(OnceTask, "cms").timeoutMs, 600_000);
  t.is(of(FreeTask, "_").timeoutMs, 7_200_000);
  t.is(longestTimeoutMs([OnceTask]), 600_000);
  t.is(longestTimeoutMs([OnceTask, FreeTask]), 10_800_000);
});
