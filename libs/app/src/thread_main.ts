// The module of an app's threads: it loads the app's extensions, and runs their medium and large tasks.
import { createLog } from "@muster/service";
import { serveTasks, threadData } from "@muster/tasks/thread";
import { loadModules } from "./extension/load_extensions.ts";
import { byRun, runLog } from "./run_log.ts";
import { type AppThreadData, wantsThread } from "./app_threads.ts";

// `threadsFor` has made it.
const { name, logLevel, modules } = threadData<AppThreadData>();
const log = createLog({ name, level: logLevel, descriptor: 1 });
const composition = await loadModules(modules);
const tasks = composition.tasks.filter(wantsThread);
// A thread of tasks without a database does without MikroORM.
const isOnce = tasks.some(({ effect }) => effect === "once");
const { openThreadLedger } = isOnce ? await import("@muster/ledger/thread") : { openThreadLedger: undefined };
serveTasks({
  tasks,
  ...(openThreadLedger && { ledger: openThreadLedger({ tables: composition.tables }) }),
  deps: composition.deps({ log: byRun((message, fields) => log.info(fields, message)) }),
  middleware: [runLog, ...composition.middleware],
});
