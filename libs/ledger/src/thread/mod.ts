/**
 * The ledger of a thread that runs tasks. The worker's own thread has the connection.
 *
 * ```ts
 * import { openThreadLedger } from "@muster/ledger/thread";
 * import { serveTasks } from "@muster/tasks/thread";
 * serveTasks({ tasks: [GreetTask], ledger: openThreadLedger({ tables: [siteTables] }) });
 * ```
 *
 * @module @muster/ledger/thread
 */
export { openThreadLedger, type ThreadLedger, type ThreadTransaction } from "./open_thread_ledger.ts";
export type { Transaction } from "../database/transaction.ts";
export type { TableSet } from "../schema/table_set.ts";
