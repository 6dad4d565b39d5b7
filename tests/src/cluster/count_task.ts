import { exponentialBackoff } from "@muster/tasks";
import * as z from "zod";
import { defineSqlTask, effectOf } from "../support/database.ts";

/** How a task of the load comes to run: at once, at a later time, or by a retry. */
export const KINDS = ["now", "later", "retried"] as const;
export type Kind = (typeof KINDS)[number];

/** Makes the task of the load. It writes its effect once, and calls `ran` in each attempt that gets so far. */
export function countTask(ran: (taskId: string) => void) {
  return defineSqlTask({
    name: "CountTask",
    per: "vo",
    payload: z.strictObject({ kind: z.enum(KINDS) }),
    retry: exponentialBackoff({ firstDelayMs: 500, factor: 1, maxRetries: 9 }),
    async execute({ deps, taskId, payload: { kind }, attempt }) {
      await deps.sql(effectOf(taskId));
      if (kind === "retried" && attempt === 1) throw new Error("for a retry");
      ran(taskId);
    },
  });
}
