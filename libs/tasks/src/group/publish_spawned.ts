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
/** Greatest number of children in one part of a group's list. A part stays far below the server's payload limit. */
const LISTED = 1_000;

/**
 * Publishes the children of a run that has committed, and seals its groups. The ids stay the same, so a repeat is harmless.
 *
 * A callback is not published here: it is when its group closes.
 */
export async function publishSpawned(broker: Broker, parentId: string, spawned: readonly SpawnedTask[]): Promise<void> {
  const children = spawned.filter(({ callback }) => callback === undefined);
  for (let at = 0; at < children.length; at += IN_FLIGHT) {
    const turn = children.slice(at, at + IN_FLIGHT);
    await Promise.all(turn.map((child) => publishSurely(broker, messageOf(child, parentId))));
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

/** Stores the list of a group's children, then what the group is, and counts what has ended meanwhile. */
async function seal(broker: Broker, { parentId, then, own }: Sealing): Promise<void> {
  const { callback } = then;
  if (callback === undefined) return;
  const { id, policy, deadlineAt } = callback;
  const chunks = Math.ceil(own.length / LISTED);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const part = own.slice(chunk * LISTED, (chunk + 1) * LISTED);
    const list = part.map(({ taskId, task, vo, groupKey: key = "" }): ListedChild => ({ key, taskId, task, vo }));
    await createEntry(broker, groupKey(id, "list", chunk), list);
  }
  const sealedAt = new Date().toISOString();
  const spec: GroupSpec = { id, total: own.length, chunks, policy, deadlineAt, sealedAt, parent: parentId, then };
  await createEntry(broker, groupKey(id, "spec"), spec);
  await createGroups(broker).check(id);
}
