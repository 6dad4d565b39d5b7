import type { Broker } from "../broker/broker.ts";
import type { ChildGroup } from "../definition/group.ts";
import { openChildGroup } from "../group/child_group.ts";
import { type PreparedTask, TaskRefusedError } from "./identify.ts";

/** The group of a callback. Throws `TaskRefusedError` where it is gone, or has another callback. */
export async function groupOfCallback(
  { broker }: { readonly broker: Broker },
  { taskId }: PreparedTask,
  id: string,
): Promise<ChildGroup> {
  const group = await openChildGroup(broker, id, taskId);
  if (group !== undefined) return group;
  throw new TaskRefusedError(
    taskId,
    `group ${JSON.stringify(id)} is gone, or has another callback; spawn the group again`,
  );
}
