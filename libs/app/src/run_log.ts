// Tested by libs/app/src/run_log_test.ts
import { AsyncLocalStorage } from "node:async_hooks";
import type { Middleware, RunLog } from "@muster/tasks";
import type { Offers } from "./extension/extension.ts";

/** The log of the run that the present code belongs to. `runLog` sets it, `byRun` reads it. */
const present = new AsyncLocalStorage<RunLog>();

/** The middleware of every app by which the lines of {@linkcode byRun} are those of the run that has written them. */
export const runLog: Middleware = {
  name: "muster log",
  run: ({ log }, next) => present.run(log, next),
};

/** The same log. A line that is written inside a run is written by `run.log`, so it bears the run's task, id, VO, attempt and trace. */
export function byRun(log: Offers["log"]): Offers["log"] {
  return (message, fields) => {
    const run = present.getStore();
    if (run === undefined) log(message, fields);
    else run.info(message, fields);
  };
}
