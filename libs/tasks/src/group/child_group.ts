import type { Broker } from "../broker/broker.ts";
import { readManyTimed } from "../broker/read_many.ts";
import type { ChildGroup, EndedChild } from "../definition/group.ts";
import {
  type ChildEnd,
  type ListedChild,
  parseBits,
  readChildEnd,
  readChildren,
  readClosed,
  readSpec,
} from "./group_state.ts";
import { groupKey } from "./keys.ts";

function endedChild(child: ListedChild, end: ChildEnd | undefined): EndedChild {
  // An end of another task is that of a client who has used a child's header.
  if (end?.taskId !== child.taskId) return { ...child, outcome: "missing", result: null, error: null };
  const { outcome, result, error } = end;
  return { ...child, outcome, result, error };
}

/**
 * The group of a callback; undefined where there is no such group any more, or where the task is not its callback. The ends of the children
 * are read only when they are asked for, and some ahead of those that were taken.
 *
 * What the callback sees is fixed when the group is closed. So each of its runs sees the same. Throws when the broker does not answer.
 */
export async function openChildGroup(
  broker: Pick<Broker, "jsm" | "time" | "requests">,
  id: string,
  callbackId: string,
): Promise<ChildGroup | undefined> {
  const spec = await readSpec(broker, id);
  if (spec?.then.taskId !== callbackId) return undefined;
  const closed = await readClosed(broker, id);
  const counted = closed?.ended === undefined ? undefined : parseBits(closed.ended);
  const isCounted = (index: number) => counted?.has(index) !== false;
  let listing: Promise<readonly ListedChild[]> | undefined;
  const list = () => (listing ??= readChildren(broker, spec));

  function* countedKeys(total: number): Generator<string> {
    for (let index = 0; index < total; index++) if (isCounted(index)) yield groupKey(id, "c", index);
  }

  return {
    id,
    total: spec.total,
    closed: closed?.why ?? "all ended",
    async *children() {
      const all = await list();
      const ends = readManyTimed(broker, "results", countedKeys(all.length));
      for (const [index, child] of all.entries()) {
        const text = isCounted(index) ? (await ends.next()).value : undefined;
        yield endedChild(child, text === undefined ? undefined : JSON.parse(text));
      }
    },
    async child(key) {
      const all = await list();
      const index = all.findIndex((child) => child.key === key);
      const found = all[index];
      if (found === undefined) return undefined;
      return endedChild(found, isCounted(index) ? await readChildEnd(broker, id, index) : undefined);
    },
  };
}
