// Tested by tests/src/types/task_types_test.ts
import type { StandardSchemaV1 } from "@standard-schema/spec";
import * as z from "zod";
import { checkTaskName } from "../format/names.ts";
import { checkAddress } from "../format/subject.ts";
import { currentPublisher } from "./ambient.ts";
import type { ChildGroup, GroupChild, GroupOptions } from "./group.ts";
import type { JsonObject } from "./json.ts";
import { keepResultMs } from "./keep_result.ts";
import type { Lock } from "./lock_type.ts";
import type { SpawnedTask } from "./ledger.ts";
import type { RunLog } from "./run_log.ts";
import { type MigratableTask, type PayloadSteps, stepsOf } from "./migrate.ts";
import { checkOccurrence } from "./occurrence.ts";
import { ownMutexOf } from "./own_mutex.ts";
import { payloadBytesIn, prepareTask } from "./prepare.ts";
import type { Empty, Given, PublishableTask, PublishOptions, ScheduleOptions, SpawnOptions } from "./publishable.ts";
import {
  checkInstances,
  type InstanceSpec,
  isPeriodic,
  type RecurrenceTraits,
  recurrenceTraits,
  type TaskInstances,
} from "./recurrence.ts";
import type { Interval, Schedule } from "../calendar/schedule.ts";
import { type Per, type TaskTraits, traitsOf } from "./traits.ts";

/** A lease that a run holds, as the task sees it. */
export interface HeldLease {
  readonly key: string;
  /**
   * The revision that began the lease. Readers that hold a read-write lock together have one in common. That of a limiter means nothing: 0
   * where it did not limit.
   */
  readonly fencingToken: number;
}

/** The `deps` of a task that was given no type of them: a task that calls something names it, as in `atLeastOnceFactory<SiteDeps>()`. */
// biome-ignore lint/suspicious/noEmptyInterface: the type checker says its name where a task uses what is not there.
export interface NoDeps {}

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
  /**
   * Tells how far the run has come, for `muster task watch` and `muster task show`. Sent twice a second at most; the newest of what comes
   * faster is sent. Returns at once and never throws. The run's end takes it away.
   */
  progress(done: number, total: number, note?: string): void;
  /** Writes lines about this run, for the app's log and for `muster task show`. */
  readonly log: RunLog;
  /** Publishes a child once this run has committed, and returns its id at once. A failed run spawns none. */
  spawn<Input extends JsonObject, P extends Per>(
    task: PublishableTask<Input, P>,
    payload: NoInfer<Input>,
    options?: SpawnOptions<NoInfer<P>>,
  ): string;
  /**
   * Publishes children once this run has committed, and the task `then` once all of them have ended. Returns the group's id at once. A
   * failed run spawns none.
   *
   * Throws `PayloadRefusedError`, `InvalidNameError`, and `RangeError` for a key that is there twice, for too many children and for a
   * deadline that cannot be.
   */
  spawnGroup<const Inputs extends readonly JsonObject[], Then extends JsonObject>(
    children: readonly [...{ [Index in keyof Inputs]: GroupChild<Inputs[Index]> }],
    options: GroupOptions<Then>,
  ): string;
  /** The group whose callback this task is; undefined: it is none. */
  readonly group: ChildGroup | undefined;
}

/**
 * `once`: the outcome is a row in the transaction of the effect, so a task that runs twice has one effect. `at-least-once`: there is no
 * database, and a crash between effect and ack repeats the effect.
 */
export type EffectKind = "once" | "at-least-once";

/** Any definition, where payload and deps do not matter. Method bivariance makes every definition assignable to it. */
export interface AnyTask extends PublishableTask, TaskTraits, MigratableTask, RecurrenceTraits {
  readonly effect: EffectKind;
  /** The rule by which the scheduler publishes it; undefined: it has none but those of its `instances`. */
  readonly recurrence: Schedule | undefined;
  /** Its named schedules, each with a payload of its own. */
  readonly instances: TaskInstances;
  /** The locks that a run must hold. */
  locks(payload: never, vo: string): readonly Lock[];
  /** Does the work of one run. */
  execute(run: Run<never, never>): unknown;
}

