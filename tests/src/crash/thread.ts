// The module of the threads of worker_main.ts: it serves the parent of one scenario.
import { openThreadLedger } from "@muster/ledger/thread";
import { serveTasks, threadData } from "@muster/tasks/thread";
import { sqlDeps } from "../support/sql_tasks.ts";
import { tasksOf } from "./scenarios.ts";

const [parent] = tasksOf(threadData<number>());
serveTasks({ tasks: [parent], ledger: openThreadLedger(), deps: sqlDeps });
