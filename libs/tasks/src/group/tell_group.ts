import type { MsgHdrs } from "@nats-io/nats-core";
import type { OutcomeRow } from "../definition/ledger.ts";
import { groupPlaceOf } from "../format/group_place.ts";
import { headerOf, TASK_CALLBACK, TASK_GROUP } from "../format/headers.ts";
import type { ChildEnd } from "./group_state.ts";
import type { Groups } from "./groups.ts";

/** The parts of a task's end that its group keeps. */
type Ending = Pick<OutcomeRow, "taskId" | "outcome" | "result" | "errors">;

/** The end of a child; undefined: the task will be tried again. */
export function childEndOf({ taskId, outcome, result, errors }: Ending): ChildEnd | undefined {
  if (outcome === "retry") return undefined;
  const isDone = outcome === "done";
  return { taskId, outcome, result: isDone ? result : null, error: isDone ? null : (errors.at(-1) ?? null) };
}

/** Whether a task is a child of a group, or its callback. Ask this first: most tasks are neither, and need not wait for anything. */
export function hasGroup(headers: MsgHdrs | undefined): boolean {
  return headerOf(headers, TASK_GROUP) !== "" || headerOf(headers, TASK_CALLBACK) !== "";
}

/**
 * Tells the group of a task how the task ended, where it is a child or the callback of one. Throws when the broker does not answer.
 *
 * The end of a callback is noted where it is final. A dead letter may be requeued, and then needs its group.
 */
export async function tellGroup(
  groups: Pick<Groups, "childEnded" | "callbackEnded">,
  headers: MsgHdrs | undefined,
  ending: Ending,
): Promise<void> {
  const place = groupPlaceOf(headers);
  const callbackOf = headerOf(headers, TASK_CALLBACK);
  const end = childEndOf(ending);
  if (end === undefined) return;
  if (place !== undefined) await groups.childEnded(place, end);
  if (callbackOf !== "" && end.outcome !== "dead") await groups.callbackEnded(callbackOf, end.taskId, end.outcome);
}
