// Tested by tests/src/worker/identity_test.ts
// Tested by libs/tasks/src/publish/store_test.ts
import { randomUUID } from "node:crypto";
import { type AmbientPublisher, withPublisher } from "../definition/ambient.ts";
import type { JsonObject } from "../definition/json.ts";
import { checkPayload, PayloadRefusedError, sizeProblem } from "../definition/payload.ts";
import type { Given, PublishableTask, ScheduleOptions, VoOption } from "../definition/publishable.ts";
import type { Per } from "../definition/traits.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import type { Broker } from "../broker/broker.ts";
import { boundId, checkTaskId } from "../format/delivery.ts";
import { InvalidNameError, NO_VO } from "../format/names.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { type Prepared, type Published, storeMany, storeOne } from "./store.ts";
import { messageOf, startAtOf } from "./task_message.ts";

/** Greatest number of children that are published at the same time. */
const IN_FLIGHT = 500;
/** Room below the server's payload limit, bytes, as the streams are declared. */
const HEADROOM_BYTES = 64 * 1024;

/** What is published, for which VO, and when. `vo` is required by a task that is per VO, and `payload` by one whose schema does not accept `{}`. */
export type PublishOptions<Input extends JsonObject = JsonObject, P extends Per = Per> = ScheduleOptions<Input, P> &
  VoOption<P> & {
    /**
     * Identity of the task; publishing it again has no second effect. Default: a random one. Of an id over 200 bytes, the SHA-256 is used.
     */
    readonly taskId?: string;
  };

/** Publishes tasks over one connection. */
export interface Publisher {
  /**
   * Stores one task and resolves when it is stored.
   *
   * Throws `InvalidNameError`, `PayloadRefusedError`, what JetStream refuses, and `PublishUnknownError` after 20 s without an answer.
   */
  publish<Input extends JsonObject, P extends Per>(
    task: PublishableTask<Input, P>,
    ...options: Given<PublishOptions<NoInfer<Input>, NoInfer<P>>>
  ): Promise<Published>;
  /**
   * Stores many tasks, and returns their receipts in order. Stores everything that can be stored, and then throws the first refusal.
   *
   * Where the server writes each message to the disk, all after the first 500 go in batches (decision 24).
   */
  publishMany<Input extends JsonObject, P extends Per>(
    task: PublishableTask<Input, P>,
    many: Iterable<PublishOptions<NoInfer<Input>, NoInfer<P>>>,
  ): Promise<readonly Published[]>;
  /** Runs `work` with this publisher behind every `task.schedule()` in it. */
  run<T>(work: () => T): T;
}

/** The VO that a task goes to. Throws `InvalidNameError` where the task is per VO and none was given, or the reverse. */
export function voFor(task: PublishableTask, vo: string | undefined): string {
  if (task.per === "all") {
    if (vo === undefined || vo === NO_VO) return NO_VO;
    throw new InvalidNameError({
      what: "VO",
      value: vo,
      problem: `${task.name} is not per VO`,
      rule: "leave the VO out",
    });
  }
  if (vo === undefined || vo === NO_VO)
    throw new InvalidNameError({ what: "VO", value: vo ?? "", problem: `${task.name} is per VO`, rule: "name one" });
  return vo;
}

/** The version of `task`'s payloads, where a message has to state it: version 1 is not stated. */
export function statedVersion({ payloadVersion }: PublishableTask): Pick<SpawnedTask, "payloadVersion"> {
  return payloadVersion === 1 ? {} : { payloadVersion };
}

/** A payload that its task accepts. */
export interface CheckedPayload {
  /** The payload as it was given. It is sent, and tells a repeat from another task. */
  readonly payload: JsonObject;
  /** The payload as the task's schema returned it. It is given to the run. */
  readonly parsed: unknown;
  /** Size of `payload`, bytes of JSON. */
  readonly size: number;
}

/** Checks a payload and its size for `task`. Throws `PayloadRefusedError`. */
export async function checkedPayload(
  task: PublishableTask,
  payload: JsonObject | undefined,
  maxBytes: number,
): Promise<CheckedPayload> {
  const given = payload ?? {};
  const problem = sizeProblem(given);
  if (problem !== undefined) throw new PayloadRefusedError(task.name, problem);
  const parsed = await checkPayload(task, given);
  const size = Buffer.byteLength(JSON.stringify(given));
  if (size > maxBytes)
    throw new PayloadRefusedError(task.name, `it has ${size} bytes of JSON; ${maxBytes} are the limit`);
  return { payload: given, parsed, size };
}

/**
 * Checks what can be known of a task before any server is asked.
 *
 * Throws `InvalidNameError` and `PayloadRefusedError`.
 */
export async function checkPublishable<Input extends JsonObject>(
  task: PublishableTask<Input>,
  { vo, payload }: { readonly vo?: string; readonly payload?: NoInfer<Input> },
): Promise<void> {
  voFor(task, vo);
  await checkedPayload(task, payload, Number.POSITIVE_INFINITY);
}

/** Size of the largest message that a server accepts by default, bytes. */
const USUAL_MESSAGE_BYTES = 1_048_576;

/** Size of the largest payload in a message of at most `messageBytes`, bytes of JSON. Default: the server's default. */
export function payloadBytesIn(messageBytes = USUAL_MESSAGE_BYTES): number {
  // Headers count too. An id may have 200 bytes, and stands in three of them.
  return messageBytes - HEADROOM_BYTES - 4096;
}

/** Size of the largest payload that `broker` accepts, bytes of JSON. */
export function maxPayloadBytes(broker: Broker): number {
  return payloadBytesIn(broker.nc.info?.max_payload);
}

/** A publisher over `broker`, whose connection stays the caller's. */
export function createPublisher(broker: Broker): Publisher {
  async function outgoing(task: PublishableTask, options: PublishOptions): Promise<Prepared> {
    const vo = voFor(task, options.vo);
    const { payload, size } = await checkedPayload(task, options.payload, maxPayloadBytes(broker));
    const taskId = boundId(checkTaskId(options.taskId ?? randomUUID()));
    const startAt = options.at === undefined ? {} : { startAt: startAtOf(options.at) };
    return { task: { taskId, task: task.name, vo, payload, ...statedVersion(task), ...startAt }, size };
  }

  async function publish(task: PublishableTask, options: PublishOptions = {}): Promise<Published> {
    return storeOne(broker, (await outgoing(task, options)).task);
  }

  const ambient: AmbientPublisher = {
    schedule: async (task, options) => (await publish(task, options)).taskId,
  };
  return {
    publish,
    publishMany: (task, many) => storeMany(broker, many, (options) => outgoing(task, options)),
    run: (work) => withPublisher(ambient, work),
  };
}

/** Publishes the children of a run that has committed. Their ids stay the same, so a repeat is harmless. */
export async function publishSpawned(broker: Broker, parentId: string, spawned: readonly SpawnedTask[]): Promise<void> {
  for (let at = 0; at < spawned.length; at += IN_FLIGHT) {
    const turn = spawned.slice(at, at + IN_FLIGHT);
    await Promise.all(turn.map((child) => publishSurely(broker, messageOf(child, parentId))));
  }
}
