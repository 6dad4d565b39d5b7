/**
 * For tests of an extension: run one of its tasks with the dependencies that the extension makes, on a database that has its tables.
 *
 * It is made of `@muster/tasks/testing`, whose assertions, clock and outcomes it shares.
 *
 * ```ts
 * await using database = await openTestDatabase(url, [extension]);
 * const outcome = await runExtensionTask(extension, GreetTask, { database, vo: "lhcb" });
 * ```
 *
 * @module @muster/app/testing
 */
export { type ExtensionRunOptions, runExtensionTask } from "./run_extension_task.ts";
export { openTestDatabase } from "./test_database.ts";
