// Tested by tests/src/extension/testing_test.ts
import type { Database, Transaction } from "@muster/ledger";
import type { AnyTask, Given, JsonObject, Per, TaskDefinition, VoOption } from "@muster/tasks";
import {
  type AttemptOptions,
  runTask,
  type SentOption,
  type TaskOutcome,
  type TestDepsInput,
} from "@muster/tasks/testing";
import type { Extension } from "../extension/extension.ts";
import { byRun, runLog } from "../run_log.ts";

/** What `runTask` takes, without what the extension makes. `database` is required by a task that uses its transaction. */
export type ExtensionRunOptions<Input extends JsonObject = JsonObject, P extends Per = Per> = AttemptOptions &
  VoOption<P> &
  SentOption<Input> & {
    /** Where the task writes, as {@linkcode openTestDatabase} opens it. Default: none, and the outcome is kept in memory. */
    readonly database?: Database;
  };

function requireTask({ name, tasks }: Extension, wanted: AnyTask): void {
  if (tasks.some((task) => task.name === wanted.name)) return;
  const there = tasks.length === 0 ? "none" : `only ${tasks.map((task) => task.name).join(", ")}`;
  throw new TypeError(
    `Cannot run ${wanted.name} with what extension "${name}" makes: it has no such task, ${there}; add it to its tasks`,
  );
}

/**
 * Runs one attempt of a task of an extension, as `runTask` does, with the `deps` and the middleware of the extension, and returns how it ended.
 *
 * What the extension logs is in the outcome's `logged`, with the task, id, VO and attempt, as in an app's log. A task that differs from the extension's only in its traits is taken as well.
 *
 * Throws what `runTask` throws, and `TypeError` where the extension has no such task.
 *
 * ```ts
 * await using database = await openTestDatabase(url, [extension]);
 * const outcome = await runExtensionTask(extension, GreetTask, { database, vo: "lhcb" });
 * ```
 */
export async function runExtensionTask<Input extends JsonObject, Payload, Deps, Result, P extends Per>(
  extension: Extension,
  task: TaskDefinition<Input, Payload, Deps, Result, TaskDefinition["effect"], P>,
  ...[given]: Given<ExtensionRunOptions<NoInfer<Input>, NoInfer<P>>>
): Promise<TaskOutcome> {
  requireTask(extension, task);
  const { database, ...options }: ExtensionRunOptions = given ?? {};
  // Its definition holds each task's `deps` against what the extension makes.
  const deps = (input: TestDepsInput<Transaction>) => extension.deps({ log: byRun(input.log) })(input) as Partial<Deps>;
  const anyTask: TaskDefinition = task;
  const middleware = [runLog, ...extension.middleware, ...(options.middleware ?? [])];
  return await runTask(anyTask, { ...options, deps, middleware, ...(database && { ledger: database.ledger }) });
}
