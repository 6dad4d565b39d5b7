// Tested by tests/src/worker/group_test.ts
import { askToCancel } from "../cancel/cancel_task.ts";
import type { Broker } from "../broker/broker.ts";
import { readOneTimed } from "../broker/read_many.ts";
import { nextMatching } from "../broker/stored_messages.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import type { GroupPlace } from "../format/group_place.ts";
import { messageOf } from "../publish/task_message.ts";
import { recordChildEnd } from "./child_end.ts";
import {
  type ChildEnd,
  type ChildOutcome,
  type GroupClosed,
  type GroupSpec,
  listEnded,
  printBits,
  readClosed,
  readSpec,
} from "./group_state.ts";
import { BUCKET_STREAM, createEntry, groupKey, groupSubjects, readEntry } from "./keys.ts";

/** Greatest number of groups that a process remembers. */
const REMEMBERED = 1_000;

/**
 * Counts the ended children of groups, closes groups and publishes their callbacks (PROTOCOL 7). Any number of processes may do so at the
 * same time. Each call throws when the broker does not answer.
 */
export interface Groups {
  /** Records the end of a child, and closes its group where that was the last one. */
  childEnded(place: GroupPlace, end: ChildEnd): Promise<void>;
  /** Notes how the callback of a group ended. */
  callbackEnded(group: string, taskId: string, outcome: ChildOutcome): Promise<void>;
  /** Whether the callback of a group has ended already. */
  hasCalled(group: string): Promise<boolean>;
  /**
   * Closes the group where it must be closed: all children have ended, or one has failed under `fail fast`. Returns what the group is where
   * it stays open.
   */
  check(group: string): Promise<GroupSpec | undefined>;
  /** Closes a group whose deadline has passed. */
  expire(spec: GroupSpec): Promise<void>;
}

/** What is known of one group. Nothing of it ever changes back. */
interface Known {
  /** Undefined until the group is sealed. */
  spec: GroupSpec | undefined;
  /** A child that had not ended at the last listing. While it has not, nobody needs another listing. */
  guard: number | undefined;
  /** The callback is published. */
  isCalled: boolean;
}

/** What the group is, where it is sealed and open. */
type Checked = Promise<GroupSpec | undefined>;

export function createGroups(broker: Broker): Groups {
  const { jsm } = broker;
  const known = new Map<string, Known>();
  /** The check under way of each group, and the one that begins after it. */
  const checking = new Map<string, { readonly now: Checked; next: Checked | undefined }>();

  function recall(group: string): Known {
    const there = known.get(group) ?? { spec: undefined, guard: undefined, isCalled: false };
    known.delete(group);
    known.set(group, there);
    const [oldest] = known.keys();
    if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest);
    return there;
  }

  async function hasFailed(group: string): Promise<boolean> {
    return (await nextMatching(jsm, BUCKET_STREAM, { from: 1, filter: groupSubjects(group, "f") })) !== null;
  }

  /** Stores the closing, cancels the rest where it must be, and publishes the callback. Each step may be repeated. */
  async function close(spec: GroupSpec, closing: GroupClosed, about: Known): Promise<void> {
    const { id, then, parent } = spec;
    await createEntry(broker, groupKey(id, "closed"), closing);
    const stands = (await readClosed(broker, id)) ?? closing;
    const isOver = async (kind: "called" | "then") => (await readEntry(broker, groupKey(id, kind))) !== undefined;
    if (!(await isOver("called")) && !(await isOver("then"))) {
      if (stands.why === "failed") {
        await askToCancel(broker, { id, of: "group", reason: "another child of its group has failed" });
      }
      await publishSurely(broker, messageOf(broker, then, parent));
      await createEntry(broker, groupKey(id, "called"), { at: new Date().toISOString() });
    }
    about.isCalled = true;
  }

  async function closeEarly(why: "failed" | "deadline", spec: GroupSpec, about: Known): Promise<void> {
    const ended = await listEnded(broker, spec);
    const closing = { why, at: new Date().toISOString(), ended: printBits(ended, spec.total) };
    await close(spec, closing, about);
  }

  async function checkOnce(group: string): Checked {
    const about = recall(group);
    if (about.isCalled) return undefined;
    about.spec ??= await readSpec(broker, group);
    const { spec } = about;
    if (spec === undefined) return undefined; // the one who seals it checks it then
    if (spec.policy === "fail fast" && (await hasFailed(group))) {
      await closeEarly("failed", spec, about);
      return undefined;
    }
    const { guard } = about;
    // Asked after nearly each end of a child.
    const isOpen = async (child: number) =>
      (await readOneTimed(broker, "results", groupKey(group, "c", child))) === undefined;
    if (guard !== undefined && (await isOpen(guard))) return spec;
    const ended = await listEnded(broker, spec);
    about.guard = lastMissing(ended, spec.total);
    if (about.guard !== undefined) return spec;
    await close(spec, { why: "all ended", at: new Date().toISOString() }, about);
    return undefined;
  }

  /** Checks once for all who ask meanwhile. A check that began before a caller's own write says nothing about it. */
  function check(group: string): Checked {
    const under = checking.get(group);
    if (under !== undefined) {
      under.next ??= under.now.catch(() => undefined).then(() => start(group));
      return under.next;
    }
    return start(group);
  }

  function start(group: string): Checked {
    const now = checkOnce(group).finally(() => {
      if (checking.get(group)?.now === now) checking.delete(group);
    });
    checking.set(group, { now, next: undefined });
    return now;
  }

  return {
    async childEnded(place, end) {
      await recordChildEnd(broker, place, end);
      await check(place.group);
    },
    async callbackEnded(group, taskId, outcome) {
      const spec = await readSpec(broker, group);
      if (spec?.then.taskId !== taskId) return; // a client's own task with a callback's header
      await createEntry(broker, groupKey(group, "then"), { outcome, at: new Date().toISOString() });
    },
    hasCalled: async (group) => (await readEntry(broker, groupKey(group, "then"))) !== undefined,
    check,
    expire: (spec) => closeEarly("deadline", spec, recall(spec.id)),
  };
}

/** The last child that has not ended; undefined: all have. It was published last, so it is likely to end last. */
function lastMissing(ended: ReadonlySet<number>, total: number): number | undefined {
  for (let index = total - 1; index >= 0; index--) if (!ended.has(index)) return index;
  return undefined;
}
