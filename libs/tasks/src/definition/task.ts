import type { StandardSchemaV1 } from "@standard-schema/spec";
import * as z from "zod";
import { checkTaskName } from "../format/names.ts";
import { currentPublisher } from "./ambient.ts";
import type { JsonObject } from "./json.ts";
import type { Lock } from "./lock_type.ts";
import type { PublishableTask, ScheduleOptions, SpawnOptions } from "./publishable.ts";
import { exponentialBackoff, type RetryPolicy } from "./retry.ts";
import type { Schedule } from "./schedule.ts";

/** Realtime before normal before background, strictly. */
export type Priority = "realtime" | "normal" | "background";
export const PRIORITIES: readonly Priority[] = ["realtime", "normal", "background"];

/** How much a run takes out of a worker: a small one is short and light, a large one may fill a process for minutes. */
export type Size = "small" | "medium" | "large";

/** Longest run by size, ms, unless the definition says otherwise. */
export const TIMEOUT_MS: Readonly<Record<Size, number>> = { small: 60_000, medium: 600_000, large: 3_600_000 };

/** A lease that a run holds, as the task sees it. */
export interface HeldLease {
  readonly key: string;
  /** The revision that began the lease. */
  readonly fencingToken: number;
}

/** What one run of a task is given. */
export interface Run<Payload, Deps> {
  readonly deps: Deps;
  readonly payload: Payload;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo: string;
  readonly taskId: string;
  /** 1 first. */
  readonly attempt: number;
  /** One for each of the definition's locks, in the order of `locks`. */
  readonly leases: readonly HeldLease[];
  /** Aborts at the timeout, when a lease is lost, on cancelling, and at the drain's deadline. */
  readonly signal: AbortSignal;
  /** Publishes a child once this run has committed, and answers its id at once. A run that fails spawns none. */
  spawn<P extends JsonObject>(task: PublishableTask<P>, payload: P, options?: SpawnOptions): string;
}

/** What `defineTask` returns; its constant bears the task's name. */
export interface TaskDefinition<
  Payload extends JsonObject = JsonObject,
  Deps = unknown,
  Result = unknown,
  Effect extends EffectKind = EffectKind,
> extends PublishableTask<Payload> {
  readonly payloadVersion: number;
  readonly effect: Effect;
  readonly priority: Priority;
  readonly size: Size;
  readonly retry: RetryPolicy;
  /** Longest run, ms. */
  readonly timeoutMs: number;
  /** Longest wait for a lock before the attempt fails, ms. */
  readonly lockWaitMs: number;
  /** The rule by which the scheduler publishes it; undefined: only on demand. */
  readonly recurrence: Schedule | undefined;
  locks(payload: Payload, vo: string): readonly Lock[];
  execute(run: Run<Payload, Deps>): Promise<Result> | Result;
  /**
   * Publishes this task and answers its id; inside another task's `execute`, spawns it as a child.
   * Throws `NoPublisherError` where neither is at hand.
   */
  schedule(options?: ScheduleOptions<Payload>): Promise<string>;
}

/**
 * `once`: the outcome is a row in the transaction of the effect, so a task that runs twice has one effect.
 * `at-least-once`: no database is behind it, and a crash between effect and ack repeats the effect.
 */
export type EffectKind = "once" | "at-least-once";

/** Any definition, where payload and deps are not of interest. Method bivariance lets every definition be one. */
export interface AnyTask extends PublishableTask {
  readonly payloadVersion: number;
  readonly effect: EffectKind;
  readonly priority: Priority;
  readonly size: Size;
  readonly retry: RetryPolicy;
  readonly timeoutMs: number;
  readonly lockWaitMs: number;
  readonly recurrence: Schedule | undefined;
  locks(payload: never, vo: string): readonly Lock[];
  execute(run: Run<never, never>): unknown;
}

/** What a task is made from. */
export interface TaskSpec<Payload extends JsonObject, Deps, Result> {
  /** Letters, digits, `-` and `_`; stands in subjects, so it never changes. */
  readonly name: string;
  /** `"vo"`: one task belongs to one VO. Default `"all"`: its subject ends in `_`. */
  readonly per?: "vo" | "all";
  /** Checks and types the payload; any Standard Schema. Default: the empty object. */
  readonly payload?: StandardSchemaV1<unknown, Payload>;
  /**
   * Raise it with a change of the payload that older workers cannot read, default 1: such a task waits for a worker of its version,
   * where an older one would refuse it.
   */
  readonly payloadVersion?: number;
  /** Default `normal`. */
  readonly priority?: Priority;
  /** Default `medium`. */
  readonly size?: Size;
  /** Default `exponentialBackoff()`: five retries, then a dead letter. */
  readonly retry?: RetryPolicy;
  /** Longest run, ms; default by size: 1 minute, 10 minutes, 1 hour. */
  readonly timeoutMs?: number;
  /** Longest wait for a lock, ms; default 10 minutes. A longer wait fails the attempt. */
  readonly lockWaitMs?: number;
  /** Makes the task periodic. */
  readonly schedule?: Schedule;
  /** The locks a run must hold; default none. */
  locks?(payload: Payload, vo: string): readonly Lock[];
  execute(run: Run<Payload, Deps>): Promise<Result> | Result;
}

const EmptyPayload = z.strictObject({});
type EmptyPayload = z.infer<typeof EmptyPayload>;

function define<Payload extends JsonObject, Deps, Result, Effect extends EffectKind>(
  spec: TaskSpec<Payload, Deps, Result>,
  effect: Effect,
): TaskDefinition<Payload, Deps, Result, Effect> {
  const size = spec.size ?? "medium";
  const timeoutMs = spec.timeoutMs ?? TIMEOUT_MS[size];
  const lockWaitMs = spec.lockWaitMs ?? 600_000;
  const payloadVersion = spec.payloadVersion ?? 1;
  if (!(timeoutMs >= 1 && timeoutMs <= 86_400_000)) {
    throw new RangeError(`Cannot define ${spec.name}: timeoutMs is ${timeoutMs}; give 1 to 86,400,000`);
  }
  if (!(Number.isSafeInteger(payloadVersion) && payloadVersion >= 1)) {
    throw new RangeError(`Cannot define ${spec.name}: payloadVersion is ${payloadVersion}; give a whole number from 1`);
  }
  const definition: TaskDefinition<Payload, Deps, Result, Effect> = {
    name: checkTaskName(spec.name),
    per: spec.per ?? "all",
    // Without a schema the payload's type parameter is inferred as the empty object.
    payload:
      spec.payload ?? (EmptyPayload as StandardSchemaV1<unknown, JsonObject> as StandardSchemaV1<unknown, Payload>),
    payloadVersion,
    effect,
    priority: spec.priority ?? "normal",
    size,
    retry: spec.retry ?? exponentialBackoff(),
    timeoutMs,
    lockWaitMs,
    recurrence: spec.schedule,
    locks: (payload, vo) => spec.locks?.(payload, vo) ?? [],
    execute: (run) => spec.execute(run),
    schedule: async (options = {}) => currentPublisher(spec.name).schedule(definition, options),
  };
  return definition;
}

/** Defines tasks over one kind of `deps`. */
export type TaskFactory<Deps, Effect extends EffectKind> = <Payload extends JsonObject = EmptyPayload, Result = void>(
  spec: TaskSpec<Payload, Deps, Result>,
) => TaskDefinition<Payload, Deps, Result, Effect>;

/**
 * Answers a `defineTask` whose tasks have their effect once, in a database behind `deps`.
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
