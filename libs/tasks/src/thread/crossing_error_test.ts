import test from "ava";
import { CancelledError } from "../cancel/cancellation.ts";
import { NeverRetry, RetryTask } from "../definition/retry.ts";
import { TaskTimeoutError } from "../run/attempt.ts";
import { arrive, arriveAll, cross, crossAll } from "./crossing_error.ts";

/** What comes out at the other side. */
function crossed(thrown: unknown): unknown {
  return arrive(structuredClone(cross(thrown)));
}

class SiteError extends Error {
  override readonly name = "SiteError";
  readonly code = "23505";
  readonly severity = "ERROR";
  readonly retry = () => "a function cannot cross";
}

test("an error crosses with name, message, stack, causes and what can be copied of its fields", (t) => {
  const error = new SiteError("ce01 is away", { cause: new TypeError("no route", { cause: "cut" }) });
  const other = crossed(error);
  t.true(other instanceof Error);
  t.like(other, { name: "SiteError", message: "ce01 is away", stack: error.stack, code: "23505", severity: "ERROR" });
  t.false(Object.hasOwn(other as Error, "retry"));
  const { cause } = other as Error;
  t.true(cause instanceof TypeError);
  t.is((cause as Error).cause, "cut");
});

test("an error that means something to a worker has its class and its fields at the other side", (t) => {
  const again = crossed(new RetryTask("the site is busy", { delayMs: 5_000 }));
  t.true(again instanceof RetryTask && again.delayMs === 5_000 && again.name === "RetryTask");
  t.true(crossed(new NeverRetry("the site is closed")) instanceof NeverRetry);
  const late = crossed(new TaskTimeoutError("SlowTask", 100));
  t.true(late instanceof TaskTimeoutError && late.timeoutMs === 100);
  const cancelled = crossed(
    new CancelledError({ id: "t", of: "task", at: "2026-11-28T00:00:00Z", reason: "wrong CE" }),
  );
  t.true(cancelled instanceof CancelledError && cancelled.cancellation.reason === "wrong CE");
});

test("what is no error, what cannot be copied and a ring of causes cross too", (t) => {
  t.is(crossed("a text"), "a text");
  t.is(crossed(undefined), undefined);
  t.is(
    crossed(() => 1),
    "() => 1",
  );
  const ring = new Error("round");
  ring.cause = ring;
  t.is((crossed(ring) as Error).message, "round");
  const fields = arriveAll(
    structuredClone(crossAll({ site: "ce01", error: new RangeError("too far"), at: new Date(0) })),
  );
  t.like(fields, { site: "ce01", at: new Date(0) });
  t.is(String(Reflect.get(fields, "error")), "RangeError: too far");
});
