import { defineLockType } from "@muster/tasks";
import { defineSqlTask, effectOf } from "../support/database.ts";

/** A lock that all runs of `DoneTask` want. */
const shared = defineLockType("restore_test");

/** Fencing tokens in the order in which they were given out. */
export const tokens: number[] = [];

/** Has its effect at once, under a lock. */
export const DoneTask = defineSqlTask({
  name: "DoneTask",
  per: "vo",
  locks: () => [shared.mutex("one"), shared.concurrency("two", 1)],
  async execute({ deps, taskId, leases }) {
    tokens.push(leases[0]?.fencingToken ?? 0);
    await deps.sql(effectOf(taskId));
    return "it is done";
  },
});

/** No worker runs it until everything is restored, so it waits. */
export const WaitTask = defineSqlTask({
  name: "WaitTask",
  per: "vo",
  execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => null),
});

/** Runs when the children of a group have ended. */
export const ThenTask = defineSqlTask({
  name: "ThenTask",
  per: "vo",
  execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => null),
});

/** Leaves a child and a group of one child behind. Its result is the group's id. */
export const ParentTask = defineSqlTask({
  name: "ParentTask",
  per: "vo",
  async execute({ deps, taskId, spawn, spawnGroup }) {
    await deps.sql(effectOf(taskId));
    spawn(WaitTask, {}, { key: "child" });
    return spawnGroup([{ task: WaitTask, payload: {}, key: "grouped" }], { then: ThenTask });
  },
});

/** Its first attempt fails, and the next one is an hour away. */
export const RetryTask = defineSqlTask({
  name: "RetryTask",
  per: "vo",
  retry: { name: "in an hour", decide: () => ({ kind: "retry", delayMs: 3_600_000 }) },
  async execute({ deps, attempt, taskId }) {
    if (attempt === 1) throw new Error("not yet");
    await deps.sql(effectOf(taskId));
  },
});
