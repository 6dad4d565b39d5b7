import type { Broker } from "../broker/broker.ts";
import type { ChildGroup, EndedChild } from "../definition/group.ts";
import { type ListedChild, parseBits, readChildEnd, readChildren, readClosed, readSpec } from "./group_state.ts";

/** Number of ends that are read at the same time. */
const AT_ONCE = 64;

/**
 * The group of a callback; undefined where there is no such group any more, or where the task is not its callback. The ends of the children
 * are read only when they are asked for.
 *
 * What the callback sees is fixed when the group is closed. So each of its runs sees the same. Throws when the broker does not answer.
 */
export async function openChildGroup(
  broker: Pick<Broker, "jsm" | "time">,
  id: string,
  callbackId: string,
): Promise<ChildGroup | undefined> {
  const spec = await readSpec(broker, id);
  if (spec?.then.taskId !== callbackId) return undefined;
  const closed = await readClosed(broker, id);
  const counted = closed?.ended === undefined ? undefined : parseBits(closed.ended);
  let listing: Promise<readonly ListedChild[]> | undefined;
  const list = () => (listing ??= readChildren(broker, spec));

  async function endOf(child: ListedChild, index: number): Promise<EndedChild> {
    const end = counted?.has(index) === false ? undefined : await readChildEnd(broker, id, index);
    // An end of another task is that of a client who has used a child's header.
    if (end?.taskId !== child.taskId) return { ...child, outcome: "missing", result: null, error: null };
    const { outcome, result, error } = end;
    return { ...child, outcome, result, error };
  }

  return {
    id,
    total: spec.total,
    closed: closed?.why ?? "all ended",
    async *children() {
      const all = await list();
      for (let at = 0; at < all.length; at += AT_ONCE) {
        const turn = all.slice(at, at + AT_ONCE);
        yield* await Promise.all(turn.map((child, index) => endOf(child, at + index)));
      }
    },
    async child(key) {
      const all = await list();
      const index = all.findIndex((child) => child.key === key);
      const found = all[index];
      return found === undefined ? undefined : await endOf(found, index);
    },
  };
}
