// Tested by tests/src/worker/middleware_test.ts
import type { SpawnedTask } from "../definition/ledger.ts";
import { type Around, messageOfError, type TaskMessage } from "../definition/middleware.ts";
import { messageSeen, withHeaders } from "../definition/prepare.ts";
import { checkOwnHeaders } from "../format/own_headers.ts";

/** A middleware has thrown after it let a task pass. The task is stored, and runs. */
export class StoredAllTheSameError extends Error {
  override readonly name = "StoredAllTheSameError";
  readonly taskId: string;
  constructor({ task, taskId }: SpawnedTask, cause: unknown) {
    super(
      `${task} ${taskId} is stored and will run: a hook has thrown after next, which refuses nothing any more: ${messageOfError(cause)}`,
      { cause },
    );
    this.taskId = taskId;
  }
}

/** Runs `store` inside the middlewares, with the headers that these give the task. */
export async function throughPublishHooks<Result>(
  around: Around<TaskMessage> | undefined,
  task: SpawnedTask,
  store: (task: SpawnedTask) => Promise<Result>,
): Promise<Result> {
  if (around === undefined) return await store(task);
  const message = messageSeen(task, task.headers);
  return await around(message, () => store(withHeaders(task, checkOwnHeaders({ ...message.headers }))));
}

/**
 * Stores a task inside the middlewares. Throws what a middleware throws, and {@linkcode StoredAllTheSameError} where the task is stored by then.
 */
export async function storeThroughHooks<Result>(
  around: Around<TaskMessage> | undefined,
  task: SpawnedTask,
  store: (task: SpawnedTask) => Promise<Result>,
): Promise<Result> {
  let isStored = false;
  try {
    return await throughPublishHooks(around, task, async (seen) => {
      const result = await store(seen);
      isStored = true;
      return result;
    });
  } catch (error) {
    throw isStored ? new StoredAllTheSameError(task, error) : error;
  }
}
