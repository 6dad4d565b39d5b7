import test from "ava";
import type { Middleware } from "../definition/middleware.ts";
import { createHookGate } from "./hook_gate.ts";

const task = { task: "SomeTask", vo: "lhcb", taskId: "some", payload: {} };

function gateOf(publish: NonNullable<Middleware["publish"]>, patienceMs?: number) {
  const gate = createHookGate([{ name: "hook", publish }], patienceMs === undefined ? {} : { patienceMs });
  if (gate === undefined) throw new Error("there is no gate");
  return gate;
}

test("a task passes with the headers of its publisher and those that the hook gives it", async (t) => {
  const gate = gateOf(async ({ headers, taskId }, next) => {
    headers["X-Seen"] = taskId;
    await next();
  });
  const gated = await gate.pass({ ...task, headers: { traceparent: "00-a-b-01" } });
  t.deepEqual(gated, { kind: "passed", headers: { traceparent: "00-a-b-01", "X-Seen": "some" } });
});

test("a task is refused by a hook that throws, and by a header that no message can carry", async (t) => {
  const thrown = await gateOf(() => Promise.reject(new Error("not today"))).pass(task);
  t.like(thrown, { kind: "refused", error: { message: "not today" } });
  const wrong = gateOf(async ({ headers }, next) => {
    headers["Nats-TTL"] = "1s";
    await next();
  });
  t.like(await wrong.pass(task), { kind: "refused", error: { name: "InvalidNameError" } });
});

test("a late hook is called once, holds up no other task, and its own one passes at a later turn", async (t) => {
  const goOn = Promise.withResolvers<void>();
  const called: string[] = [];
  const gate = gateOf(async ({ taskId }, next) => {
    called.push(taskId);
    if (taskId === "some") await goOn.promise;
    await next();
  }, 5);
  for (let turn = 0; turn < 3; turn++) t.is((await gate.pass(task)).kind, "late");
  goOn.resolve();
  t.is((await gate.pass(task)).kind, "passed");
  t.deepEqual(called, ["some"]);
  t.is((await gate.pass(task)).kind, "passed");
  t.deepEqual(called, ["some", "some"]);
});

test("without a hook around a publish there is no gate", (t) => {
  t.is(createHookGate([{ name: "runs only", run: (_run, next) => next() }]), undefined);
});
