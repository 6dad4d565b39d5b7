import { createHash } from "node:crypto";
import type { AnyGroupOptions } from "../definition/group.ts";
import { canonicalJson } from "../definition/json.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import { boundId, checkTaskId, MAX_ID_BYTES } from "../format/delivery.ts";
import { printGroupPlace } from "../format/group_place.ts";

const DAY_MS = 86_400_000;
/** Time until a group is closed whose author states no deadline, ms. */
const DEFAULT_DEADLINE_MS = 7 * DAY_MS;
/** Longest such time, ms. The entries of a group live twice as long. */
const MAX_DEADLINE_MS = 30 * DAY_MS;

/** A child whose payload and address were checked. */
export type CheckedChild = Omit<SpawnedTask, "taskId">;

/** A checked child of a group. */
export interface PlannedChild extends CheckedChild {
  readonly key?: string;
}

export function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

interface Parent {
  readonly parentId: string;
  readonly parentVo: string;
}

/** The id of a child. It follows from the id of its parent, or of its group, and from its key. */
export function childIdOf({ parentId, parentVo }: Parent, { task, vo }: CheckedChild, key: string): string {
  if (vo === parentVo) return checkTaskId(boundId(`${parentId}/${key}`));
  // The id of an occurrence names its VO. A child in another VO must not seem to belong to the VO of its parent.
  return checkTaskId(boundId(`${task}/${vo}/${hash(`${parentId}/${key}`)}`));
}

interface GroupPlan extends Parent {
  readonly children: readonly PlannedChild[];
  readonly then: CheckedChild;
  readonly options: AnyGroupOptions;
  /** When the run asks for the group, ms since the epoch. */
  readonly nowMs: number;
  /** Returns how often this run has asked with equal content, 0 first. */
  numberOf(content: string): number;
}

/** A group with everything that is needed to publish it. */
export interface PlannedGroup {
  readonly id: string;
  /** The children in the order of the list, and then the callback. */
  readonly tasks: readonly SpawnedTask[];
}

function deadlineOf({ children, options: { deadline }, nowMs }: GroupPlan): string {
  if (deadline !== undefined && !(deadline instanceof Date)) {
    throw new RangeError(`Cannot spawn a group with the deadline ${JSON.stringify(deadline)}: give a Date`);
  }
  const atMs = deadline === undefined ? nowMs + DEFAULT_DEADLINE_MS : deadline.getTime();
  const latest = new Date(nowMs + MAX_DEADLINE_MS).toISOString();
  if (!(atMs > nowMs && atMs <= nowMs + MAX_DEADLINE_MS)) {
    const found = Number.isNaN(atMs) ? "no time" : new Date(atMs).toISOString();
    throw new RangeError(`Cannot spawn a group with the deadline ${found}: give a time from now to ${latest}`);
  }
  const late = children.find(({ startAt }) => startAt !== undefined && Date.parse(startAt) >= atMs);
  if (late === undefined) return new Date(atMs).toISOString();
  const problem = `a child of ${late.task} begins at ${late.startAt}, after the group's deadline`;
  throw new RangeError(`Cannot spawn a group: ${problem}; give a later deadline, ${latest} at most`);
}

/**
 * Plans a group. Its id follows from the parent's id and the group's content, and the children's ids follow from the group's. So a second run
 * that sees other CEs makes another group, whose children have other ids.
 *
 * Throws `RangeError` for a key that is there twice, and for a deadline that cannot be.
 */
export function planGroup(plan: GroupPlan): PlannedGroup {
  const { parentId, parentVo, children, then, options } = plan;
  const deadlineAt = deadlineOf(plan);
  const content = createHash("sha256").update(
    canonicalJson([then.task, then.vo, then.payload, options.policy ?? "wait"]),
  );
  const keys = new Set<string>();
  for (const [index, { key = String(index), task, vo, payload }] of children.entries()) {
    if (Buffer.byteLength(key) > MAX_ID_BYTES) {
      throw new RangeError(
        `Cannot spawn a group: a key has ${Buffer.byteLength(key)} bytes; ${MAX_ID_BYTES} are the limit`,
      );
    }
    if (keys.has(key)) throw new RangeError(`Cannot spawn a group: its key ${JSON.stringify(key)} is there twice`);
    keys.add(key);
    content.update(canonicalJson([key, task, vo, payload]));
  }
  const base = `${options.key ?? "group"}/${content.digest("base64url").slice(0, 22)}`;
  const number = plan.numberOf(base);
  const id = checkTaskId(boundId(`${parentId}/${base}${number === 0 ? "" : `/${number}`}`));
  const parent = { parentId: id, parentVo };
  const tasks = children.map(({ key, ...child }, index): SpawnedTask => {
    const name = key ?? String(index);
    const place = printGroupPlace({ group: id, index });
    return { taskId: childIdOf(parent, child, name), ...child, group: place, groupKey: name };
  });
  const callback = { id, policy: options.policy ?? "wait", deadlineAt };
  return { id, tasks: [...tasks, { taskId: childIdOf(parent, then, "then"), ...then, callback }] };
}