/** A task whose `deps` are `Deps`, or that takes none. */
export interface TaskOver<Deps> extends AnyTask {
  /** Does the work of one run. */
  execute(run: Run<never, Deps>): unknown;
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
  P extends Per = Per,
> extends AnyTask {
  readonly per: P;
  readonly payload: StandardSchemaV1<Input, Payload>;
  readonly effect: Effect;
  readonly keepResultMs: number | undefined;
  locks(payload: Payload, vo: string): readonly Lock[];
  execute(run: Run<Payload, Deps>): Promise<Result> | Result;
  /**
   * Publishes this task and returns its id. Inside another task's `execute` it spawns a child. Throws `NoPublisherError` where neither is
   * possible.
   */
  schedule(...options: Given<ScheduleOptions<Input, P>>): Promise<string>;
  /**
   * Checks what is to be published of this task, gives it its id, and returns it. Asks no server. For `publishWith` of `@muster/ledger`.
   *
   * The payload may have 956 KiB of JSON, which a server takes by default. Throws `InvalidNameError`, `PayloadRefusedError`, and `RangeError`
   * for a start that cannot be.
   */
  prepare(options: PublishOptions<Input, P>): Promise<SpawnedTask>;
}

declare const unfit: unique symbol;

/** A type that no value has. The type checker shows its reason. */
interface Unfit<Reason extends string> {
  readonly [unfit]: Reason;
}

/** A schedule of a task whose schema accepts the empty object. For any other task there is none. */
export type ScheduleFor<Input> = Empty extends Input
  ? Schedule
  : Schedule & Unfit<"an occurrence's payload is {}: give each field of the payload a default, or make it optional">;

/** What a task is made of. */
export interface TaskSpec<Input extends JsonObject, Payload, Deps, Result, P extends Per = Per>
  extends Partial<TaskTraits>,
    Partial<RecurrenceTraits> {
  /** Letters, digits, `-` and `_`. It is part of subjects, so it must never change. */
  readonly name: string;
  /**
   * Checks and types the payload; any Standard Schema. Default: the empty object.
   *
   * Its input is what is published and stored, so it is JSON. A schema that takes `unknown` states its input type, as
   * `z.coerce.number<string>()` does. Its output goes to `locks` and `execute`, and may be anything.
   */
  readonly payload?: StandardSchemaV1<Input, Payload>;
  /**
   * How a payload of an older version becomes one of the next: `{ 1: (old) => newer, 2: … }`, with a step for each version before
   * `payloadVersion`. Default: the schema accepts payloads of all versions.
   *
   * Applied before the schema, where the task runs. A step that throws makes the task a dead letter. A message that states no version is of
   * version 1.
   */
  readonly migrate?: PayloadSteps;
  readonly per?: P;
  /** Makes the task periodic. Each occurrence is published with the empty object, so the task's schema must accept that. */
  readonly schedule?: ScheduleFor<Input>;
  /**
   * Keeps the result of each task for so long after its end, 1 s to 30 d. Default: only where its publisher asks. A kept result costs one
   * write to the broker.
   */
  readonly keepResult?: Interval;
  /**
   * Named schedules beside `schedule`, each with a payload of its own. They too make the task periodic. `default` is the name of
   * `schedule` itself.
   */
  readonly instances?: Readonly<Record<string, InstanceSpec<NoInfer<Input>>>>;
  /** The locks that a run must hold; default none. A run of a periodic task holds one more, see `ownMutex`. */
  locks?(payload: Payload, vo: string): readonly Lock[];
  execute(run: Run<Payload, Deps>): Promise<Result> | Result;
}

const EmptyPayload = z.strictObject({});
type EmptyPayload = z.infer<typeof EmptyPayload>;

function define<Input extends JsonObject, Payload, Deps, Result, Effect extends EffectKind, P extends Per>(
  spec: TaskSpec<Input, Payload, Deps, Result, P>,
  effect: Effect,
): TaskDefinition<Input, Payload, Deps, Result, Effect, P> {
  const name = checkTaskName(spec.name);
  const traits = traitsOf(spec);
  const recurring = recurrenceTraits(name, spec);
  // Without a schema the payload's type parameters are inferred as the empty object.
  const payload =
    spec.payload ?? (EmptyPayload as StandardSchemaV1<JsonObject, unknown> as StandardSchemaV1<Input, Payload>);
  const owner = { ...traits, name, payload: payload as AnyTask["payload"] };
  const periodic = { recurrence: spec.schedule, instances: checkInstances(owner, spec.instances ?? {}) };
  const holdsOwnMutex = isPeriodic(periodic) && recurring.ownMutex === "held";
  const definition: TaskDefinition<Input, Payload, Deps, Result, Effect, P> = {
    ...traits,
    ...recurring,
    ...periodic,
    // Without `per` the type parameter is inferred as "all", which is also the default.
    per: traits.per as P,
    name,
    payload,
    payloadSteps: stepsOf(name, traits.payloadVersion, spec.migrate),
    effect,
    keepResultMs: spec.keepResult === undefined ? undefined : keepResultMs(name, spec.keepResult),
    // Last, so that a task's leases stand where its own locks do.
    locks(input, vo) {
      const own = spec.locks?.(input, vo) ?? [];
      return holdsOwnMutex ? [...own, ownMutexOf(name, vo)] : own;
    },
    execute: (run) => spec.execute(run),
    schedule: async (...[options]) => currentPublisher(spec.name).schedule(definition, options ?? {}),
    async prepare(options) {
      const { task } = await prepareTask(definition, options, payloadBytesIn());
      checkAddress(task);
      return task;
    },
  };
  // A scheduler that starts awaits what an asynchronous schema says.
  if (spec.schedule !== undefined) checkOccurrence(definition)?.catch(() => undefined);
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
  P extends Per = "all",
>(
  spec: TaskSpec<Input, Payload, Deps, Result, P>,
) => TaskDefinition<Input, Payload, Deps, Result, Effect, P>;

/**
 * Returns a `defineTask` whose tasks have their effect once, in a database behind `deps`.
 *
 * ```ts
 * const defineTask = taskFactory<PilotDeps>();
 * ```
 */
export function taskFactory<Deps = NoDeps>(): TaskFactory<Deps, "once"> {
  return (spec) => define(spec, "once");
}

/**
 * Like {@linkcode taskFactory}, for tasks without a database: a crash between effect and ack runs them again. A task that calls nothing but
 * its own imports needs no type of `deps`.
 */
export function atLeastOnceFactory<Deps = NoDeps>(): TaskFactory<Deps, "at-least-once"> {
  return (spec) => define(spec, "at-least-once");
}
