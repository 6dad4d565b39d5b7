import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { JsonObject } from "./json.ts";

export interface SpawnOptions {
  /** The child's VO; default the parent's. */
  readonly vo?: string;
  /** Tells children of equal task, VO and payload apart, whatever their order. Default: their number among equals. */
  readonly key?: string;
  /** Earliest start; default at once. */
  readonly at?: Date;
}

export interface ScheduleOptions<Payload> extends SpawnOptions {
  /** Default: the empty object, where the schema allows it. */
  readonly payload?: Payload;
}

/** What publishing needs to know of a task. */
export interface PublishableTask<Payload extends JsonObject = JsonObject> {
  readonly name: string;
  readonly per: "vo" | "all";
  readonly payload: StandardSchemaV1<unknown, Payload>;
  /** Of the payload's form; absent: 1. */
  readonly payloadVersion?: number;
}
