/** Permits lost to tasks that ignore their signal before the process must be restarted. */
export const MAX_LOST_PERMITS = 3;

/** Too many tasks ignored their abort signals. Their code may still be running: the process must be restarted. */
export class WorkerSpentError extends Error {
  override readonly name = "WorkerSpentError";
  readonly tasks: readonly string[];
  constructor(tasks: readonly string[]) {
    super(
      `Cannot go on: ${tasks.length} tasks ignored their abort signal (${tasks.join(", ")}); restart the process, and make them stop at their signal`,
    );
    this.tasks = tasks;
  }
}
