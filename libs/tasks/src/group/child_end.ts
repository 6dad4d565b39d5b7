import type { Broker } from "../broker/broker.ts";
import type { GroupPlace } from "../format/group_place.ts";
import { type ChildEnd, readChildren, readSpec } from "./group_state.ts";
import { createEntry, groupKey, readEntry, writeEntry } from "./keys.ts";

/**
 * Records how a child of a group ended. A repeat changes nothing: the first end of a child counts, also where its dead letter is requeued
 * later.
 *
 * Throws when the broker does not answer.
 */
export async function recordChildEnd(broker: Broker, place: GroupPlace, end: ChildEnd): Promise<void> {
  const { group, index } = place;
  const key = groupKey(group, "c", index);
  if ((await createEntry(broker, key, end)) === "was there") await displaceForeign(broker, place, end);
  // After the end itself: a reader of this mark finds the end.
  if (end.outcome !== "done") await createEntry(broker, groupKey(group, "f", index), { outcome: end.outcome });
}

/** Replaces the end of a task that is no child. A client may have published a task of its own with a child's header. */
async function displaceForeign(broker: Broker, { group, index }: GroupPlace, end: ChildEnd): Promise<void> {
  const key = groupKey(group, "c", index);
  const there = await readEntry<ChildEnd>(broker, key);
  if (there === undefined || there.value.taskId === end.taskId) return;
  const spec = await readSpec(broker, group);
  const listed = spec === undefined ? undefined : (await readChildren(broker, spec))[index];
  if (listed?.taskId === end.taskId) await writeEntry(broker, { key, value: end, revision: there.revision });
}
