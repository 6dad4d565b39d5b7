import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { defineSqlTask, effectOf } from "../support/sql_tasks.ts";

/** A child whose result has a size. */
export const MemberTask = defineSqlTask({
  name: "MemberTask",
  per: "vo",
  payload: z.strictObject({ number: z.number(), bytes: z.number(), ms: z.number() }),
  async execute({ deps, taskId, payload: { number, bytes, ms }, signal }) {
    await deps.sql(effectOf(taskId));
    await pause(ms, undefined, { signal });
    return { number, text: "x".repeat(bytes) };
  },
});

/** A callback that adds up what it is given, and leaves its effect. */
export const TotalTask = defineSqlTask({
  name: "TotalTask",
  per: "vo",
  async execute({ deps, taskId, group }) {
    await deps.sql(effectOf(taskId));
    const total = { children: 0, numbers: 0, bytes: 0 };
    for await (const { outcome, result } of group?.children() ?? []) {
      if (outcome !== "done") continue;
      const { number, text } = z.object({ number: z.number(), text: z.string() }).parse(result);
      total.children++;
      total.numbers += number;
      total.bytes += text.length;
    }
    return total;
  },
});

/** A parent of as many children as it is told. */
export const CrowdTask = defineSqlTask({
  name: "CrowdTask",
  per: "vo",
  payload: z.strictObject({ children: z.number(), bytes: z.number(), ms: z.number() }),
  execute({ payload: { children, bytes, ms }, spawnGroup }) {
    const list = Array.from({ length: children }, (_, number) => ({
      task: MemberTask,
      payload: { number, bytes, ms },
    }));
    return spawnGroup(list, { then: TotalTask });
  },
});
