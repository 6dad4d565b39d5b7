import type { Json, JsonObject } from "./json.ts";
import type { PayloadOption, PublishableTask, SpawnOptions } from "./publishable.ts";
import type { Per } from "./traits.ts";

/** When the callback of a group is published. `wait`: when all children have ended. `fail fast`: also when the first one has failed. */
export type GroupPolicy = "wait" | "fail fast";

/**
 * One child of a group, as `spawnGroup` takes it. Its `key` is its name in the group, by which its end can be looked up; default: its number
 * in the list, from 0.
 */
export type GroupChild<Input extends JsonObject = JsonObject, P extends Per = Per> = {
  readonly task: PublishableTask<Input, P>;
} & SpawnOptions<P> &
  PayloadOption<NoInfer<Input>>;

/** The task that is published when the group closes. */
export type GroupCallback<Input extends JsonObject = JsonObject, P extends Per = Per> = {
  readonly task: PublishableTask<Input, P>;
} & Pick<SpawnOptions<P>, "vo"> &
  PayloadOption<NoInfer<Input>>;

/** What runs when a group's children have ended, and what their failures mean. */
export interface GroupOptions<Input extends JsonObject = JsonObject> {
  /** The callback: a task, or a task with its payload and VO. It is published once, with the id `<group>/then`. */
  readonly then: PublishableTask<Input> | GroupCallback<Input>;
  /** Default `wait`. */
  readonly policy?: GroupPolicy;
  /**
   * When the group is closed though children have not ended. They are `missing` then. Default: in seven days; at most in 30. A child whose
   * message somebody purged never ends.
   */
  readonly deadline?: Date;
  /** Tells two groups of equal children and callback in one run apart. Default: their number among equals. */
  readonly key?: string;
}

/** A group's options, where the payload's type does not matter. */
export interface AnyGroupOptions extends Omit<GroupOptions, "then"> {
  readonly then:
    | PublishableTask
    | { readonly task: PublishableTask; readonly payload?: JsonObject; readonly vo?: string };
}

/** How a child of a group ended, as its callback sees it. */
export interface EndedChild {
  /** Its key, or its number in the list. */
  readonly key: string;
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  /** `missing`: it had not ended when the group was closed. */
  readonly outcome: "done" | "dropped" | "dead" | "cancelled" | "missing";
  /** What `execute` returned; null unless done. */
  readonly result: Json;
  /** Its last error; null where it had none. */
  readonly error: string | null;
}

/** Why a group was closed: all of its children ended, the first one failed under `fail fast`, or its deadline has passed. */
export type GroupClosing = "all ended" | "failed" | "deadline";

/** The group whose children a callback has waited for. Results are read when they are asked for. */
export interface ChildGroup {
  readonly id: string;
  /** Number of children. */
  readonly total: number;
  readonly closed: GroupClosing;
  /**
   * The ends of all children, in the order of the list. Reads 64 ahead of what is taken, and keeps none, so that results of any number fit into
   * memory. Throws when the broker does not answer.
   */
  children(): AsyncIterable<EndedChild>;
  /** The end of the child with this key; undefined: there is no such child. Throws when the broker does not answer. */
  child(key: string): Promise<EndedChild | undefined>;
}
