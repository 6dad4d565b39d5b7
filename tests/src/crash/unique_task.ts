import * as z from "zod";
import { defineSqlTask, effectOf } from "../support/sql_tasks.ts";

/** A task that is published under unique keys by processes that die. */
export const UniqueTask = defineSqlTask({
  name: "UniqueTask",
  per: "vo",
  payload: z.strictObject({}),
  execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
});
