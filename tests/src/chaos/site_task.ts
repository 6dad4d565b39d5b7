import { defineLockType, noRetry } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { defineSqlTask, effectOf } from "../support/sql_tasks.ts";

const siteLock = defineLockType("chaos_site");

/** Writes its effect under a site's lock, and stands still for a while before and after that. Says so on its standard output. */
export const SiteTask = defineSqlTask({
  name: "SiteTask",
  per: "vo",
  payload: z.strictObject({ site: z.string(), beforeMs: z.number(), afterMs: z.number() }),
  retry: noRetry(),
  locks: ({ site }) => [siteLock.mutex(site)],
  async execute({ deps, taskId, payload, signal }) {
    console.log(`before ${taskId}`);
    await pause(payload.beforeMs, undefined, { signal });
    await deps.sql(effectOf(taskId));
    console.log(`after ${taskId}`);
    await pause(payload.afterMs, undefined, { signal });
  },
});
