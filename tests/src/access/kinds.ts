/** An extension with a task of every kind, for tests of rights. */
import { defineExtension } from "@muster/app";
import { atLeastOnceFactory, defineLockType, every, exponentialBackoff, noRetry } from "@muster/tasks";
import * as z from "zod";

const define = atLeastOnceFactory();
const kindLock = defineLockType("kind");
const tallyLock = defineLockType("kind_tally");

/** Fails once, and waits for its retry. */
export const RetriedTask = define({
  ...{ name: "RetriedTask", per: "vo", retry: exponentialBackoff({ firstDelayMs: 300 }) },
  execute({ attempt }) {
    if (attempt === 1) throw new RangeError("once");
  },
});

/** Fails for good. */
export const HopelessTask = define({
  ...{ name: "HopelessTask", per: "vo", retry: noRetry() },
  execute() {
    throw new RangeError("always");
  },
});

/** Runs under a lock, a read-write lock and a limiter. */
export const LockedTask = define({
  ...{ name: "LockedTask", per: "vo", payload: z.strictObject({ on: z.string() }) },
  locks: ({ on }) => [kindLock.mutex(on), tallyLock.exclusive(on), tallyLock.rate(on, "100/1m")],
  execute: ({ payload }) => payload.on,
});

export const ChildTask = define({
  ...{ name: "ChildTask", per: "vo", payload: z.strictObject({ number: z.int() }) },
  execute: ({ payload }) => payload.number,
});

export const SumTask = define({
  ...{ name: "SumTask", per: "vo", keepResult: { hours: 1 } },
  async execute({ group }) {
    let sum = 0;
    for await (const child of group?.children() ?? []) if (child.outcome === "done") sum += Number(child.result);
    return sum;
  },
});

/** Spawns three children, and their sum. */
export const ParentTask = define({
  ...{ name: "ParentTask", per: "vo" },
  execute: ({ spawnGroup }) =>
    spawnGroup(
      [1, 2, 3].map((number) => ({ task: ChildTask, payload: { number } })),
      { then: SumTask },
    ),
});

/** Runs until it is cancelled. */
export const EndlessTask = define({
  ...{ name: "EndlessTask", per: "vo" },
  async execute({ signal, progress }) {
    progress(1, 2, "runs");
    await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  },
});

export const TickTask = define({ name: "TickTask", per: "all", schedule: every({ seconds: 1 }), execute() {} });

export const extension = defineExtension({
  name: "kinds",
  tasks: [RetriedTask, HopelessTask, LockedTask, ChildTask, SumTask, ParentTask, EndlessTask, TickTask],
  lockTypes: [kindLock, tallyLock],
});
