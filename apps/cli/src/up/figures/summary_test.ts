import test from "ava";
import { summarize } from "./summary.ts";

test("the summary has every figure, and 0 for what there is none of", (t) => {
  t.deepEqual(summarize({}, {}, 0), {
    pilots: { SUBMITTED: 0, RUNNING: 0, DONE: 0, FAILED: 0 },
    tasks: { done: 0, failed: 0, dead: 0 },
    maxActiveOverCapacity: 0,
  });
});

test("dropped tasks and those that wait for a retry have failed", (t) => {
  const tasks = { done: 5, dropped: 2, retry: 1, dead: 3, cancelled: 4 };
  t.deepEqual(summarize({ DONE: 7 }, tasks, 1), {
    pilots: { SUBMITTED: 0, RUNNING: 0, DONE: 7, FAILED: 0 },
    tasks: { done: 5, failed: 3, dead: 3 },
    maxActiveOverCapacity: 1,
  });
});
