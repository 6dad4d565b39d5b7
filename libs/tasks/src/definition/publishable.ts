import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { JsonObject } from "./json.ts";
import type { TaskTraits } from "./traits.ts";

export interface SpawnOptions {
  /** The child's VO; default the parent's. */
  readonly vo?: string;
  /** Tells children of equal task, VO and payload apart, in any order. Default: their number among equals. */
  readonly key?: string;
  /** Earliest start; default at once. */
  readonly at?: Date;
}

export interface ScheduleOptions<Input> extends SpawnOptions {
  /** The payload before the task's schema. Default: the empty object, where the schema allows it. */
  readonly payload?: Input;
}

/** What publishing needs to know of a task. `Input` is the payload as it is sent, before its schema has filled or changed it. */
export interface PublishableTask<Input extends JsonObject = JsonObject>
  extends Pick<TaskTraits, "per" | "payloadVersion"> {
  readonly name: string;
  readonly payload: StandardSchemaV1<Input, unknown>;
}
