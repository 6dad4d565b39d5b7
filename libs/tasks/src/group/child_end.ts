import type { Broker } from "../broker/broker.ts";
import type { GroupPlace } from "../format/group_place.ts";
import { type ChildEnd, readChildren, readSpec } from "./group_state.ts";
import { maxPayloadBytes } from "../publish/publisher.ts";
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
  const kept = withinLimit(broker, end);
  if ((await createEntry(broker, key, kept)) === "was there") await displaceForeign(broker, place, kept);
  // After the end itself: a reader of this mark finds the end.
  if (end.outcome !== "done") await createEntry(broker, groupKey(group, "f", index), { outcome: end.outcome });
}

/** The end without a result for which the server's messages are too small. A result of 256 KiB fits unless they were made so. */
function withinLimit(broker: Broker, end: ChildEnd): ChildEnd {
  const limit = maxPayloadBytes(broker);
  const bytes = end.result === null ? 0 : Buffer.byteLength(JSON.stringify(end.result));
  if (bytes <= limit) return end;
  const error = `its result has ${bytes} bytes of JSON; ${limit} are the limit of the server's messages`;
  return { ...end, result: null, error };
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
