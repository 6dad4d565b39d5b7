// The module of the threads of ledger_test.ts.
import { openThreadLedger } from "@muster/ledger/thread";
import { serveTasks } from "@muster/tasks/thread";
import { tideTables } from "../extension/tide/tide_tables.ts";
import { databaseTasks, threadDeps } from "./database_tasks.ts";

serveTasks({ tasks: databaseTasks, ledger: openThreadLedger({ tables: [tideTables] }), deps: threadDeps });
