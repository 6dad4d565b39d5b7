import * as z from "zod";
import { defineSqlTask, effectOf } from "../support/sql_tasks.ts";

/** A task that applications publish in their transactions. It writes its effect. */
export const NoteTask = defineSqlTask({
  name: "NoteTask",
  payload: z.strictObject({ words: z.string().default("") }),
  execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
});
