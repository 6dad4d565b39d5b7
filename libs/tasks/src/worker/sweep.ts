import type { StreamInfo } from "@nats-io/jetstream";
import type { AnyTask } from "../definition/task.ts";
import type { Broker } from "../wire/broker.ts";
import { isSourceLost, isStreamGone, TASKS } from "../wire/streams.ts";

/** A subject of TASKS on which messages lie, in flight or waiting. */
export interface WaitingSubject {
  readonly task: string;
  readonly vo: string;
  readonly count: number;
}

async function infoOfTasks(broker: Broker, filter: string): Promise<StreamInfo | undefined> {
  try {
    return await broker.briefJsm.streams.info(TASKS, { subjects_filter: filter });
  } catch (error) {
    if (!isStreamGone(error)) throw error;
    await broker.declareMissing();
    return undefined;
  }
}

/**
 * Lists the subjects of `tasks` that hold messages, with one request however many task names there are.
 *
 * Declares the stream when it has gone, and mends its source when that was lost. Throws when nobody answers.
 */
export async function countWaiting(broker: Broker, tasks: readonly AnyTask[]): Promise<readonly WaitingSubject[]> {
  const [only] = tasks;
  const filter = tasks.length === 1 && only !== undefined ? `tasks.${only.name}.>` : "tasks.>";
  const info = await infoOfTasks(broker, filter);
  if (info === undefined) return [];
  if (isSourceLost(info)) await broker.renewSource();
  return Object.entries(info.state.subjects ?? {}).map(([subject, count]) => {
    const [, task = "", ...vo] = subject.split(".");
    return { task, vo: vo.join("."), count };
  });
}
