import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { OwnHeaders } from "../format/own_headers.ts";
import type { JsonObject } from "./json.ts";
import type { Interval } from "../calendar/schedule.ts";
import type { Per, TaskTraits } from "./traits.ts";
import type { Unique } from "./unique.ts";

/** What publishing needs to know of a task. `Input` is the payload as it is sent, before its schema has filled or changed it. */
export interface PublishableTask<Input extends JsonObject = JsonObject, P extends Per = Per>
  extends Pick<TaskTraits, "payloadVersion"> {
  readonly name: string;
  readonly per: P;
  /** How long a result is kept after the task's end, ms; absent: only where its publisher asks for it. */
  readonly keepResultMs?: number | undefined;
  readonly payload: StandardSchemaV1<Input, unknown>;
}

/** The object without a field. */
export type Empty = Record<never, never>;

/** The arguments of a function that ends in options: they may be left out where none of them is required. */
export type Given<Options> = Empty extends Options ? [options?: Options] : [options: Options];

/** The payload, which may be left out where the task's schema accepts the empty object. */
export type PayloadOption<Input> = Empty extends Input ? { readonly payload?: Input } : { readonly payload: Input };

/** A VO where the task may be per VO. */
type VoOf<P extends Per> = [P] extends ["all"] ? never : string;

/** The VO: required by a task that is per VO, and taken by no other. Where the type does not tell which it is, a check at run time does. */
export type VoOption<P extends Per> = [P] extends ["vo"] ? { readonly vo: string } : { readonly vo?: VoOf<P> };

/** How a child is published. */
export interface SpawnOptions<P extends Per = Per> {
  /** The VO of a child that is per VO; default the parent's. */
  readonly vo?: VoOf<P>;
  /** Tells children of equal task, VO and payload apart, in any order. Default: their number among equals. */
  readonly key?: string;
  /**
   * Further headers of the message, such as `traceparent`; they stay the same over all attempts. At most 2 KiB, and none that begins with
   * `Task-`, `Nats-`, `Dead-` or `KV-`. Default: none; for a child its parent's `traceparent` and `tracestate`.
   */
  readonly headers?: OwnHeaders;
  /** Earliest start; default at once. */
  readonly at?: Date;
  /** How long its result is kept after its end, 1 s to 30 d; default: as its definition says. */
  readonly keepResult?: Interval;
}

/** What `schedule` of a definition takes: the payload before the task's schema, and where and when it runs. */
export type ScheduleOptions<Input extends JsonObject = JsonObject, P extends Per = Per> = SpawnOptions<P> &
  PayloadOption<Input>;

/**
 * What is published, for which VO, and when. `vo` is required by a task that is per VO, and `payload` by one whose schema does not accept `{}`.
 */
export type PublishOptions<Input extends JsonObject = JsonObject, P extends Per = Per> = ScheduleOptions<Input, P> &
  VoOption<P> & {
    /**
     * Identity of the task; publishing it again has no second effect. Default: a random one. Of an id over 200 bytes, the SHA-256 is used.
     */
    readonly taskId?: string;
    /** Lets one task of a key wait at a time. Only `publish` takes it. Default: any number waits. */
    readonly unique?: Unique;
  };
