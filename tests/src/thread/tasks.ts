import { atLeastOnceFactory, defineLockType, exponentialBackoff, NeverRetry, noRetry, RetryTask } from "@muster/tasks";
import { existsSync, writeFileSync } from "node:fs";
import { threadId } from "node:worker_threads";
import * as z from "zod";

const defineTask = atLeastOnceFactory();
export const siteLock = defineLockType("thread_test_site");

/** Uses a processor for `ms` and hears nothing meanwhile. */
export function hog(ms: number): void {
  const endsAtMs = performance.now() + ms;
  while (performance.now() < endsAtMs);
}

/** Hears nothing for an hour and uses no processor meanwhile. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_600_000);
}

/** An hour in one turn of the event loop, far beyond its timeout: as work, or as a wait that spares the test's machine. */
export const HogTask = defineTask({
  name: "HogTask",
  per: "vo",
  size: "medium",
  payload: z.strictObject({ first: z.enum(["works", "waits"]) }),
  timeoutMs: 2_000,
  retry: exponentialBackoff({ maxRetries: 1, firstDelayMs: 1, maxDelayMs: 1 }),
  locks: () => [siteLock.mutex("hog")],
  execute({ payload: { first }, attempt }) {
    if (first === "works" && attempt === 1) hog(3_600_000);
    standStill();
  },
});

/** A small task that wants the hog's lock. */
export const NextTask = defineTask({
  name: "NextTask",
  per: "vo",
  locks: () => [siteLock.mutex("hog")],
  execute: () => ({ threadId }),
});

/** A small task that shares the event loop with others. */
export const QuickTask = defineTask({ name: "QuickTask", per: "vo", execute: () => ({ threadId }) });

/** Ends once another run of it is under way on another processor: both hold their thread until they see each other's file. */
export const MeetTask = defineTask({
  name: "MeetTask",
  per: "vo",
  size: "large",
  payload: z.strictObject({ own: z.string(), other: z.string() }),
  execute({ payload: { own, other } }) {
    writeFileSync(own, "");
    while (!existsSync(other));
    return { threadId };
  },
});

/** An error of a class that only this module knows. */
class SiteError extends Error {
  readonly site: string;
  constructor(site: string) {
    super(`${site} is away`);
    this.name = "SiteError";
    this.site = site;
  }
}

/** Fails in the way that its payload names, under a policy that asks for the class of the error. */
export const FailTask = defineTask({
  name: "FailTask",
  per: "vo",
  size: "medium",
  payload: z.strictObject({ by: z.enum(["class", "cause", "never", "retry", "text"]) }),
  retry: {
    name: "ByClass",
    decide({ error, attempt }) {
      if (error instanceof SiteError && error.site === "ce01") return { kind: "drop" };
      if (error instanceof Error && error.cause instanceof SiteError) return { kind: "drop" };
      if (error instanceof RetryTask && attempt === 1) return { kind: "retry", delayMs: error.delayMs ?? 60_000 };
      return { kind: "dead" };
    },
  },
  execute({ payload: { by } }) {
    if (by === "class") throw new SiteError("ce01");
    if (by === "cause") throw new Error("no pilot was sent", { cause: new SiteError("ce02") });
    if (by === "never") throw new NeverRetry("the site is closed");
    if (by === "retry") throw new RetryTask("the site is busy", { delayMs: 1 });
    return Promise.reject("only a text");
  },
});

/** Ends its thread in the way that its payload names. */
export const KillerTask = defineTask({
  name: "KillerTask",
  per: "vo",
  size: "medium",
  payload: z.strictObject({ by: z.enum(["exit", "memory", "uncaught"]) }),
  retry: noRetry({ then: "drop" }),
  async execute({ payload: { by } }) {
    if (by === "exit") process.exit(7);
    if (by === "uncaught") {
      setImmediate(() => {
        throw new Error("nobody catches this");
      });
      await new Promise(() => {});
    }
    const kept: unknown[] = [];
    while (true) kept.push(new Array(100_000).fill(kept.length));
  },
});

/** The last child of a group, and those before it. */
export const ChildTask = defineTask({
  name: "ChildTask",
  per: "vo",
  size: "medium",
  payload: z.strictObject({ number: z.int() }),
  execute: ({ payload: { number } }) => ({ square: number * number }),
});

/** Adds up what its group's children returned, all of them and one by its key. */
export const SumTask = defineTask({
  name: "SumTask",
  per: "vo",
  size: "medium",
  keepResult: { hours: 1 },
  async execute({ group }) {
    const squareOf = (result: unknown) => z.object({ square: z.number() }).parse(result).square;
    const squares: number[] = [];
    for await (const { result } of group?.children() ?? []) squares.push(squareOf(result));
    const last = await group?.child(String(squares.length - 1));
    const none = await group?.child("none");
    return { squares, closed: group?.closed, last: squareOf(last?.result), isThere: none !== undefined };
  },
});

/** Spawns a group of as many children as its payload says, and tells its progress. */
export const ParentTask = defineTask({
  name: "ParentTask",
  per: "vo",
  size: "medium",
  payload: z.strictObject({ children: z.int() }),
  execute({ payload: { children }, spawnGroup, progress, taskId, attempt }) {
    progress(1, 2, "on the way");
    const many = Array.from({ length: children }, (_, number) => ({ task: ChildTask, payload: { number } }));
    return { group: spawnGroup(many, { then: SumTask }), taskId, attempt, threadId };
  },
});

/** Waits for its signal, and returns what it was told. */
export const PatientTask = defineTask({
  name: "PatientTask",
  per: "vo",
  size: "medium",
  timeoutMs: 60_000,
  async execute({ signal, progress }) {
    progress(0, 1);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    throw signal.reason;
  },
});

/** What the tasks of this file have in threads. */
export const inThreads = [HogTask, MeetTask, FailTask, KillerTask, ChildTask, SumTask, ParentTask, PatientTask];
