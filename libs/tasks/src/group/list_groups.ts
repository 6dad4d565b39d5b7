import { askToCancel } from "../cancel/cancel_task.ts";
import type { Broker } from "../broker/broker.ts";
import type { EndedChild } from "../definition/group.ts";
import { openChildGroup } from "./child_group.ts";
import { type GroupClosed, type GroupSpec, listEnded, listFailed, readClosed, readSpec } from "./group_state.ts";
import { groupKey, listGroupIds, readEntry } from "./keys.ts";

/** Greatest number of groups that are read. */
const READ = 1_000;

/** What is known of a group. */
export interface GroupState extends Omit<GroupSpec, "chunks"> {
  /** Number of children that have ended, also after the group was closed. */
  readonly ended: number;
  /** Number of those whose end was no `done`. */
  readonly failed: number;
  /** Null: it is open. */
  readonly closed: Pick<GroupClosed, "why" | "at"> | null;
  /** How the callback ended. Null: it has not, or is a dead letter. */
  readonly callback: { readonly outcome: string; readonly at: string } | null;
}

async function stateOf(broker: Broker, { chunks: _chunks, ...spec }: GroupSpec): Promise<GroupState> {
  const [ended, failed, closed, then] = await Promise.all([
    listEnded(broker, spec),
    listFailed(broker, spec.id),
    readClosed(broker, spec.id),
    readEntry<{ readonly outcome: string; readonly at: string }>(broker, groupKey(spec.id, "then")),
  ]);
  return {
    ...spec,
    ended: ended.size,
    failed: failed.size,
    closed: closed === undefined ? null : { why: closed.why, at: closed.at },
    callback: then?.value ?? null,
  };
}

/** All groups that are open, or whose callback ended within a day; a thousand at most. Throws when the broker does not answer. */
export async function listGroups(broker: Broker): Promise<readonly GroupState[]> {
  const states: GroupState[] = [];
  for (const id of (await listGroupIds(broker, "spec")).slice(0, READ)) {
    const state = await readGroup(broker, id);
    if (state !== undefined) states.push(state);
  }
  return states.sort((a, b) => (a.sealedAt < b.sealedAt ? -1 : 1));
}

/** One group by its id; undefined: there is none. Throws when the broker does not answer. */
export async function readGroup(broker: Broker, id: string): Promise<GroupState | undefined> {
  const spec = await readSpec(broker, id);
  return spec === undefined ? undefined : await stateOf(broker, spec);
}

/** The children of a group in their order, as its callback sees or would see them now. Throws when the broker does not answer. */
export async function* childrenOfGroup(broker: Broker, { id, then }: GroupState): AsyncGenerator<EndedChild> {
  const group = await openChildGroup(broker, id, then.taskId);
  if (group !== undefined) yield* group.children();
}

/**
 * Cancels all children of a group that have not ended. The callback still runs, once they have.
 *
 * Returns the group as it is then; undefined: there is none. Does nothing where it is closed. Throws when the broker does not answer.
 */
export async function cancelGroup(
  broker: Broker,
  id: string,
  { by, reason }: { readonly by?: string; readonly reason?: string } = {},
): Promise<GroupState | undefined> {
  const state = await readGroup(broker, id);
  if (state?.closed === null)
    await askToCancel(broker, { id, of: "group", ...(by && { by }), ...(reason && { reason }) });
  return state;
}
