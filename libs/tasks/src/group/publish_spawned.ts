import type { Broker } from "../broker/broker.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import { parseGroupPlace } from "../format/group_place.ts";
import { messageOf } from "../publish/task_message.ts";
import type { GroupSpec, ListedChild } from "./group_state.ts";
import { createGroups } from "./groups.ts";
import { createEntry, groupKey } from "./keys.ts";

/** Greatest number of children that are published at the same time. */
const IN_FLIGHT = 500;
/** Size of one part of a group's list, bytes of JSON. It fits into a message also where the server's limit was made small. */
const PART_BYTES = 32 * 1024;

/**
 * Publishes the children of a run that has committed, and seals its groups. The ids stay the same, so a repeat is harmless.
 *
 * A callback is not published here: it is when its group closes.
 */
export async function publishSpawned(broker: Broker, parentId: string, spawned: readonly SpawnedTask[]): Promise<void> {
  const children = spawned.filter(({ callback }) => callback === undefined);
  for (let at = 0; at < children.length; at += IN_FLIGHT) {
    const turn = children.slice(at, at + IN_FLIGHT);
    await Promise.all(turn.map((child) => publishSurely(broker, messageOf(broker, child, parentId))));
  }
  if (children.length === spawned.length) return;
  const byGroup = Map.groupBy(children, ({ group = "" }) => parseGroupPlace(group)?.group);
  for (const then of spawned) {
    if (then.callback !== undefined) await seal(broker, { parentId, then, own: byGroup.get(then.callback.id) ?? [] });
  }
}

interface Sealing {
  readonly parentId: string;
  readonly then: SpawnedTask;
  readonly own: readonly SpawnedTask[];
}

function partsOf(children: readonly ListedChild[]): readonly ListedChild[][] {
  const parts: ListedChild[][] = [];
  let bytes = PART_BYTES;
  for (const child of children) {
    const size = Buffer.byteLength(JSON.stringify(child));
    if (bytes + size > PART_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    bytes += size;
    parts.at(-1)?.push(child);
  }
  return parts;
}

/** Stores the list of a group's children, then what the group is, and counts what has ended meanwhile. */
async function seal(broker: Broker, { parentId, then, own }: Sealing): Promise<void> {
  const { callback } = then;
  if (callback === undefined) return;
  const { id, policy, deadlineAt } = callback;
  const parts = partsOf(own.map(({ taskId, task, vo, groupKey: key = "" }) => ({ key, taskId, task, vo })));
  for (const [number, part] of parts.entries()) await createEntry(broker, groupKey(id, "list", number), part);
  const sealedAt = new Date().toISOString();
  const spec: GroupSpec = {
    id,
    total: own.length,
    chunks: parts.length,
    policy,
    deadlineAt,
    sealedAt,
    parent: parentId,
    then,
  };
  await createEntry(broker, groupKey(id, "spec"), spec);
  await createGroups(broker).check(id);
}
