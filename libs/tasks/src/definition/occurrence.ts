import { checkPayload, PayloadRefusedError } from "./payload.ts";
import type { PublishableTask } from "./publishable.ts";

/** A task has a schedule, and its schema refuses the empty object, with which each of its occurrences is published. */
export class PeriodicPayloadError extends TypeError {
  override readonly name = "PeriodicPayloadError";
  readonly task: string;
  constructor(task: string, refusal: PayloadRefusedError) {
    super(
      `Cannot make ${task} periodic: its schema refuses the empty payload of an occurrence (${refusal.problem}); ` +
        "give each field a default or make it optional, or leave the schedule out",
      { cause: refusal },
    );
    this.task = task;
  }
}

function orPeriodicError(task: string, error: unknown): never {
  throw error instanceof PayloadRefusedError ? new PeriodicPayloadError(task, error) : error;
}

/**
 * Throws {@linkcode PeriodicPayloadError} where a task's schema refuses the payload of an occurrence without arguments. Returns a promise
 * that rejects with it where the schema is asynchronous. An asynchronous schema that breaks has refused nothing: a server that it asks may be
 * away.
 */
export function checkOccurrence(task: PublishableTask): Promise<void> | undefined {
  let checked: unknown;
  try {
    checked = checkPayload(task, {});
  } catch (error) {
    orPeriodicError(task.name, error);
  }
  if (!(checked instanceof Promise)) return undefined;
  return checked.then(
    () => undefined,
    (error: unknown) => {
      // A refusal has no cause.
      if (!(error instanceof PayloadRefusedError) || error.cause === undefined) orPeriodicError(task.name, error);
    },
  );
}

/** What of a task counts here. */
interface MaybePeriodic extends PublishableTask {
  readonly recurrence: unknown;
}

/** Awaits {@linkcode checkOccurrence} of all tasks that are periodic. */
export async function checkOccurrences(tasks: readonly MaybePeriodic[]): Promise<void> {
  for (const task of tasks) if (task.recurrence !== undefined) await checkOccurrence(task);
}
