import test from "ava";
import { exponentialBackoff, NeverRetry, noRetry, RetryTask } from "./retry.ts";

const error = new Error("any");

test("delays grow by the factor up to the cap, and each is drawn between its half and its whole", (t) => {
  for (const [random, part] of [
    [() => 0, 0.5],
    [() => 0.5, 0.75],
    [() => 0.999_999_999, 1],
  ] as const) {
    const policy = exponentialBackoff({ maxRetries: 6, firstDelayMs: 1_000, factor: 3, maxDelayMs: 20_000, random });
    const delays = [1, 2, 3, 4, 5, 6].map((attempt) => policy.decide({ error, attempt }));
    const full = [1_000, 3_000, 9_000, 20_000, 20_000, 20_000];
    t.deepEqual(
      delays,
      full.map((ms) => ({ kind: "retry" as const, delayMs: Math.round(ms * part) })),
    );
  }
});

test("tasks that failed together do not come back together", (t) => {
  const policy = exponentialBackoff({ firstDelayMs: 100_000 });
  const delays = Array.from({ length: 50 }, () => JSON.stringify(policy.decide({ error, attempt: 1 })));
  t.true(new Set(delays).size > 40);
});

test("maxRetries 3 allows four attempts, and 0 one", (t) => {
  const policy = exponentialBackoff({ maxRetries: 3 });
  t.is(policy.decide({ error, attempt: 3 }).kind, "retry");
  t.is(policy.decide({ error, attempt: 4 }).kind, "dead");
  t.is(exponentialBackoff({ maxRetries: 0, then: "drop" }).decide({ error, attempt: 1 }).kind, "drop");
});

test("a task's own word goes before the computed delay, but not beyond the retries", (t) => {
  const policy = exponentialBackoff({ maxRetries: 2, then: "drop" });
  const asks = new RetryTask("busy", { delayMs: 17 });
  t.deepEqual(policy.decide({ error: asks, attempt: 2 }), { kind: "retry", delayMs: 17 });
  t.deepEqual(policy.decide({ error: asks, attempt: 3 }), { kind: "drop" });
  t.deepEqual(policy.decide({ error: new NeverRetry("never"), attempt: 1 }), { kind: "drop" });
  t.is(policy.decide({ error: new RetryTask("busy"), attempt: 1 }).kind, "retry");
});

test("NoRetry gives up at once, as it was told to", (t) => {
  t.deepEqual(noRetry().decide({ error, attempt: 1 }), { kind: "dead" });
  t.deepEqual(noRetry({ then: "drop" }).decide({ error: new RetryTask("busy"), attempt: 1 }), { kind: "drop" });
});

test("numbers that make no backoff are refused where it is built", (t) => {
  for (const options of [
    { maxRetries: -1 },
    { maxRetries: 1.5 },
    { firstDelayMs: 0 },
    { factor: 0.5 },
    { maxDelayMs: 1 },
  ]) {
    t.throws(() => exponentialBackoff(options), { instanceOf: RangeError }, JSON.stringify(options));
  }
});
