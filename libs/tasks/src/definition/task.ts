// Tested by tests/src/types/task_types_test.ts
import type { StandardSchemaV1 } from "@standard-schema/spec";
import * as z from "zod";
import { checkTaskName } from "../format/names.ts";
import { currentPublisher } from "./ambient.ts";
import type { JsonObject } from "./json.ts";
import type { Lock } from "./lock_type.ts";
import type { PublishableTask, ScheduleOptions, SpawnOptions } from "./publishable.ts";
import { exponentialBackoff } from "./retry.ts";
import type { Schedule } from "./schedule.ts";
import { type TaskTraits, TIMEOUT_MS } from "./traits.ts";

export { PRIORITIES, type Priority, type Size, TIMEOUT_MS } from "./traits.ts";

/** A lease that a run holds, as the task sees it. */
export interface HeldLease {
  readonly key: string;
  /** The revision that began the lease. */
  readonly fencingToken: number;
}

/** What one run of a task is given. */
export interface Run<Payload, Deps> {
  readonly deps: Deps;
  /** The payload as the task's schema returned it. */
  readonly payload: Payload;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo: string;
  readonly taskId: string;
  /** The number of this attempt, 1 first. */
  readonly attempt: number;
  /** One for each of the definition's locks, in the order of `locks`. */
  readonly leases: readonly HeldLease[];
  /** Aborts at the timeout, when a lease is lost, on cancelling, and at the drain's deadline. */
  readonly signal: AbortSignal;
  /** The time, by this machine's clock; a test may move it. Ask it where the task's work depends on the time. */
  now(): Date;
  /** Publishes a child once this run has committed, and returns its id at once. A failed run spawns none. */
  spawn<Input extends JsonObject>(
    task: PublishableTask<Input>,
    payload: NoInfer<Input>,
    options?: SpawnOptions,
  ): string;
}

/**
 * `once`: the outcome is a row in the transaction of the effect, so a task that runs twice has one effect. `at-least-once`: there is no
 * database, and a crash between effect and ack repeats the effect.
 */
export type EffectKind = "once" | "at-least-once";

/** Any definition, where payload and deps do not matter. Method bivariance makes every definition assignable to it. */
export interface AnyTask extends PublishableTask, TaskTraits {
  readonly effect: EffectKind;
  /** The rule by which the scheduler publishes it; undefined: it is only published on demand. */
  readonly recurrence: Schedule | undefined;
  locks(payload: never, vo: string): readonly Lock[];
  execute(run: Run<never, never>): unknown;
}

/**
 * What `defineTask` returns. Its constant has the task's name.
 *
 * `Input` is the payload as it is published and stored. `Payload` is what its schema makes of that, once, where the task runs.
 */
export interface TaskDefinition<
  Input extends JsonObject = JsonObject,
  Payload = unknown,
  Deps = unknown,
  Result = unknown,
  Effect extends EffectKind = EffectKind,
> extends AnyTask {
  readonly payload: StandardSchemaV1<Input, Payload>;
  readonly effect: Effect;
  locks(payload: Payload, vo: string): readonly Lock[];
  execute(run: Run<Payload, Deps>): Promise<Result> | Result;
  /**
   * Publishes this task and returns its id. Inside another task's `execute` it spawns a child. Throws `NoPublisherError` where neither is
   * possible.
   */
  schedule(options?: ScheduleOptions<Input>): Promise<string>;
}

/** What a task is made of. */
export interface TaskSpec<Input extends JsonObject, Payload, Deps, Result> extends Partial<TaskTraits> {
  /** Letters, digits, `-` and `_`. It is part of subjects, so it must never change. */
  readonly name: string;
  /**
   * Checks and types the payload; any Standard Schema. Default: the empty object.
   *
   * Its input is what is published and stored, so it is JSON. A schema that takes `unknown` states its input type, as
   * `z.coerce.number<string>()` does. Its output goes to `locks` and `execute`, and may be anything.
   */
  readonly payload?: StandardSchemaV1<Input, Payload>;
  /** Makes the task periodic. */
  readonly schedule?: Schedule;
  /** The locks that a run must hold; default none. */
  locks?(payload: Payload, vo: string): readonly Lock[];
  execute(run: Run<Payload, Deps>): Promise<Result> | Result;
}

const EmptyPayload = z.strictObject({});
type EmptyPayload = z.infer<typeof EmptyPayload>;

function traitsOf(spec: Partial<TaskTraits> & { readonly name: string }): TaskTraits {
  const { per = "all", payloadVersion = 1, priority = "normal", size = "medium", retry = exponentialBackoff() } = spec;
  const { timeoutMs = TIMEOUT_MS[size], lockWaitMs = 600_000 } = spec;
  if (!(timeoutMs >= 1 && timeoutMs <= 86_400_000)) {
    throw new RangeError(`Cannot define ${spec.name}: timeoutMs is ${timeoutMs}; give 1 to 86,400,000`);
  }
  if (!(Number.isSafeInteger(payloadVersion) && payloadVersion >= 1)) {
    throw new RangeError(`Cannot define ${spec.name}: payloadVersion is ${payloadVersion}; give a whole number from 1`);
  }
  return { per, payloadVersion, priority, size, retry, timeoutMs, lockWaitMs };
}

function define<Input extends JsonObject, Payload, Deps, Result, Effect extends EffectKind>(
  spec: TaskSpec<Input, Payload, Deps, Result>,
  effect: Effect,
): TaskDefinition<Input, Payload, Deps, Result, Effect> {
  const definition: TaskDefinition<Input, Payload, Deps, Result, Effect> = {
    ...traitsOf(spec),
    name: checkTaskName(spec.name),
    // Without a schema the payload's type parameters are inferred as the empty object.
    payload:
      spec.payload ?? (EmptyPayload as StandardSchemaV1<JsonObject, unknown> as StandardSchemaV1<Input, Payload>),
    effect,
    recurrence: spec.schedule,
    locks: (payload, vo) => spec.locks?.(payload, vo) ?? [],
    execute: (run) => spec.execute(run),
    schedule: async (options = {}) => currentPublisher(spec.name).schedule(definition, options),
  };
  return definition;
}

/**
 * Defines tasks over one kind of `deps`.
 *
 * `Result` falls back to `unknown`, which every `execute` fits. Otherwise a mistake anywhere in a spec would be reported a second time, at
 * `execute`.
 */
export type TaskFactory<Deps, Effect extends EffectKind> = <
  Input extends JsonObject = EmptyPayload,
  Payload = EmptyPayload,
  Result = unknown,
>(
  spec: TaskSpec<Input, Payload, Deps, Result>,
) => TaskDefinition<Input, Payload, Deps, Result, Effect>;

/**
 * Returns a `defineTask` whose tasks have their effect once, in a database behind `deps`.
 *
 * ```ts
 * const defineTask = taskFactory<PilotDeps>();
 * ```
 */
export function taskFactory<Deps>(): TaskFactory<Deps, "once"> {
  return (spec) => define(spec, "once");
}

/** Like {@linkcode taskFactory}, for tasks without a database: a crash between effect and ack runs them again. */
export function atLeastOnceFactory<Deps = undefined>(): TaskFactory<Deps, "at-least-once"> {
  return (spec) => define(spec, "at-least-once");
}
