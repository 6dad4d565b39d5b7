import type { AnyTask } from "../definition/task.ts";
import type { Broker } from "../wire/broker.ts";
import { isStreamGone, TASKS } from "../wire/streams.ts";

/** A subject of TASKS on which messages lie, in flight or waiting. */
export interface WaitingSubject {
  readonly task: string;
  readonly vo: string;
  readonly count: number;
}

/**
 * Lists the subjects of `tasks` that hold messages, with one request however many task names there are.
 *
 * Declares the stream when it has gone. Throws when nobody answers.
 */
export async function countWaiting(broker: Broker, tasks: readonly AnyTask[]): Promise<readonly WaitingSubject[]> {
  const [only] = tasks;
  const filter = tasks.length === 1 && only !== undefined ? `tasks.${only.name}.>` : "tasks.>";
  let subjects: Record<string, number>;
  try {
    subjects = (await broker.jsm.streams.info(TASKS, { subjects_filter: filter })).state.subjects ?? {};
  } catch (error) {
    if (!isStreamGone(error)) throw error;
    await broker.declareMissing();
    return [];
  }
  return Object.entries(subjects).map(([subject, count]) => {
    const [, task = "", ...vo] = subject.split(".");
    return { task, vo: vo.join("."), count };
  });
}
