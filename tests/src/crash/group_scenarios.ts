import type { TaskOver } from "@muster/tasks";
import { atLeastOnceFactory } from "@muster/tasks";
import * as z from "zod";
import { defineSqlTask, effectOf, type SqlDeps } from "../support/sql_tasks.ts";
import type { CrashPoint, CrashStep } from "./points.ts";

/** Children of a group. */
export const MEMBERS = 3;

const after = (step: CrashStep, count = 1): CrashPoint => ({ when: "after", step, count });

/** Every arrow in the table of PROTOCOL 7, from the parent's COMMIT to the ack of the callback. */
export const GROUP_POINTS: readonly CrashPoint[] = [
  after("committed"),
  after("child published", MEMBERS),
  after("group listed"),
  after("group sealed"),
  { when: "before", step: "child ended" },
  after("child ended"),
  after("child ended", MEMBERS),
  after("group closed"),
  after("callback published"),
  after("group called"),
  after("callback ended"),
];

const defineLooseTask = atLeastOnceFactory<SqlDeps>();

/** The tasks of one scenario: a parent, the children of its group, and the callback. Every other scenario has children without a database. */
export function groupTasksOf(index: number): {
  readonly parent: TaskOver<SqlDeps>;
  readonly all: readonly TaskOver<SqlDeps>[];
} {
  const payload = z.strictObject({ number: z.number(), run: z.string() });
  const name = `Member${index}`;
  const Child =
    index % 2 === 0
      ? defineSqlTask({ name, per: "vo", payload, execute: ({ payload: { number, run } }) => ({ number, run }) })
      : defineLooseTask({ name, per: "vo", payload, execute: ({ payload: { number, run } }) => ({ number, run }) });
  const Callback = defineSqlTask({
    name: `Callback${index}`,
    per: "vo",
    async execute({ deps, taskId, group }) {
      await deps.sql(effectOf(taskId));
      const results: unknown[] = [];
      for await (const { outcome, result } of group?.children() ?? []) results.push([outcome, result]);
      return results;
    },
  });
  const Parent = defineSqlTask({
    name: `GroupParent${index}`,
    per: "vo",
    execute({ spawnGroup }) {
      const run = `${process.pid} at ${performance.now()}`;
      const children = Array.from({ length: MEMBERS }, (_, number) => ({ task: Child, payload: { number, run } }));
      return { run, id: spawnGroup(children, { then: Callback }) };
    },
  });
  return { parent: Parent, all: [Parent, Child, Callback] };
}
