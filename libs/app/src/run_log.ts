// Tested by libs/app/src/run_log_test.ts
import { AsyncLocalStorage } from "node:async_hooks";
import type { Middleware, TaskRun } from "@muster/tasks";
import type { Offers } from "./extension/extension.ts";

/** What the lines of a run say of it. */
interface Author extends Pick<TaskRun, "task" | "taskId" | "vo" | "attempt"> {
  /** The trace that it belongs to; absent: none. */
  readonly traceId?: string;
}

/** The run that the present code belongs to. `runLog` sets it, `byRun` reads it. */
const present = new AsyncLocalStorage<Author>();

/** The trace in a `traceparent` of W3C Trace Context: `00-<trace>-<span>-<flags>`. */
function traceIn(traceparent: string | undefined): Pick<Author, "traceId"> {
  const traceId = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent ?? "")?.[1];
  return traceId === undefined ? {} : { traceId };
}

/** The middleware of every app by which the lines of {@linkcode byRun} say which run has written them. */
export const runLog: Middleware = {
  name: "muster log",
  run: ({ task, taskId, vo, attempt, headers }, next) =>
    present.run({ task, taskId, vo, attempt, ...traceIn(headers["traceparent"]) }, next),
};

/** The same log. A line that is written inside a run bears its task, id, VO, attempt and trace. */
export function byRun(log: Offers["log"]): Offers["log"] {
  return (message, fields) => log(message, { ...fields, ...present.getStore() });
}
