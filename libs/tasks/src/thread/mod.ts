/**
 * For the module that the threads of a worker load: it runs medium and large tasks, one at a time in each thread.
 *
 * ```ts
 * import { atLeastOnceFactory } from "@muster/tasks";
 *
 * const ReckonTask = atLeastOnceFactory()({ name: "ReckonTask", size: "medium", execute: () => 6 * 7 });
 * serveTasks({ tasks: [ReckonTask] });
 * ```
 *
 * @module @muster/tasks/thread
 */
export { type ServeOptions, serveTasks, threadData } from "./serve_tasks.ts";
export type { ThreadLedger, ThreadTransaction } from "../definition/ledger.ts";
