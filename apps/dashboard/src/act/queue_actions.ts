// Tested by apps/dashboard/src/act/act_test.ts
import { pauseQueue, type QueueTarget, resumeQueue } from "@muster/tasks/operate";
import * as z from "zod";
import { type Action, action, RefusedError } from "./action.ts";
import { optional } from "./fields.ts";

function targetOf({ task, vo }: { task?: string | undefined; vo?: string | undefined }): QueueTarget {
  if (task !== undefined) return vo === undefined ? { task } : { task, vo };
  if (vo !== undefined) return { vo };
  throw new RefusedError("Cannot tell what is meant: name a task, a VO or both");
}

function nameOf({ task, vo }: QueueTarget): string {
  if (task === undefined) return `all tasks of ${vo}`;
  return vo === undefined || vo === "_" ? task : `${task} of ${vo}`;
}

const Target = z.object({ task: optional, vo: optional, reason: optional });

/** Pause and resume queues. */
export const QUEUE_ACTIONS: readonly Action[] = [
  action("queue.pause", Target, async ({ broker, who }, { task, vo, reason }) => {
    const target = targetOf({ task, vo });
    await pauseQueue(broker, target, { by: who, ...(reason === undefined ? {} : { reason }) });
    const name = nameOf(target);
    return { said: `Paused ${name}: no worker takes a new one; what runs goes on.`, target: name, detail: { reason } };
  }),
  action("queue.resume", Target, async ({ broker }, { task, vo }) => {
    const target = targetOf({ task, vo });
    const name = nameOf(target);
    if (!(await resumeQueue(broker, target)))
      throw new RefusedError(`${name} has no pause of its own; look at the list of pauses for a wider one`);
    return { said: `Resumed ${name}.`, target: name };
  }),
];
