import { once } from "node:events";
import {
  atLeastOnceFactory,
  defineLockType,
  exponentialBackoff,
  noRetry,
  type Size,
  type TaskOver,
} from "@muster/tasks";
import * as z from "zod";
import { defineSqlTask, effectOf, type SqlDeps } from "../support/sql_tasks.ts";
import type { CrashPoint, CrashStep } from "./points.ts";

/** How a scenario's task ends. */
export type Ending = "done" | "retried" | "dead" | "dropped" | "cancelled" | "done without a database";

export interface Scenario {
  readonly ending: Ending;
  readonly point: CrashPoint;
  /** Where the parent runs; absent: in its worker's own thread. */
  readonly place?: "thread";
  /** When the task is cancelled; absent: never. */
  readonly cancelled?: "while it runs" | "once its worker is dead";
}

/** Children of a task that is done. */
export const CHILDREN = 3;

const after = (step: CrashStep, count = 1): CrashPoint => ({ when: "after", step, count });

/** Every arrow in the table of PROTOCOL 4. The arrow before a step is the arrow after the step before it. */
export const SCENARIOS: readonly Scenario[] = [
  { ending: "done", point: after("lock taken") },
  { ending: "done", point: { when: "before", step: "committed" } },
  { ending: "done", point: after("committed") },
  { ending: "done", point: after("child published") },
  { ending: "done", point: after("child published", CHILDREN) },
  { ending: "done", point: after("children marked") },
  { ending: "done", point: { when: "before", step: "result kept" } },
  { ending: "done", point: after("result kept") },
  { ending: "done", point: after("told") },
  { ending: "done", point: after("acked") },
  { ending: "done", point: after("lock released") },
  { ending: "retried", point: { when: "before", step: "recorded" } },
  { ending: "retried", point: after("recorded") },
  { ending: "retried", point: after("retry stored") },
  { ending: "retried", point: after("acked") },
  { ending: "dead", point: after("recorded") },
  { ending: "dead", point: after("dead letter stored") },
  { ending: "dead", point: after("result kept") },
  { ending: "dead", point: after("acked") },
  { ending: "dropped", point: after("recorded") },
  { ending: "dropped", point: after("result kept") },
  { ending: "dropped", point: after("acked") },
  { ending: "cancelled", point: { when: "before", step: "recorded" }, cancelled: "while it runs" },
  { ending: "cancelled", point: after("recorded"), cancelled: "while it runs" },
  { ending: "cancelled", point: after("cancellation noted"), cancelled: "while it runs" },
  { ending: "cancelled", point: after("acked"), cancelled: "while it runs" },
  { ending: "cancelled", point: { when: "before", step: "committed" }, cancelled: "once its worker is dead" },
  { ending: "done", point: after("committed"), cancelled: "once its worker is dead" },
  { ending: "done without a database", point: after("children remembered") },
  { ending: "done without a database", point: after("child published") },
  { ending: "done without a database", point: after("result kept") },
  { ending: "done without a database", point: after("acked") },
  { ending: "done", place: "thread", point: after("lock taken") },
  { ending: "done", place: "thread", point: { when: "before", step: "committed" } },
  { ending: "done", place: "thread", point: after("committed") },
  { ending: "done", place: "thread", point: after("child published") },
  { ending: "retried", place: "thread", point: after("recorded") },
  { ending: "cancelled", place: "thread", point: { when: "before", step: "recorded" }, cancelled: "while it runs" },
  { ending: "done without a database", place: "thread", point: after("children remembered") },
];

const siteLock = defineLockType("crash_site");
const defineLooseTask = atLeastOnceFactory<SqlDeps>();

/** Each parent's result is kept for so long. */
const keepResult = { hours: 1 };

/** The names of a scenario's tasks: its own, and its own lock too, so that all can be played on one grid. */
export const namesOf = (index: number) => ({ parent: `Parent${index}`, child: `Child${index}` });

function childOf(index: number) {
  return defineSqlTask({
    name: namesOf(index).child,
    per: "vo",
    payload: z.strictObject({ number: z.number(), run: z.string() }),
    execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
  });
}

/** Payloads of three children of this run. Another run would have others. */
function childPayloads() {
  const run = `${process.pid} at ${performance.now()}`;
  return Array.from({ length: CHILDREN }, (_, number) => ({ number, run }));
}

function sizeOf({ place }: Scenario): Size {
  return place === "thread" ? "medium" : "small";
}

function databaseParent(index: number, scenario: Scenario, child: ReturnType<typeof childOf>) {
  const { ending, cancelled } = scenario;
  const giveUp = noRetry({ then: ending === "dropped" ? "drop" : "dead" });
  const onceMore = exponentialBackoff({ maxRetries: 1, firstDelayMs: 1, maxDelayMs: 1 });
  return defineSqlTask({
    name: namesOf(index).parent,
    per: "vo",
    size: sizeOf(scenario),
    keepResult,
    retry: ending === "retried" ? onceMore : giveUp,
    locks: () => [siteLock.mutex(`${index}`)],
    async execute({ deps, taskId, attempt, spawn, signal }) {
      await deps.sql(effectOf(taskId));
      if (cancelled === "while it runs") await once(signal, "abort");
      const fails = ending === "dead" || ending === "dropped" || (ending === "retried" && attempt === 1);
      if (fails) throw new Error(`${ending} at attempt ${attempt}`);
      for (const payload of childPayloads()) spawn(child, payload);
    },
  });
}

function looseParent(index: number, scenario: Scenario, child: ReturnType<typeof childOf>) {
  return defineLooseTask({
    name: namesOf(index).parent,
    per: "vo",
    size: sizeOf(scenario),
    keepResult,
    execute({ spawn }) {
      for (const payload of childPayloads()) spawn(child, payload);
    },
  });
}

/** The tasks of one scenario, parent first. */
export function tasksOf(index: number): readonly [TaskOver<SqlDeps>, TaskOver<SqlDeps>] {
  const scenario = SCENARIOS[index];
  if (scenario === undefined) throw new RangeError(`Cannot play scenario ${index}: there is none`);
  const child = childOf(index);
  const parent =
    scenario.ending === "done without a database"
      ? looseParent(index, scenario, child)
      : databaseParent(index, scenario, child);
  return [parent, child];
}
